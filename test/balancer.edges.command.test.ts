import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once as event } from 'node:events';
import { createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { createServer as createTlsServer } from 'node:tls';
import { readFile } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { backend, CLOSE, freePort, get, RawClient } from './balancer.kit.ts';
import { exchange, tlsClient } from './balancer.edge.kit.ts';
import { certificate } from './support/certificate.ts';
import { temporaryFolder } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';

const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const NO_LOG = ['--log', 'none', '--log-db', 'none'];

/** `kelana balancer` as a process of its own, up to its first line. */
async function run(t: TestContext, folder: string, ...args: readonly string[]): Promise<{ line: string }> {
  const child = spawn(process.execPath, [MAIN, 'balancer', '--json', '--lang', 'en', ...args, ...NO_LOG], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = event(child, 'exit').then(([code]) => code as number | null);
  t.after(async () => {
    if (child.exitCode === null && child.kill('SIGKILL')) await ended;
  });
  const first = event(createInterface({ input: child.stdout }), 'line', {
    signal: AbortSignal.timeout(15_000),
  });
  const line = await Promise.race([first.then(([text]) => String(text)), ended.then(() => '')]);
  return { line };
}

test('HTTPS, a plain address beside it, and the redirect, from the command line', async (t) => {
  const folder = await temporaryFolder(t);
  const made = await certificate(folder, 'kelana', 'kelana.test');
  const back = await backend(t);
  const [plain, redirect] = [await freePort(), await freePort()];
  const { line } = await run(
    t,
    folder,
    '--listen',
    '127.0.0.1:0',
    '--listen',
    `http://127.0.0.1:${plain}`,
    '--redirect-http',
    String(redirect),
    '--tls-cert',
    made.cert,
    '--tls-key',
    made.key,
    '--backend',
    back.url,
  );
  const { url, port } = JSON.parse(line) as { url: string; port: number };
  assert.equal(url, `https://127.0.0.1:${port}`);
  assert.match(await exchange(await tlsClient(t, port, { ca: made.pem }), get('/', CLOSE)), /hello$/);
  const ask = async (to: number): Promise<string> => {
    const raw = new RawClient(to);
    t.after(() => raw.socket.destroy());
    return raw.send(get('/', CLOSE)).closes();
  };
  assert.match(await ask(plain), /hello$/);
  assert.match(await ask(redirect), new RegExp(`308 [\\s\\S]*Location: https://kelana\\.test:${port}/`));
});

test('TCP mode from the command line asks backends by connecting', async (t) => {
  const folder = await temporaryFolder(t);
  const back = await backend(t);
  const { line } = await run(
    t,
    folder,
    '--mode',
    'tcp',
    '--listen',
    '127.0.0.1:0',
    '--backend',
    back.url.replace('http', 'tcp'),
  );
  const { url, port } = JSON.parse(line) as { url: string; port: number };
  assert.match(url, /^tcp:/);
  const raw = new RawClient(port);
  t.after(() => raw.socket.destroy());
  raw.send(get('/as-it-is'));
  await raw.reads('hello');
  assert.equal(
    back.requests[0]?.head.fields.some(({ name }) => name === 'via'),
    false,
  );
});

const WRONG: readonly (readonly [RegExp, ...string[]])[] = [
  [/each certificate needs its key/, '--tls-cert', 'a.pem'],
  [/needs --tls-cert/, '--redirect-http', '80'],
  [/needs --tls-cert/, '--listen', 'https://localhost:0'],
  [/--rate-burst needs --rate-limit/, '--rate-burst', '5'],
  [/for --mode http only/, '--mode', 'tcp', '--rate-limit', '5'],
  [/no requests to look at/, '--mode', 'tcp', '--method', 'sticky'],
  [/no requests to look at/, '--mode', 'tcp', '--method', 'hash:header=x-user'],
  [/no requests to look at/, '--mode', 'tcp', '--method', 'hash:cookie=sid'],
  [/no requests to look at/, '--mode', 'tcp', '--method', 'hash:path'],
  [/IP address or a network/, '--accept-proxy', '10.0.0.0/33'],
  [/IP address or a network/, '--accept-proxy', 'localhost'],
];
test('what does not go together is told before anything is opened', async (t) => {
  const folder = await temporaryFolder(t);
  const fails = (...args: readonly string[]) => inProcess(['balancer', '--json', ...args, ...NO_LOG], folder);
  for (const [says, ...args] of WRONG) {
    const { code, err } = await fails(...args);
    assert.equal(code, 2, args.join(' '));
    assert.match(err, says);
  }
  const { code, err } = await fails('--tls-cert', 'no.pem', '--tls-key', 'no.key', '--listen', '127.0.0.1:0');
  assert.equal(code, 1);
  assert.match(err, /CANNOT_READ[\s\S]*no\.pem/);
});

/** A server that answers every connection's first bytes with `hello`, and keeps what it heard. */
async function listening(
  t: TestContext,
  tls: { readonly cert: string; readonly key: string } | null,
): Promise<{ port: number; heard: string[] }> {
  const heard: string[] = [];
  const answer = (socket: NodeJS.ReadWriteStream): void => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes: Buffer) => {
      heard.push(bytes.toString('latin1'));
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello');
    });
  };
  const server =
    tls === null
      ? createServer(answer)
      : createTlsServer({ cert: await readFile(tls.cert), key: await readFile(tls.key) }, answer);
  server.listen(0, '127.0.0.1');
  await event(server, 'listening');
  t.after(() => server.close());
  const address = server.address();
  return { port: address !== null && typeof address === 'object' ? address.port : 0, heard };
}

async function once(t: TestContext, line: string): Promise<string> {
  const raw = new RawClient((JSON.parse(line) as { port: number }).port);
  t.after(() => raw.socket.destroy());
  return await raw.send(get('/', CLOSE)).closes();
}

for (const version of ['v1', 'v2'])
  test(`proxy=${version} of a backend is sent by the command as it is by the class`, async (t) => {
    const folder = await temporaryFolder(t);
    const back = await listening(t, null);
    const spec = `http://127.0.0.1:${back.port},proxy=${version}`;
    const { line } = await run(t, folder, '--listen', '127.0.0.1:0', '--backend', spec);
    await once(t, line);
    const begins = version === 'v1' ? 'PROXY TCP4 127.' : '\r\n\r\n\0\r\nQUIT\n\x21\x11';
    assert.ok(
      back.heard.some((one) => one.startsWith(begins)),
      JSON.stringify(back.heard),
    );
  });

test('an https backend is verified by its ca, not at all by verify=off, and else refused', async (t) => {
  const folder = await temporaryFolder(t);
  const made = await certificate(folder, 'back', 'localhost', '127.0.0.1');
  const back = await listening(t, made);
  for (const [more, expected] of [
    [`,ca=${made.cert}`, /hello$/],
    [',verify=off', /hello$/],
    ['', /^HTTP\/1\.1 50[23]/],
  ] as const) {
    const spec = `https://127.0.0.1:${back.port}${more}`;
    const { line } = await run(t, folder, '--listen', '127.0.0.1:0', '--backend', spec);
    assert.match(await once(t, line), expected, spec);
  }
  const missing = await inProcess(
    ['balancer', '--backend', 'https://127.0.0.1:1,ca=nope.pem', ...NO_LOG],
    folder,
  );
  assert.equal(missing.code, 1);
  assert.match(missing.err, /nope\.pem/);
});
