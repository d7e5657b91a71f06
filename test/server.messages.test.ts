import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { MAILBOX, SERVER } from '../src/core/config.ts';
import { KelanaError } from '../src/core/errors.ts';
import type { MailboxPort } from '../src/core/ports.ts';
import { replyText } from '../src/server/messages.ts';
import { preferredLang } from '../src/server/failures.ts';
import { startSite, waitFor } from './server.fakes.ts';

type Json = Record<string, unknown>;
const JSON_TYPE = { 'content-type': 'application/json' };

async function post(base: string, body: unknown, headers: Record<string, string> = {}) {
  const response = await fetch(`${base}/messages`, {
    method: 'POST',
    headers: { ...JSON_TYPE, ...headers },
    body: typeof body === 'string' || body instanceof Buffer ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, json: (await response.json()) as Json };
}

async function page(base: string, query = ''): Promise<{ messages: Json[]; next: number }> {
  const response = await fetch(`${base}/messages${query}`);
  assert.equal(response.status, 200);
  return (await response.json()) as { messages: Json[]; next: number };
}

test('a message is acknowledged with id, server, reply and time, and both servers list it', async (t) => {
  const one = await startSite(t, { name: 'server1' });
  const two = await startSite(t, { name: 'server2', root: one.root, lang: 'id' });
  const first = await post(one.base, { text: 'halo', room: 'kelas', to: 'budi' });
  assert.equal(first.status, 201);
  assert.equal(first.headers.get('x-kelana-server'), 'server1');
  assert.deepEqual(Object.keys(first.json), ['id', 'server', 'reply', 'receivedAt']);
  assert.equal(first.json['reply'], 'Server server1 received the message: halo');
  const second = await post(two.base, { text: 'apa kabar' });
  assert.equal(second.json['reply'], 'Server server2 menerima pesan: apa kabar');
  for (const { base } of [one, two]) {
    const { messages, next } = await page(base);
    assert.deepEqual(
      messages.map(({ text, room, to, server }) => [text, room, to, server]),
      [
        ['halo', 'kelas', 'budi', 'server1'],
        ['apa kabar', MAILBOX.defaultRoom, null, 'server2'],
      ],
    );
    assert.equal(next, second.json['id']);
    assert.deepEqual(await page(base, `?after=${next}`), { messages: [], next });
    assert.equal((await page(base, '?limit=1')).next, first.json['id']);
    assert.equal((await page(base, '?room=kelas')).messages.length, 1);
  }
  assert.ok(one.events.some((event) => event.type === 'message.received' && event.text === 'halo'));
  assert.ok(one.events.some((event) => event.type === 'request.response-time'));
});

test('plain text is taken as the text, in UTF-8 only', async (t) => {
  const { base } = await startSite(t);
  assert.equal((await post(base, 'halo, dunia 😀', { 'content-type': 'text/plain' })).status, 201);
  assert.equal((await page(base)).messages[0]?.['text'], 'halo, dunia 😀');
  const broken = await post(base, Buffer.from([0x68, 0xff]), { 'content-type': 'text/plain' });
  assert.equal(broken.json['error'], 'BAD_REQUEST');
  const latin = await post(base, 'x', { 'content-type': 'text/plain; charset=latin1' });
  assert.deepEqual([latin.status, latin.json['error']], [415, 'BAD_TYPE']);
});

test('what is no message is refused with its reason, in the language asked for, and nothing is stored', async (t) => {
  const { base } = await startSite(t);
  const long = 'x'.repeat(MAILBOX.maxTextBytes);
  const cases: readonly (readonly [unknown, number, string])[] = [
    ['{', 400, 'BAD_REQUEST'],
    ['', 400, 'BAD_REQUEST'],
    ['[]', 400, 'BAD_REQUEST'],
    ['null', 400, 'BAD_REQUEST'],
    [{}, 400, 'BAD_REQUEST'],
    [{ text: 1 }, 400, 'BAD_REQUEST'],
    [{ text: '' }, 400, 'BAD_REQUEST'],
    ['{"text":"\\ud800"}', 400, 'BAD_REQUEST'],
    [{ text: 'a\0b' }, 400, 'BAD_REQUEST'],
    [{ text: 'a', room: '' }, 400, 'BAD_REQUEST'],
    [{ text: 'a', room: 'r'.repeat(MAILBOX.maxLabelBytes + 1) }, 400, 'BAD_REQUEST'],
    [{ text: 'a', to: 'x\ny' }, 400, 'BAD_REQUEST'],
    [{ text: `${long}y` }, 413, 'TOO_LARGE'],
    ['x'.repeat(SERVER.maxBodyBytes + 1), 413, 'TOO_LARGE'],
  ];
  for (const [body, status, code] of cases) {
    const answer = await post(base, body);
    const shown = JSON.stringify(body).slice(0, 60);
    assert.deepEqual([answer.status, answer.json['error']], [status, code], shown);
    assert.ok(typeof answer.json['message'] === 'string' && typeof answer.json['fix'] === 'string');
    assert.ok(answer.headers.has('x-kelana-server'), shown);
  }
  const indonesian = await post(base, {}, { 'accept-language': 'id-ID,id;q=0.9,en;q=0.5' });
  assert.match(String(indonesian.json['message']), /Permintaan tidak sah/);
  assert.equal((await post(base, 'x', { 'content-type': 'application/xml' })).status, 415);
  assert.deepEqual((await page(base)).messages, []);
  assert.equal((await post(base, { text: long })).status, 201);
});

test('a key sent again gives the first message with 200; with other content it is refused', async (t) => {
  const one = await startSite(t, { name: 'server1' });
  const two = await startSite(t, { name: 'server2', root: one.root });
  const key = { 'idempotency-key': 'abc' };
  const first = await post(one.base, { text: 'sekali' }, key);
  const again = await post(two.base, { text: 'sekali' }, key);
  assert.deepEqual([first.status, again.status], [201, 200]);
  assert.equal(first.headers.get('idempotent-replay'), null);
  assert.equal(again.headers.get('idempotent-replay'), 'true');
  assert.deepEqual(again.json, first.json);
  const other = await post(one.base, { text: 'lain' }, key);
  assert.deepEqual([other.status, other.json['error']], [422, 'KEY_REUSED']);
  assert.equal((await page(one.base)).messages.length, 1);
  assert.equal((await post(one.base, { text: 'x' }, { 'idempotency-key': 'k'.repeat(300) })).status, 400);
});

test('a query that makes no sense is refused', async (t) => {
  const { base } = await startSite(t);
  for (const query of [
    'after=-1',
    'after=x',
    'after=1e3',
    'after=',
    'limit=0',
    'limit=1001',
    'limit=1&limit=2',
    'room=',
  ]) {
    const response = await fetch(`${base}/messages?${query}`);
    assert.equal(response.status, 400, query);
    assert.equal(((await response.json()) as Json)['error'], 'BAD_REQUEST', query);
  }
});

test('a page of long messages comes whole although the store gives it in pieces', async (t) => {
  const { base } = await startSite(t);
  const text = '\u0001'.repeat(60_000);
  for (let i = 0; i < 12; i += 1) assert.equal((await post(base, { text })).status, 201);
  const { messages, next } = await page(base, '?limit=11');
  assert.equal(messages.length, 11);
  assert.ok(messages.every((message) => message['text'] === text));
  assert.equal(next, 11);
});

test('a page of another site may not write; this server own page, a person and a program may', async (t) => {
  const { base, port } = await startSite(t);
  const cases: readonly (readonly [Record<string, string>, number])[] = [
    [{ 'sec-fetch-site': 'cross-site' }, 403],
    [{ 'sec-fetch-site': 'same-site' }, 403],
    [{ origin: 'http://evil.example' }, 403],
    [{ origin: 'null' }, 403],
    [{ origin: 'not a url' }, 403],
    [{ 'sec-fetch-site': 'same-origin', origin: 'http://anything' }, 201],
    [{ 'sec-fetch-site': 'none' }, 201],
    [{ origin: `http://127.0.0.1:${port}` }, 201],
    [{}, 201],
  ];
  const { request } = await import('node:http');
  for (const [headers, status] of cases) {
    const got = await new Promise<number | undefined>((resolve, reject) => {
      const sent = request(`${base}/messages`, { method: 'POST', headers: { ...JSON_TYPE, ...headers } });
      sent.on('response', (response) => {
        response.resume().on('end', () => resolve(response.statusCode));
      });
      sent.on('error', reject).end('{"text":"x"}');
    });
    assert.equal(got, status, JSON.stringify(headers));
  }
});

function failingMailbox(error: Error): MailboxPort {
  const fail = () => Promise.reject(error);
  return { append: fail, list: fail, latest: fail, check: fail, close: async () => undefined };
}

test('a mailbox that cannot store answers 503 with the reason, and the server says it is not healthy', async (t) => {
  for (const code of ['MAILBOX_UNSAFE', 'MAILBOX_BUSY'] as const) {
    const { base, events } = await startSite(t, {
      mailbox: failingMailbox(new KelanaError(code, { why: 'EIO' })),
    });
    const answer = await post(base, { text: 'x' });
    assert.deepEqual([answer.status, answer.json['error']], [503, code]);
    assert.equal(answer.headers.get('retry-after'), '1');
    assert.match(String(answer.json['message']), /not accepted|No new message is accepted/i);
    const health = await fetch(`${base}/healthz`);
    assert.equal(health.status, 503);
    assert.equal(((await health.json()) as Json)['mailbox'], code);
    assert.ok(events.some((event) => event.type === 'error' && event.code === code));
  }
});

test('an error inside tells the client nothing of this machine', async (t) => {
  const broken = failingMailbox(new Error('secret in /home/budi'));
  const { base, events } = await startSite(t, { mailbox: broken });
  const answer = await post(base, { text: 'x' });
  assert.deepEqual([answer.status, answer.json['error']], [500, 'INTERNAL']);
  assert.ok(!JSON.stringify(answer.json).includes('budi'));
  assert.ok(events.some((event) => event.type === 'error' && event.detail.includes('secret')));
});

test('a long text is repeated in part, never through the middle of a character', () => {
  const text = `${'x'.repeat(SERVER.replyChars - 1)}😀 tail`;
  const reply = replyText('en', { server: 's', text });
  assert.ok(reply.endsWith('x…') && reply.isWellFormed());
});

test('Accept-Language picks the better of our languages', () => {
  const cases: readonly (readonly [string | undefined, string])[] = [
    [undefined, 'en'],
    ['', 'en'],
    ['id', 'id'],
    ['in', 'id'],
    ['ID-id', 'id'],
    ['fr, id;q=0.3', 'id'],
    ['en;q=0.5, id;q=0.6', 'id'],
    ['id;q=0', 'en'],
    ['*', 'en'],
    ['id;q=x', 'id'],
    [';;;,,,', 'en'],
  ];
  for (const [header, lang] of cases) assert.equal(preferredLang(header, 'en'), lang, header ?? 'none');
});

/** Reads events until `enough`; gives ids. */
async function readEvents(
  t: TestContext,
  url: string,
  enough: number,
  headers: Record<string, string> = {},
): Promise<{ ids: number[]; head: Headers }> {
  const abort = new AbortController();
  t.after(() => abort.abort());
  const response = await fetch(url, { headers, signal: abort.signal });
  assert.equal(response.status, 200);
  const ids: number[] = [];
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += Buffer.from(chunk as Uint8Array).toString();
    const events = text.split('\n\n');
    text = events.pop() ?? '';
    for (const event of events) {
      const match = /^id: (\d+)\nevent: message\ndata: (.*)$/s.exec(event);
      if (match === null) continue;
      assert.equal((JSON.parse(match[2] ?? '') as Json)['id'], Number(match[1]));
      ids.push(Number(match[1]));
    }
    if (ids.length >= enough) break;
  }
  abort.abort();
  return { ids, head: response.headers };
}

test('a stream resumes after an id, sees what the other server takes, and skips nothing', async (t) => {
  const one = await startSite(t);
  const two = await startSite(t, { root: one.root });
  for (let i = 1; i <= 5; i += 1) await post(one.base, { text: `m${i}` });
  const resumed = await readEvents(t, `${two.base}/messages/stream?after=2`, 3);
  assert.deepEqual(resumed.ids, [3, 4, 5]);
  assert.match(resumed.head.get('content-type') ?? '', /^text\/event-stream/);
  const byHeader = readEvents(t, `${two.base}/messages/stream?after=0`, 4, { 'last-event-id': '4' });
  const live = readEvents(t, `${two.base}/messages/stream`, 30);
  const inRoom = readEvents(t, `${one.base}/messages/stream?room=b&after=0`, 10);
  await waitFor('two streams', async () =>
    (await (await fetch(`${two.base}/metrics`)).text()).includes('streams 2\n'),
  );
  await Promise.all(
    Array.from({ length: 30 }, (_, i) =>
      post((i % 2 === 0 ? one : two).base, { text: 'x', room: i % 3 === 0 ? 'b' : 'a' }),
    ),
  );
  assert.deepEqual((await byHeader).ids.slice(0, 4), [5, 6, 7, 8]);
  assert.deepEqual(
    (await live).ids,
    Array.from({ length: 30 }, (_, i) => 6 + i),
  );
  assert.equal((await inRoom).ids.length, 10);
  await waitFor('no stream', async () =>
    (await (await fetch(`${two.base}/metrics`)).text()).includes('streams 0\n'),
  );
  // Followers that come after all had left see what is new then.
  const later = readEvents(t, `${two.base}/messages/stream`, 1);
  await waitFor('a stream', async () =>
    (await (await fetch(`${two.base}/metrics`)).text()).includes('streams 1\n'),
  );
  await post(one.base, { text: 'baru' });
  assert.deepEqual((await later).ids, [36]);
});

test('closing the server ends its streams at once', async (t) => {
  const site = await startSite(t);
  const response = await fetch(`${site.base}/messages/stream`);
  const ended = response.text();
  const start = Date.now();
  await site.close();
  assert.match(await ended, /^: kelana /);
  assert.ok(Date.now() - start < SERVER.closeMs);
});
