import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { Agent, request, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { TRANSFER } from '../src/core/config.ts';
import { openapi } from '../src/server/openapi.ts';
import { fakeOverlay, startSite, waitFor, type Site } from './server.fakes.ts';

type Json = Record<string, unknown>;

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
  readonly json: Json;
}

const agent = new Agent({ keepAlive: true, maxSockets: 8 });
after(() => agent.destroy());

/** A request whose target goes out exactly as given: `fetch` would resolve dots and re-encode. */
function raw(
  site: Site,
  method: string,
  path: string,
  headers: Record<string, string> = {},
  body?: string | Buffer,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: site.port, method, path, headers, agent }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const whole = Buffer.concat(chunks);
        const isJson = /json/.test(response.headers['content-type'] ?? '') && whole.length > 0;
        let json: Json = {};
        if (isJson) json = JSON.parse(whole.toString().split('\n')[0] ?? '{}') as Json;
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: whole, json });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

test('a file is stored once: 201, then 200 for the same bytes, 409 for others', async (t) => {
  const site = await startSite(t, { name: 'server1' });
  const first = await raw(site, 'PUT', '/files/contoh.txt', {}, 'INI ADALAH KOMUNIKASI P2P\n');
  assert.equal(first.status, 201);
  assert.equal(first.headers['x-kelana-server'], 'server1');
  assert.deepEqual(Object.keys(first.json), ['name', 'size', 'cid', 'server']);
  assert.deepEqual([first.json['name'], first.json['size']], ['contoh.txt', 26]);
  assert.equal(first.headers.etag, `"${String(first.json['cid'])}"`);
  const again = await raw(site, 'PUT', '/files/contoh.txt', {}, 'INI ADALAH KOMUNIKASI P2P\n');
  assert.deepEqual([again.status, again.json], [200, first.json]);
  const other = await raw(site, 'PUT', '/files/contoh.txt', {}, 'lain');
  assert.deepEqual([other.status, other.json['error']], [409, 'FILE_EXISTS']);
  assert.deepEqual(await site.stored(), ['contoh.txt']);
  const list = await raw(site, 'GET', '/files');
  const { name, size, cid } = first.json;
  assert.deepEqual(list.json, { files: [{ name, size, cid }] });
  assert.ok(site.events.some((event) => event.type === 'file.stored' && event.bytes === 26));
});

test('a file comes back by name and by CID, with headers that keep it harmless', async (t) => {
  const site = await startSite(t);
  const name = 'gämbar "1".svg';
  const path = `/files/${encodeURIComponent(name)}`;
  const { json } = await raw(
    site,
    'PUT',
    path,
    { 'content-type': 'image/svg+xml' },
    '<svg onload="alert(1)"/>',
  );
  const cid = String(json['cid']);
  for (const target of [path, `/files/${cid}`]) {
    const got = await raw(site, 'GET', target);
    assert.equal(got.status, 200);
    assert.equal(got.body.toString(), '<svg onload="alert(1)"/>');
    assert.equal(got.headers['content-type'], 'image/svg+xml');
    assert.equal(got.headers['x-content-type-options'], 'nosniff');
    assert.equal(
      got.headers['content-disposition'],
      `attachment; filename="g_mbar _1_.svg"; filename*=UTF-8''g%C3%A4mbar%20%221%22.svg`,
    );
    assert.match(String(got.headers['content-security-policy']), /sandbox/);
    const head = await raw(site, 'HEAD', target);
    assert.deepEqual(
      { ...head.headers, date: '' },
      { ...got.headers, date: '' },
      'HEAD says what GET would say',
    );
    assert.equal(head.body.length, 0);
  }
  assert.match((await raw(site, 'GET', `/files/${cid}`)).headers['cache-control'] ?? '', /immutable/);
  await waitFor('the log of it', () => site.events.some((event) => event.type === 'file.sent'));
  for (const type of ['request.latency', 'request.throughput', 'request.response-time'] as const)
    assert.ok(
      site.events.some((event) => event.type === type),
      type,
    );
  const shadow = await raw(site, 'PUT', `/files/${cid}`, {}, 'something else');
  assert.deepEqual([shadow.status, shadow.json['error']], [400, 'BAD_NAME'], 'a CID means its content only');
});

test('ranges and conditions are answered as RFC 9110 says', async (t) => {
  const site = await startSite(t);
  const { headers } = await raw(site, 'PUT', '/files/angka', {}, '0123456789');
  const etag = headers.etag ?? '';
  const cases: readonly (readonly [Record<string, string>, number, string, string?])[] = [
    [{}, 200, '0123456789'],
    [{ range: 'bytes=0-0' }, 206, '0', 'bytes 0-0/10'],
    [{ range: 'bytes=2-4' }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'BYTES=2-4' }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'bytes=7-' }, 206, '789', 'bytes 7-9/10'],
    [{ range: 'bytes=7-99' }, 206, '789', 'bytes 7-9/10'],
    [{ range: 'bytes=-3' }, 206, '789', 'bytes 7-9/10'],
    [{ range: 'bytes=-99' }, 206, '0123456789', 'bytes 0-9/10'],
    [{ range: 'bytes=10-' }, 416, '', 'bytes */10'],
    [{ range: 'bytes=-0' }, 416, '', 'bytes */10'],
    [{ range: `bytes=${'9'.repeat(400)}-` }, 416, '', 'bytes */10'],
    [{ range: 'bytes=4-2' }, 200, '0123456789'],
    [{ range: 'bytes=a-b' }, 200, '0123456789'],
    [{ range: 'bytes=-' }, 200, '0123456789'],
    [{ range: 'lines=1-2' }, 200, '0123456789'],
    [{ range: 'bytes=0-1,3-4' }, 200, '0123456789'],
    [{ range: 'bytes=2-4', 'if-range': etag }, 206, '234', 'bytes 2-4/10'],
    [{ range: 'bytes=2-4', 'if-range': `W/${etag}` }, 200, '0123456789'],
    [{ range: 'bytes=2-4', 'if-range': '"other"' }, 200, '0123456789'],
    [{ range: 'bytes=2-4', 'if-range': 'Wed, 21 Oct 2015 07:28:00 GMT' }, 200, '0123456789'],
    [{ 'if-none-match': etag }, 304, ''],
    [{ 'if-none-match': `"x", W/${etag}` }, 304, ''],
    [{ 'if-none-match': '*' }, 304, ''],
    [{ 'if-none-match': '"x"' }, 200, '0123456789'],
    [{ 'if-none-match': etag, range: 'bytes=2-4' }, 304, ''],
    [{ 'if-match': etag }, 200, '0123456789'],
    [{ 'if-match': '*' }, 200, '0123456789'],
    [{ 'if-match': `W/${etag}` }, 412, ''],
    [{ 'if-match': '"x"', 'if-none-match': etag }, 412, ''],
  ];
  for (const [asked, status, body, range] of cases) {
    const got = await raw(site, 'GET', '/files/angka', asked);
    const shown = JSON.stringify(asked);
    assert.equal(got.status, status, shown);
    assert.equal(got.headers['content-range'], range, shown);
    if (status < 300) assert.equal(got.body.toString(), body, shown);
    if (status !== 412 && status !== 416) assert.equal(got.headers.etag, etag, shown);
  }
  const head = await raw(site, 'HEAD', '/files/angka', { range: 'bytes=2-4' });
  assert.deepEqual([head.status, head.headers['content-length']], [200, '10'], 'Range is for GET only');
  await raw(site, 'PUT', '/files/kosong', {}, '');
  const empty = await raw(site, 'GET', '/files/kosong');
  assert.deepEqual([empty.status, empty.headers['content-length'], empty.body.length], [200, '0', 0]);
  assert.equal((await raw(site, 'GET', '/files/kosong', { range: 'bytes=0-' })).status, 416);
});

test('a file that is not here comes from the overlay; absent and incomplete are told apart', async (t) => {
  const bytes = Buffer.from('from another node');
  const site = await startSite(t, {
    overlay: fakeOverlay([
      { name: 'jauh.txt', bytes, label: 'a:1', failAfter: 0 },
      { name: 'jauh.txt', bytes, label: 'b:2' },
      { name: 'putus.txt', bytes, failAfter: 4 },
      { name: 'gagal.txt', bytes, failAfter: 0 },
    ]),
  });
  const got = await raw(site, 'GET', '/files/jauh.txt');
  assert.deepEqual(
    [got.status, got.body.toString()],
    [200, bytes.toString()],
    'the second holder stepped in',
  );
  assert.equal(got.headers['x-kelana-source'], 'overlay');
  const part = await raw(site, 'GET', '/files/jauh.txt', { range: 'bytes=5-11' });
  assert.deepEqual([part.status, part.body.toString()], [206, 'another']);
  assert.equal((await raw(site, 'HEAD', '/files/jauh.txt')).headers['content-length'], '17');
  assert.equal((await raw(site, 'GET', '/files/jauh.txt', { range: 'bytes=99-' })).status, 416);
  const failed = await raw(site, 'GET', '/files/gagal.txt');
  assert.deepEqual([failed.status, failed.json['error']], [502, 'TRANSFER_FAILED']);
  await assert.rejects(
    raw(site, 'GET', '/files/putus.txt'),
    { code: 'ECONNRESET' },
    'a cut file never looks whole',
  );

  const absent = await raw(site, 'GET', '/files/tiada');
  assert.equal(absent.status, 404);
  assert.deepEqual(
    [absent.json['error'], absent.json['verdict'], absent.json['asked']],
    ['FILE_ABSENT', 'absent', 2],
  );
  const unsure = await startSite(t, { overlay: fakeOverlay([], 'incomplete') });
  const incomplete = await raw(unsure, 'GET', '/files/tiada');
  assert.equal(incomplete.status, 503);
  assert.deepEqual(incomplete.json['missing'], ['localhost:5003']);
  assert.equal(incomplete.headers['retry-after'], '1');

  const search = await raw(site, 'GET', '/search?q=jauh.txt');
  assert.match(search.headers['content-type'] ?? '', /ndjson/);
  const lines = search.body.toString().trim().split('\n');
  const parsed = lines.map((line) => JSON.parse(line) as Json);
  assert.deepEqual(
    parsed.map((line) => line['type']),
    ['hit', 'provider', 'verdict'],
  );
  assert.equal(parsed[2]?.['verdict'], 'found');
});

test('an upload that is cut off leaves nothing and hurts nobody', async (t) => {
  const site = await startSite(t);
  for (const head of ['Content-Length: 100000', 'Transfer-Encoding: chunked']) {
    const socket = connect(site.port, '127.0.0.1');
    const start = head.startsWith('Transfer') ? '8\r\nabcdefgh\r\n' : 'abcdefgh'.repeat(1000);
    socket.write(`PUT /files/separuh HTTP/1.1\r\nHost: x\r\n${head}\r\n\r\n${start}`);
    await waitFor('the upload to begin', async () =>
      (await site.stored()).some((name) => name.startsWith('.kelana-')),
    );
    socket.destroy();
    await waitFor('its traces to go', async () => (await site.stored()).length === 0);
  }
  await waitFor('the log of it', () =>
    site.events.some((event) => event.type === 'error' && event.code === 'UPLOAD_CUT'),
  );
  assert.equal((await raw(site, 'PUT', '/files/separuh', {}, 'whole')).status, 201);
});

test('100 Continue is sent only when the body is wanted', async (t) => {
  const site = await startSite(t);
  const ask = (name: string, length: number): Promise<{ continued: boolean; status: number }> =>
    new Promise((resolve, reject) => {
      let continued = false;
      const headers = { expect: '100-continue', 'content-length': String(length) };
      const path = `/files/${name}`;
      const sent = request(
        { host: '127.0.0.1', port: site.port, method: 'PUT', path, headers },
        (response) => {
          response.resume();
          resolve({ continued, status: response.statusCode ?? 0 });
          sent.destroy();
        },
      );
      sent.on('continue', () => {
        continued = true;
        sent.end('x'.repeat(length));
      });
      sent.on('error', reject);
      sent.flushHeaders();
    });
  assert.deepEqual(await ask('ada', 5), { continued: true, status: 201 });
  assert.deepEqual(await ask('%2e%2e', 5), { continued: false, status: 400 });
  assert.deepEqual(await ask('besar', TRANSFER.maxFileBytes + 1), { continued: false, status: 413 });
});

test('partial and encoded uploads are refused', async (t) => {
  const site = await startSite(t);
  const partial = await raw(site, 'PUT', '/files/x', { 'content-range': 'bytes 0-3/10' }, 'abcd');
  assert.deepEqual([partial.status, partial.json['error']], [400, 'BAD_REQUEST']);
  const encoded = await raw(site, 'PUT', '/files/x', { 'content-encoding': 'gzip' }, 'abcd');
  assert.deepEqual([encoded.status, encoded.json['error']], [415, 'BAD_TYPE']);
  assert.deepEqual(await site.stored(), []);
});

const NAMES = join(import.meta.dirname, '../../shared/testdata/names.jsonl');

test('hostile names are kept exactly or refused, and nothing is written outside the folder', async (t) => {
  const site = await startSite(t);
  const targets = [
    '..|../x|../../x|%2e%2e|%2e%2e%2fx|..%5cx|a%00b|a%0ab|%|%zz|%c3%28|%ff||a/b|a%2fb|/etc/passwd',
    '%2fetc%2fpasswd|.|%E2%80%AEx|.kelana-x|%ed%a0%80',
    'x'.repeat(256),
  ].flatMap((some) => some.split('|'));
  for (const target of targets) {
    for (const method of ['PUT', 'GET']) {
      const got = await raw(site, method, `/files/${target}`, {}, method === 'PUT' ? 'x' : undefined);
      assert.deepEqual([got.status, got.json['error']], [400, 'BAD_NAME'], `${method} ${target}`);
    }
  }
  assert.deepEqual(await site.stored(), []);
  if (!existsSync(NAMES)) {
    t.diagnostic(`the list of hostile names is not here (${NAMES}): only the built-in ones were tried`);
    return;
  }
  const kept = new Set<string>();
  const tryName = async (hex: string): Promise<void> => {
    const target = hex.replaceAll(/../g, (pair) => `%${pair}`);
    const got = await raw(site, 'PUT', `/files/${target}`, {}, 'isi');
    if (got.status >= 300) return assert.equal(got.status, 400, hex);
    const name = Buffer.from(hex, 'hex').toString('utf8');
    assert.equal(got.json['name'], name);
    kept.add(name);
    const back = await raw(site, 'GET', `/files/${target}`);
    assert.equal(back.body.toString(), 'isi', name);
    assert.equal(
      decodeURIComponent((back.headers['content-disposition'] ?? '').split("UTF-8''")[1] ?? ''),
      name,
    );
  };
  const lines = (await readFile(NAMES, 'utf8')).trim().split('\n');
  const hexes = new Set(lines.map((line) => (JSON.parse(line) as { name_hex: string }).name_hex));
  // Longer ones would not fit a request's head (16 KiB); Node refuses those with 431.
  const queue = [...hexes].filter((hex) => hex.length < 8_000);
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let hex = queue.pop(); hex !== undefined; hex = queue.pop()) await tryName(hex);
    }),
  );
  assert.ok(kept.size > 300);
  assert.deepEqual(await site.stored(), [...kept].toSorted());
  const around = (await readdir(site.root)).filter((name) => !name.startsWith('mailbox.db'));
  assert.deepEqual(around, ['files']);
  for (const name of [...kept].slice(0, 50))
    assert.equal(await readFile(join(site.root, 'files', name), 'utf8'), 'isi');
});

test('an address or method that is not there is answered in JSON, with the way on', async (t) => {
  const site = await startSite(t);
  const cases: readonly (readonly [string, string, number, string])[] = [
    ['GET', '/', 404, 'NO_ROUTE'],
    ['GET', '/file', 404, 'NO_ROUTE'],
    ['DELETE', '/messages', 405, 'NOT_ALLOWED'],
    ['DELETE', '/files/x', 405, 'NOT_ALLOWED'],
    ['PATCH', '/files/x', 405, 'NOT_ALLOWED'],
    ['GET', '/%zz', 400, 'BAD_REQUEST'],
  ];
  for (const [method, path, status, code] of cases) {
    const got = await raw(site, method, path);
    assert.deepEqual([got.status, got.json['error']], [status, code], `${method} ${path}`);
    assert.ok(got.headers['x-kelana-server']);
    assert.equal(got.headers.allow !== undefined, status === 405);
  }
  assert.equal((await raw(site, 'DELETE', '/messages')).headers.allow, 'GET, HEAD, POST');
});

test('bytes that are no HTTP get a 400 and the end of their connection', async (t) => {
  const site = await startSite(t);
  const socket = connect(site.port, '127.0.0.1');
  socket.end('\x16\x03\x01\x02\x00 hello\r\n\r\n');
  let text = '';
  for await (const chunk of socket) text += String(chunk);
  assert.match(text, /^HTTP\/1\.1 400 [\s\S]*X-Kelana-Server[\s\S]*"error":"BAD_REQUEST"/);
});

test('openapi.json names every route, and nothing that is not there', async (t) => {
  const site = await startSite(t);
  const { json } = await raw(site, 'GET', '/openapi.json');
  assert.deepEqual(json, JSON.parse(JSON.stringify(openapi())));
  const paths = json['paths'] as Record<string, Record<string, unknown>>;
  for (const [path, methods] of Object.entries(paths)) {
    const target = path.replace('{name}', 'x');
    for (const method of Object.keys(methods)) {
      if (path === '/messages/stream') continue;
      const got = await raw(site, method.toUpperCase(), target);
      assert.ok(got.json['error'] !== 'NO_ROUTE' && got.json['error'] !== 'NOT_ALLOWED', `${method} ${path}`);
    }
    const allow = (await raw(site, 'OPTIONS', target)).headers.allow ?? '';
    const described = new Set(Object.keys(methods).map((method) => method.toUpperCase()));
    // Fastify answers HEAD wherever GET is; describing each would say nothing.
    for (const method of allow.split(', '))
      assert.ok(described.has(method) || method === 'HEAD', `${method} ${path}`);
  }
  const schemas = new Set(Object.keys((json['components'] as { schemas: Json }).schemas));
  for (const [, name] of JSON.stringify(json).matchAll(/#\/components\/schemas\/(\w+)/g))
    assert.ok(schemas.has(name ?? ''), name ?? '');
});

test('metrics are Prometheus text with labels nobody outside can choose', async (t) => {
  const site = await startSite(t);
  await raw(site, 'GET', '/files/tiada%22%7Devil');
  await raw(site, 'POST', '/messages', { 'content-type': 'application/json' }, '{"text":"x"}');
  const { body, headers } = await raw(site, 'GET', '/metrics');
  assert.match(headers['content-type'] ?? '', /^text\/plain; version=0\.0\.4/);
  const text = body.toString();
  for (const line of text.trim().split('\n'))
    assert.match(line, /^(# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [\d.e+-]+)$/);
  assert.match(text, /kelana_server_messages_total 1\n/);
  assert.match(text, /requests_total\{method="POST",route="\/messages",status="201"\} 1\n/);
  assert.ok(!text.includes('evil'));
});

test('a port in use and an address of another machine are named with the next step', async (t) => {
  const site = await startSite(t);
  await assert.rejects(startSite(t, { port: site.port }), { code: 'PORT_IN_USE' });
  await assert.rejects(startSite(t, { host: '192.0.2.1' }), { code: 'BAD_ADDRESS' });
  await assert.rejects(startSite(t, { name: 'two words' }), { code: 'BAD_VALUE' });
  assert.equal(site.url, `http://localhost:${site.port}`);
  assert.deepEqual(site.events[0], { type: 'server.ready', who: `localhost:${site.port}`, url: site.url });
});
