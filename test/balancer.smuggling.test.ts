import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NORMALISED } from '../src/core/http/normalised.testkit.ts';
import { RequestParser } from '../src/core/http/parser.ts';
import { REFUSED } from '../src/core/http/smuggling.testkit.ts';
import { LIMITS, split } from '../src/core/http/testing.ts';
import { seededRandom } from '../src/core/random.ts';
import { balance, HELLO, RawClient, type Bench } from './balancer.kit.ts';

/**
 * What reaches a backend, byte by byte, of requests sent whole, byte by byte, and cut at random. Cuts may change where
 * a body is cut into chunks; all else must be the same to the byte.
 */

interface Reached {
  /** Heads as they came, and bodies without their chunks, of whole requests. */
  readonly whole: { head: string; body: string }[];
  /** Of a request that never was whole. */
  readonly begun: string;
}

/** A backend that keeps the bytes of each connection, apart from health checks. */
class Recorder {
  readonly #sockets = new Set<Socket>();
  #whole: Reached['whole'] = [];
  #begun = new Map<Socket, string>();
  port = 0;

  static async start(t: TestContext): Promise<Recorder> {
    const recorder = new Recorder();
    const server = createServer({ noDelay: true }, (socket) => recorder.#accept(socket));
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    recorder.port = address.port;
    t.after(() => {
      for (const socket of recorder.#sockets) socket.destroy();
      server.close();
    });
    return recorder;
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket);
    const parser = new RequestParser({ ...LIMITS, maxHeadBytes: 65_536, maxHeaders: 200 });
    let [head, body, raw] = ['', '', ''];
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (bytes: Buffer) => {
      raw += bytes.toString('latin1');
      parser.push(bytes);
      for (let event = parser.next(); event !== undefined; event = parser.next()) {
        assert.notEqual(event.type, 'error', `the balancer sent what is not HTTP: ${JSON.stringify(raw)}`);
        if (event.type === 'head') {
          head = raw.slice(0, raw.indexOf('\r\n\r\n') + 4);
          body = '';
        }
        if (event.type === 'body') body += Buffer.from(event.bytes).toString('latin1');
        if (event.type !== 'end') continue;
        raw = '';
        if (!head.startsWith('GET /healthz ')) this.#whole.push({ head, body });
        head = '';
        socket.write(HELLO);
      }
      this.#begun.set(socket, head);
    });
  }

  take(): Reached {
    const begun = [...this.#begun.values()].filter((head) => head !== '').join('');
    const reached = { whole: this.#whole, begun };
    this.#whole = [];
    this.#begun = new Map();
    return reached;
  }
}

interface Lane {
  readonly recorder: Recorder;
  readonly bench: Bench;
}

async function lane(t: TestContext): Promise<Lane> {
  const recorder = await Recorder.start(t);
  return { recorder, bench: await balance(t, `http://127.0.0.1:${recorder.port}`) };
}

/** Sends the parts one by one, ends, and waits for the balancer's end; what it answered, and what it sent on. */
async function send(
  { recorder, bench }: Lane,
  parts: readonly Uint8Array[],
): Promise<{ answer: string; reached: Reached }> {
  const client = new RawClient(bench.balancer.port);
  for (const [at, part] of parts.entries()) {
    if (client.over !== null) break;
    client.socket.write(part);
    if (at % 4 === 0) await new Promise<void>((resolve) => setImmediate(resolve));
  }
  client.socket.end();
  const answer = await client.closes();
  client.socket.destroy();
  return { answer, reached: recorder.take() };
}

/** The three ways, which must come to the same. */
async function threeWays(lane: Lane, raw: Uint8Array, random: () => number, what: string) {
  const whole = await send(lane, [raw]);
  const cuts = Array.from({ length: 6 }, () => Math.floor(random() * raw.length));
  // Long ones in steps, or a busy machine takes longer over them than a head may take.
  const step = Math.ceil(raw.length / 300);
  const steps = Array.from({ length: Math.floor(raw.length / step) }, (_, at) => at * step);
  for (const parts of [split(raw, steps), split(raw, cuts)]) {
    const apart = await send(lane, parts);
    assert.deepEqual(apart.reached.whole, whole.reached.whole, what);
    // A head that was refused in its body may have been sent, or not yet; it may not have been another one.
    if (apart.reached.begun !== '' && whole.reached.begun !== '')
      assert.equal(apart.reached.begun, whole.reached.begun, what);
    assert.deepEqual(statuses(apart.answer), statuses(whole.answer), what);
  }
  return whole;
}

function statuses(answer: string): string[] {
  return [...answer.matchAll(/^HTTP\/1\.1 (\d{3}) /gm)].map(([, status]) => status ?? '');
}

/** Several at once, as waiting is most of it. */
async function inLanes<T>(
  t: TestContext,
  items: readonly T[],
  work: (lane: Lane, item: T) => Promise<void>,
): Promise<void> {
  const queue = [...items];
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      const own = await lane(t);
      for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(own, item);
    }),
  );
}

test(`none of ${REFUSED.length} smuggling vectors reaches a backend as a whole request, however it is split`, async (t) => {
  assert.ok(REFUSED.length >= 100);
  const random = seededRandom(1);
  await inLanes(t, REFUSED, async (own, [what, , status, raw]) => {
    const { answer, reached } = await threeWays(own, Buffer.from(raw, 'latin1'), random, what);
    assert.deepEqual(reached.whole, [], what);
    assert.deepEqual(statuses(answer), [String(status)], what);
  });
});

test('what has more than one spelling reaches a backend in one, to the byte', async (t) => {
  const random = seededRandom(2);
  await inLanes(t, NORMALISED, async (own, [what, , raw, head, body]) => {
    const { reached } = await threeWays(own, Buffer.from(raw, 'latin1'), random, what);
    assert.equal(reached.whole.length, 1, what);
    const [first] = reached.whole;
    const host = head.find((line) => line.startsWith('Host: '))?.slice(6) ?? '';
    const minor = /HTTP\/1\.0/.test(raw) ? 0 : 1;
    const expected = [
      ...head,
      `Via: 1.${minor} kelana`,
      `X-Forwarded-Host: ${host}`,
      'X-Forwarded-For: 127.0.0.1',
      'X-Forwarded-Proto: http',
      '\r\n',
    ].join('\r\n');
    assert.equal(first?.head, expected, what);
    assert.equal(first.body, body, what);
  });
});

const FILE = fileURLToPath(new URL('../../shared/testdata/http-requests.jsonl', import.meta.url));

interface Vector {
  readonly id: string;
  readonly raw_b64: string;
  readonly verdict: string;
  readonly n_ok: number;
  readonly expect: readonly { method: string; body_len: number }[];
}

test('of the 590 request vectors no more than is valid reaches a backend, the same however it is split', async (t) => {
  if (!existsSync(FILE)) {
    assert.ok((process.env['CI'] ?? '') === '', 'the 590 vectors are missing; unset CI to go without them');
    t.skip('the file of 590 vectors is not here; those of this repository ran');
    return;
  }
  const random = seededRandom(3);
  const vectors = readFileSync(FILE, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Vector);
  await inLanes(t, vectors, async (own, { id, raw_b64, n_ok, expect }) => {
    const { reached } = await threeWays(own, Buffer.from(raw_b64, 'base64'), random, id);
    assert.ok(reached.whole.length <= n_ok, `${id}: ${reached.whole.length} of ${n_ok}`);
    for (const [at, { head, body }] of reached.whole.entries()) {
      assert.equal(head.slice(0, head.indexOf(' ')), expect[at]?.method, id);
      assert.equal(body.length, expect[at]?.body_len, id);
    }
  });
});
