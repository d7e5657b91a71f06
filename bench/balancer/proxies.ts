/** The proxies that take turns: each with one worker, kept-alive connections to the backend, and no log unless it is asked for. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { peersInstalled } from '../transfer/npm-peers.ts';
import { freePort, installed, until, type Child, type Workshop } from '../transfer/workshop.ts';
import { answers } from './wrk.ts';

export interface Proxy {
  readonly name: string;
  readonly port: number;
  /** What it speaks; http where left out. */
  readonly scheme?: 'https';
  /** Root of its processes. */
  readonly pid: number;
  stop(): Promise<void>;
}

export const PROXIES = ['kelana', 'haproxy', 'nginx', 'httpxy', 'undici'] as const;
export type ProxyName = (typeof PROXIES)[number];

/** What Debian calls the packages; npm's are installed by themselves. */
export const PACKAGES: Readonly<Record<string, string>> = { haproxy: 'haproxy', nginx: 'nginx', wrk: 'wrk' };

export type Log = 'off' | 'file' | 'default';

export interface Options {
  readonly backend: number;
  /** One line for each request into a file; `default`: what kelana does without options, which is a file and SQLite. */
  readonly log?: Log;
  /** PEM files of a certificate and its key: then it speaks TLS. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** @throws Error where a Debian package is missing */
export function demand(programs: readonly string[]): void {
  const missing = programs.filter((program) => PACKAGES[program] !== undefined && !installed(program));
  if (missing.length > 0)
    throw new Error(
      `not installed: ${missing.join(', ')}. Debian: apt install ${missing.map((one) => PACKAGES[one]).join(' ')}`,
    );
}

let started = 0;

export async function startProxy(name: ProxyName, workshop: Workshop, options: Options): Promise<Proxy> {
  started += 1;
  const folder = join(workshop.folder, `${name}-${started}`);
  await mkdir(folder, { recursive: true });
  const port = await freePort();
  const child = await START[name](workshop, folder, port, options);
  // Fails at once, with its own words, where it ends.
  const early = child.ended().then(() => {
    throw new Error(`${name} ended before it answered`);
  });
  early.catch(() => {});
  const secure = options.tls !== undefined;
  await Promise.race([until(`${name} to answer`, () => answers(port, secure)), early]);
  const proxy = { name, port, pid: child.pid, stop: () => child.stop('SIGKILL') };
  return secure ? { ...proxy, scheme: 'https' } : proxy;
}

type Start = (workshop: Workshop, folder: string, port: number, options: Options) => Promise<Child>;

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const PEERS = fileURLToPath(new URL('../peers/', import.meta.url));

const START: Readonly<Record<ProxyName, Start>> = {
  kelana: (workshop, folder, port, { backend, log = 'off', tls }) => {
    const args = [
      MAIN,
      'balancer',
      '--listen',
      `127.0.0.1:${port}`,
      '--backend',
      `http://127.0.0.1:${backend}`,
    ];
    if (log === 'off') args.push('--log', 'none');
    if (log !== 'default') args.push('--log-db', 'none');
    args.push('--json');
    if (tls !== undefined) args.push('--tls-cert', tls.cert, '--tls-key', tls.key);
    const flags = (process.env['KELANA_BENCH_NODE'] ?? '').split(' ').filter((flag) => flag !== '');
    return Promise.resolve(workshop.spawn(process.execPath, [...flags, ...args], { cwd: folder }));
  },
  haproxy: async (workshop, folder, port, { backend, tls }) => {
    const config = join(folder, 'haproxy.cfg');
    const pem = join(folder, 'both.pem');
    if (tls !== undefined)
      await writeFile(pem, (await readFile(tls.cert, 'utf8')) + (await readFile(tls.key, 'utf8')));
    await writeFile(
      config,
      `global
  maxconn 12000
  no strict-limits
  nbthread 1
defaults
  mode http
  timeout connect 3s
  timeout client 300s
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive 300s
  option http-keep-alive
  option forwardfor
  http-reuse always
frontend in
  bind 127.0.0.1:${port} backlog 4096${tls === undefined ? '' : ` ssl crt ${pem} alpn http/1.1`}
  default_backend out
backend out
  server one 127.0.0.1:${backend} pool-max-conn 256
`,
    );
    return workshop.spawn('haproxy', ['-f', config, '-db']);
  },
  nginx: async (workshop, folder, port, { backend, log = 'off', tls }) => {
    const config = join(folder, 'nginx.conf');
    await writeFile(
      config,
      `daemon off; worker_processes 1; pid ${folder}/pid; error_log stderr crit; worker_rlimit_nofile 20000;
events { worker_connections 19000; }
http {
  access_log ${log !== 'off' ? `${folder}/access.log combined buffer=64k flush=1s` : 'off'};
  keepalive_requests 1000000000; keepalive_timeout 300s; client_header_timeout 10s;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder}; uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  upstream out { server 127.0.0.1:${backend}; keepalive 256; keepalive_requests 1000000000; }
  server {
    listen 127.0.0.1:${port} backlog=4096${tls === undefined ? '' : ' ssl'};
    ${tls === undefined ? '' : `ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key}; ssl_session_cache shared:all:10m;`}
    location / {
      proxy_pass http://out; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host;
      proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;
      proxy_max_temp_file_size 0;
    }
  }
}
`,
    );
    return workshop.spawn('nginx', ['-c', config, '-e', 'stderr']);
  },
  httpxy: (workshop, _folder, port, { backend }) => npm(workshop, 'httpxy.ts', port, backend),
  undici: (workshop, _folder, port, { backend }) => npm(workshop, 'undici.ts', port, backend),
};

async function npm(workshop: Workshop, file: string, port: number, backend: number): Promise<Child> {
  await peersInstalled(workshop);
  return workshop.spawn(process.execPath, [join(PEERS, file), String(port), String(backend)]);
}
