import assert from 'node:assert/strict';
import { setImmediate } from 'node:timers/promises';
import { test, type TestContext } from 'node:test';
import { LIMITS } from '../core/config.ts';
import { Turns } from './turns.ts';

/** Bytes of a large turn. */
const FRAME = 256 * 1024;

/** Turns over a clock that only goes on when it is told to; `after(ms)` lets timers and promises run as time passes. */
function start(t: TestContext, rate: number | null) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const clock = { now: 1_000, rate };
  const turns = new Turns({ now: () => clock.now, limit: () => clock.rate });
  t.after(() => turns.stop());
  const after = async (ms: number): Promise<void> => {
    for (let at = 0; at < ms; at += 1) {
      clock.now += 1;
      t.mock.timers.tick(1);
      await setImmediate();
    }
  };
  return { turns, clock, after };
}

/** Takes turns on and on, `open` at once, and counts what it got until it is told to end. */
function endless(turns: Turns, peer: string, open: number, bytes: number) {
  const stop = new AbortController();
  const got = { bytes: 0, end: () => stop.abort() };
  const lane = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      await turns.take(peer, bytes, stop.signal);
      got.bytes += bytes;
    }
  };
  for (let at = 0; at < open; at += 1) void lane().catch(() => undefined);
  return got;
}

test('without a limit a turn is a synchronous yes, and costs next to nothing', (t) => {
  const turns = new Turns({ now: () => performance.now(), limit: () => null });
  t.after(() => turns.stop());
  const begun = performance.now();
  for (let at = 0; at < 100_000; at += 1) assert.equal(turns.take('a', FRAME), undefined);
  const each = (performance.now() - begun) / 100_000;
  t.diagnostic(`${(each * 1e6).toFixed(0)} ns a turn`);
  assert.ok(each < 0.02, `${each} ms a turn`);
  assert.equal(turns.info().bytes, 100_000 * FRAME);
  assert.deepEqual([turns.piece(FRAME), turns.ahead(8, FRAME)], [FRAME, 8]);
});

test('two peers share a limit evenly, whatever each keeps open, and the rate is kept to 1 %', async (t) => {
  const { turns, after } = start(t, 10e6);
  const one = endless(turns, 'one', 1, FRAME);
  const many = endless(turns, 'many', 8, FRAME);
  await after(4_000);
  const all = one.bytes + many.bytes;
  assert.ok(Math.abs(all - 40e6) < 0.4e6 + 10e6 * (LIMITS.burstMs / 1000) + FRAME, String(all));
  assert.ok(Math.abs(one.bytes - many.bytes) <= 4 * FRAME, `${one.bytes} and ${many.bytes}`);
  const { limit, bytes, bytesPerSecond, waiting } = turns.info();
  assert.deepEqual([limit, bytes, waiting], [10e6, all, 9]);
  assert.ok(bytesPerSecond > 7e6 && bytesPerSecond < 11e6, String(bytesPerSecond));
  one.end();
  many.end();
  await setImmediate();
  assert.equal(turns.info().waiting, 0);
});

test('a limit that changes holds for those who wait already; without one all go', async (t) => {
  const { turns, clock, after } = start(t, 20e3);
  assert.deepEqual([turns.piece(FRAME), turns.ahead(8, 1024 * 1024)], [LIMITS.leastTurnBytes, 1]);
  assert.equal(turns.take('a', FRAME), undefined);
  let passed = 0;
  for (let at = 0; at < 20; at += 1) void turns.take('a', FRAME)?.then(() => (passed += 1));
  await after(1_000);
  assert.equal(passed, 0, 'the first left a debt of 13 s');
  clock.rate = 5e6;
  await after(LIMITS.recheckMs + 250);
  assert.ok(passed >= 3 && passed <= 9, String(passed));
  clock.rate = null;
  await after(LIMITS.recheckMs);
  assert.equal(passed, 20);
  assert.equal(turns.take('a', FRAME), undefined);
});

test('a change is felt at once by whoever asks', async (t) => {
  const { turns, clock } = start(t, 20e3);
  void turns.take('a', FRAME);
  let passed = false;
  void turns.take('a', 1)?.then(() => (passed = true));
  clock.rate = null;
  assert.equal(turns.take('b', 1), undefined);
  await setImmediate();
  assert.ok(passed);
});

test('a wait ends with its signal, and with the end of all', async (t) => {
  const { turns, after } = start(t, 20e3);
  void turns.take('a', FRAME);
  const stop = new AbortController();
  const [one, other] = [turns.take('a', 1, stop.signal), turns.take('a', 1)];
  stop.abort();
  await assert.rejects(async () => await one, { name: 'AbortError' });
  await assert.rejects(async () => await turns.take('a', 1, stop.signal), { name: 'AbortError' });
  assert.equal(turns.info().waiting, 1);
  turns.stop();
  await assert.rejects(async () => await other, { code: 'TRANSFER_FAILED' });
  await assert.rejects(async () => await turns.take('a', 1), { code: 'TRANSFER_FAILED' });
  await after(20_000);
  assert.equal(turns.info().waiting, 0);
});

test('a peer with too many turns waiting is told so', async (t) => {
  const { turns } = start(t, 20e3);
  void turns.take('a', FRAME);
  for (let at = 0; at < LIMITS.maxWaits; at += 1) turns.take('a', 1)?.catch(() => undefined);
  await assert.rejects(async () => await turns.take('a', 1), { code: 'BUSY' });
  assert.notEqual(
    turns.take('b', 1)?.catch(() => undefined),
    undefined,
  );
});
