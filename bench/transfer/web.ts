/** curl from an nginx of our own, over TLS 1.3 on loopback. */
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { certificateFile } from './certificate.ts';
import type { Contender, Running } from './contender.ts';
import type { Material } from './material.ts';
import { need } from './ssh.ts';
import { freePort, until, type Workshop } from './workshop.ts';

interface Server {
  readonly pid: number;
  readonly url: string;
}

const servers = new WeakMap<Workshop, Promise<Server>>();

function serverOf(workshop: Workshop, root: string): Promise<Server> {
  const running = servers.get(workshop) ?? startServer(workshop, root);
  servers.set(workshop, running);
  return running;
}

async function startServer(workshop: Workshop, root: string): Promise<Server> {
  need('nginx', 'nginx-light');
  need('curl', 'curl');
  const home = join(workshop.folder, 'nginx');
  await mkdir(home);
  const port = await freePort();
  const pem = await certificateFile(home);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(home, name)};`,
  );
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  await writeFile(
    join(home, 'nginx.conf'),
    `${user}
daemon off;
worker_processes 1;
pid ${join(home, 'pid')};
error_log stderr error;
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  ${temporary.join('\n  ')}
  server {
    listen 127.0.0.1:${port} ssl;
    ssl_certificate ${pem};
    ssl_certificate_key ${pem};
    ssl_protocols TLSv1.3;
    root ${root};
  }
}
`,
  );
  const args = ['-e', 'stderr', '-p', home, '-c', join(home, 'nginx.conf')];
  const child = workshop.spawn('nginx', args);
  const listens = (): Promise<boolean> =>
    new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
  await Promise.race([until('nginx to listen', listens), child.ended()]);
  return { pid: child.pid, url: `https://127.0.0.1:${port}` };
}

function curl(name: string, note: string, shell: (url: string, path: string) => string): Contender {
  return {
    name,
    note,
    async start(workshop: Workshop, material: Material): Promise<Running> {
      const { pid, url } = await serverOf(workshop, dirname(material.path));
      const folder = join(workshop.folder, name.replaceAll(/\W+/g, '-'));
      await mkdir(folder);
      return {
        pids: { sender: [pid], receiver: [] },
        folder,
        async transfer(meter) {
          const path = join(folder, material.name);
          meter.start();
          const child = workshop.spawn('sh', ['-c', shell(`${url}/${material.name}`, path)]);
          meter.watch('receiver', child.pid);
          await child.ended();
          meter.stop();
          return path;
        },
        close: () => Promise.resolve(),
      };
    },
  };
}

/** -q: not the person's own settings. The certificate is nobody's: what is checked is the hash. */
const GET = 'curl -q --silent --show-error --fail --insecure --tlsv1.3';

export const curlVerified = curl(
  'curl + sha256sum',
  'https from nginx, tee and sha256sum',
  (url, path) => `${GET} '${url}' | tee '${path}' | sha256sum`,
);

export const curlPlain = curl(
  'curl unverified',
  'https from nginx, to the file',
  (url, path) => `${GET} --output '${path}' '${url}'`,
);
