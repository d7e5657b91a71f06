import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { BALANCE_DEFAULTS } from '../src/core/balance/options.ts';
import { BALANCER } from '../src/core/config.ts';
import { backend, balanceWith, client, CLOSE, eventually, get, HOST, type Bench } from './balancer.kit.ts';
import type { TestBackend } from './balancer.kit.ts';

/** Less than one write on loopback takes, so that an answer is whole at the balancer before any of it is stuck. */
const SIZE = 50_000;
/** Answers that no two sockets hold. */
const MANY = 400;

/** A body whose every byte tells of its request and its place. */
function bodyOf(path: string): string {
  let text = '';
  for (let at = 0; text.length < SIZE; at += 1) text += `${path}:${at};`;
  return text.slice(0, SIZE);
}

/** A client that writes, and reads nothing until it is asked to. */
class Unread {
  readonly socket: Socket;
  received = '';
  over: 'end' | 'error' | null = null;
  asked = 0;
  readonly #bench: Bench;
  /** Its socket knows it no longer once it is closed. */
  #port: number | undefined;

  constructor(t: TestContext, bench: Bench) {
    this.#bench = bench;
    this.socket = connect({
      port: bench.balancer.port,
      host: '127.0.0.1',
      allowHalfOpen: true,
      noDelay: true,
    });
    // Else node:net reads some 64 KiB ahead.
    this.socket.pause();
    this.socket.on('error', () => {
      this.over ??= 'error';
    });
    t.after(() => this.socket.destroy());
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  /** Its requests that were logged. */
  get logged(): number {
    this.#port ??= this.socket.localPort;
    const label = `127.0.0.1:${this.#port}`;
    return this.#bench.events.filter((event) => event.type === 'balancer.request' && event.client === label)
      .length;
  }

  /** One more request; whether its answer is whole at the balancer, and stuck there. */
  async stuck(request: string, back: TestBackend): Promise<boolean> {
    const [before, logged] = [back.heads, this.logged];
    this.send(request);
    const held = (): boolean => back.heads > before && this.#bench.balancer.stats().backends[0]?.active === 0;
    await eventually(() => this.logged > logged || held(), 'an answer');
    this.asked += 1;
    return this.logged === logged;
  }

  read(): void {
    this.socket.on('data', (bytes: Buffer) => {
      this.received += bytes.toString('latin1');
    });
    this.socket.on('end', () => {
      this.over ??= 'end';
      this.socket.end();
    });
    this.socket.resume();
  }

  /** Reads up to the end; says whether it was a proper one. */
  async closes(): Promise<'end' | 'error' | null> {
    this.read();
    await eventually(() => this.over !== null, 'the close');
    return this.over;
  }
}

interface Setting {
  readonly back: TestBackend;
  readonly bench: Bench;
}

async function setting(t: TestContext): Promise<Setting> {
  const answer = (path: string): string =>
    `HTTP/1.1 200 OK\r\nContent-Length: ${SIZE}\r\n\r\n${bodyOf(path)}`;
  const back = await backend(t, ({ head }) => answer(head.path));
  // An idle connection is closed long before an answer has stood still for too long.
  const timeouts = { ...BALANCE_DEFAULTS.timeouts, idleMs: 1_000 };
  return { back, bench: await balanceWith(t, { timeouts }, back.url) };
}

/** A client whose last answer, that to `request`, is whole at the balancer and stuck there. */
async function stuckBy(t: TestContext, { back, bench }: Setting, request: string): Promise<Unread> {
  for (let fits = MANY, tries = 0; tries < 20; tries += 1) {
    const slow = new Unread(t, bench);
    while (slow.asked < fits && !(await slow.stuck(get(`/${slow.asked}`), back)));
    if (slow.asked === MANY) break;
    if (slow.asked < fits || slow.logged < slow.asked) fits = slow.asked - 1;
    else if (await slow.stuck(request, back)) return slow;
    else fits += 1;
    slow.socket.destroy();
    await eventually(() => bench.balancer.stats().connections === 0, 'the client to be gone');
  }
  throw new Error('no answer was ever held back');
}

/** Waits until the deadlines were looked at with what the clock says then: a client that idles is closed by it. */
async function swept(t: TestContext, bench: Bench, ms = 1_500): Promise<void> {
  const { connections } = bench.balancer.stats();
  const idle = client(t, bench);
  await eventually(() => bench.balancer.stats().connections > connections, 'one more client');
  bench.skip(ms);
  await idle.closes();
  await eventually(() => bench.balancer.stats().connections <= connections, 'its close');
}

const errors = ({ events }: Bench): string[] =>
  events.flatMap((event) => (event.type === 'error' ? [`${event.code} ${event.detail}`] : []));

const HOW: readonly (readonly [how: string, request: string])[] = [
  ['Connection: close', get('/last', CLOSE)],
  ['HTTP/1.0', `GET /last HTTP/1.0\r\n${HOST}\r\n`],
  ['keep-alive, and an idle time that is over', get('/last')],
];

for (const [how, request] of HOW) {
  test(`${how}: an answer that has not left is waited for, and logged once it has`, async (t) => {
    const { back, bench } = await setting(t);
    const slow = await stuckBy(t, { back, bench }, request);
    const answering = (): number => bench.balancer.stats().backends[0]?.figures.latency.sumMs ?? 0;
    const before = answering();
    await swept(t, bench);
    await swept(t, bench);
    assert.equal(slow.logged, slow.asked - 1);
    slow.read();
    await eventually(() => slow.received.endsWith(bodyOf('/last').slice(-40)), 'the end of the answer');
    assert.ok(slow.received.endsWith(bodyOf('/last')));
    await eventually(() => slow.logged === slow.asked, 'the log');
    assert.ok(answering() - before < 1_500, 'what the client takes to read is not the time of the server');
    bench.skip(1_500);
    await eventually(() => slow.over !== null, 'the close');
    assert.deepEqual([slow.over, errors(bench)], ['end', []]);
  });
}

test('an answer of which nothing moves is cut by a reset, and told as cut', async (t) => {
  const { back, bench } = await setting(t);
  const slow = await stuckBy(t, { back, bench }, get('/last', CLOSE));
  bench.skip(31_000);
  await eventually(() => bench.balancer.stats().connections === 0, 'the cut');
  assert.equal(slow.logged, slow.asked);
  assert.match(errors(bench).join(), /^GATEWAY_TIMEOUT .*the client stopped reading/);
  assert.equal(bench.balancer.stats().backends[0]?.failures, 0);
  const told = bench.events.flatMap((event) => (event.type === 'balancer.request' ? [event.cut] : []));
  assert.equal(told.pop(), true);
  assert.equal(await slow.closes(), 'error');
});

test('when the balancer stops, a slow reader gets all of its answer', async (t) => {
  const { back, bench } = await setting(t);
  const slow = await stuckBy(t, { back, bench }, get('/last'));
  const stopped = bench.balancer.close();
  assert.equal(await slow.closes(), 'end');
  assert.ok(slow.received.endsWith(bodyOf('/last')));
  await stopped;
});

test('a backend connection whose last bytes were more than its client takes at once serves the next one', async (t) => {
  const back = await backend(t, ({ head }) => {
    const size = Number(head.path.slice(1));
    return `HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`;
  });
  const bench = await balanceWith(t, {}, back.url);
  // It depends on how the system cuts an answer up which part of it comes last.
  for (let size = 70_000; size < 200_000; size += 5_000) {
    const large = client(t, bench).send(get(`/${size}`, CLOSE));
    assert.ok((await large.closes()).length > size);
    assert.match(await client(t, bench).send(get('/1', CLOSE)).closes(), /x$/);
  }
  assert.equal(back.connections, 1);
});

test('a client that pipelines and does not read is answered as it reads, and no sooner', async (t) => {
  const { back, bench } = await setting(t);
  const slow = new Unread(t, bench);
  slow.send(Array.from({ length: MANY }, (_, at) => get(`/${at}`)).join(''));
  await eventually(() => back.heads > 0 && bench.balancer.stats().active === 1, 'requests');
  let before = -1;
  while (before !== back.heads) {
    before = back.heads;
    await swept(t, bench);
  }
  assert.ok(before < MANY, `${before} answers heaped up`);
  slow.read();
  // Asking a long text for its end makes it whole each time: asked for its length first.
  const last = bodyOf(`/${MANY - 1}`).slice(-40);
  const whole = (): boolean => slow.received.length > MANY * SIZE && slow.received.endsWith(last);
  await eventually(whole, 'all answers');
  const answers = slow.received.split(/HTTP\/1\.1 200 OK\r\n[^]*?\r\n\r\n/).slice(1);
  assert.equal(answers.length, MANY);
  for (const [at, body] of answers.entries()) assert.ok(body === bodyOf(`/${at}`), `answer ${at}`);
});

test('answers of our own are not heaped up either', async (t) => {
  const bench = await balanceWith(t, { timeouts: { ...BALANCE_DEFAULTS.timeouts, idleMs: 1_000 } });
  const slow = new Unread(t, bench).send(get('/').repeat(60_000));
  await eventually(() => bench.balancer.stats().requests > 0, 'an answer');
  let before = -1;
  while (before !== bench.balancer.stats().requests) {
    before = bench.balancer.stats().requests;
    await swept(t, bench);
  }
  assert.ok(before > 0 && before < 60_000, `${before} answered`);
  bench.skip(31_000);
  await eventually(() => bench.balancer.stats().connections === 0, 'the cut');
  assert.equal(await slow.closes(), 'error');
});

test('RFC 9112 9.6: who still sends after its answer is read on for a while, so that no reset overtakes the answer', async (t) => {
  const timeouts = { ...BALANCE_DEFAULTS.timeouts, idleMs: 100 };
  const bench = await balanceWith(t, { timeouts });
  const sends = new Unread(t, bench).send('nonsense\r\n\r\n');
  await eventually(() => bench.balancer.stats().requests > 0, 'the answer');
  // Far more than what one look forward allows, and less than the end of all patience.
  for (let round = 0; round < 6; round += 1) {
    sends.send('and on\r\n');
    await swept(t, bench, 250);
    assert.equal(bench.balancer.stats().connections, 1, `round ${round}`);
  }
  assert.equal(sends.over, null);
  bench.skip(1_100);
  await eventually(() => bench.balancer.stats().connections === 0, 'the end of its patience');
  sends.read();
  await eventually(() => sends.received.includes('400 Bad Request'), 'the answer');
});

test('more clients than are looked at in one turn of the loop are all ended in time, also while others leave', async (t) => {
  const bench = await balanceWith(t, {});
  const idle = Array.from({ length: 2 * BALANCER.sweepPart + 50 }, () => client(t, bench));
  const here = (): number => bench.balancer.stats().connections;
  await eventually(() => here() === idle.length, 'all clients');
  bench.skip(BALANCER.clientIdleMs + 1_000);
  for (const [at, one] of idle.entries()) if (at % 7 === 0) one.socket.destroy();
  await eventually(() => here() === 0, 'the end of all');
});
