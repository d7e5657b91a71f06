/** What all proxies are in front of: nginx with bodies of fixed sizes, which outpaces every one of them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, until, type Workshop } from '../transfer/workshop.ts';
import { answers } from './wrk.ts';

/** Bytes of each path's body. */
export const BODIES = { small: 128, medium: 64 * 1024, large: 10 * 1024 * 1024 } as const;
export type Body = keyof typeof BODIES;

/** @returns its port */
export async function startBackend(workshop: Workshop): Promise<number> {
  const folder = join(workshop.folder, 'backend');
  const root = join(folder, 'root');
  await mkdir(root, { recursive: true });
  for (const body of ['medium', 'large'] as const)
    await writeFile(join(root, body), Buffer.alloc(BODIES[body], 'kelana '));
  const [port, inner] = [await freePort(), await freePort()];
  const config = join(folder, 'nginx.conf');
  await writeFile(
    config,
    `daemon off; ${process.getuid?.() === 0 ? 'user root; ' : ''}worker_processes 1; pid ${folder}/pid; error_log stderr crit;
events { worker_connections 8192; }
http {
  access_log off; sendfile on; tcp_nopush off; open_file_cache max=8; keepalive_requests 1000000000; keepalive_timeout 300s;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  default_type text/plain;
  server {
    listen 127.0.0.1:${port} backlog=4096; root ${root};
    location = /small { return 200 "${'s'.repeat(BODIES.small)}"; }
    location = /healthz { return 200 "ok"; }
    # Answers when the whole body is there, as a server does that means to use it.
    location = /upload {
      client_max_body_size 1m; client_body_timeout 300s; proxy_request_buffering on; proxy_pass http://127.0.0.1:${inner};
    }
  }
  server { listen 127.0.0.1:${inner}; location / { return 200 "ok"; } }
}
`,
  );
  workshop.spawn('nginx', ['-c', config, '-e', 'stderr']);
  await until('the backend to answer', () => answers(port));
  return port;
}
