import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../config.ts';
import { Meter } from './meter.ts';
import { TurnOrder } from './turns.ts';

/** Bytes of a large turn. */
const FRAME = 256 * 1024;

interface Asker {
  readonly peer: string;
  /** Turns it keeps open: as soon as one is granted it asks for another. */
  readonly open: number;
  readonly weight?: number;
  /** Bytes of its next turn. */
  readonly size: () => number;
  /** ms it takes to use a turn before it asks anew. */
  readonly pause?: number;
}

/** Runs askers that never have enough, with timers that come `late()` ms late; gives the bytes that each got. */
function run(order: TurnOrder, askers: readonly Asker[], ms: number, late: () => number = () => 0) {
  const got = new Map(askers.map(({ peer }) => [peer, 0]));
  let back: { at: number; asker: Asker }[] = [];
  let now = 0;
  const uses = (asker: Asker | undefined, bytes: number): void => {
    if (asker === undefined) return;
    got.set(asker.peer, (got.get(asker.peer) ?? 0) + bytes);
    back.push({ at: now + (asker.pause ?? 0), asker });
  };
  for (const asker of askers) for (let at = 0; at < asker.open; at += 1) back.push({ at: 0, asker });
  while (now < ms) {
    // Who asks anew does so before the clock goes on, as promises are resolved before timers.
    while (back.some(({ at }) => at <= now)) {
      const due = back.filter(({ at }) => at <= now);
      back = back.filter(({ at }) => at > now);
      for (const { asker } of due) {
        const bytes = asker.size();
        const answer = order.ask(asker.peer, bytes, now, asker.weight);
        assert.notEqual(answer, 'full');
        if (answer === 'now') uses(asker, bytes);
      }
    }
    const timer = Math.max(now + 1, Math.ceil(order.nextAt(now) ?? Infinity)) + late();
    now = Math.min(ms, timer, ...back.map(({ at }) => at));
    if (now < timer) continue;
    for (const turn of order.grant(now))
      uses(
        askers.find(({ peer }) => peer === turn.peer),
        turn.bytes,
      );
  }
  return got;
}

function limited(rate: number): TurnOrder {
  const order = new TurnOrder(0);
  order.setRate(rate, 0);
  return order;
}

const sum = (got: ReadonlyMap<string, number>): number =>
  [...got.values()].reduce((one, two) => one + two, 0);
const endless = (peer: string, open: number, bytes: number): Asker => ({ peer, open, size: () => bytes });

test('without a limit every turn is granted at once, and nothing is kept', () => {
  const order = new TurnOrder(0);
  for (let at = 0; at < 100_000; at += 1) assert.equal(order.ask(`p${at}`, FRAME, at), 'now');
  assert.deepEqual([order.waiting, order.nextAt(0), order.piece(FRAME)], [0, null, FRAME]);
});

test('the rate is kept to 1 % over 10 s, at 50 MB/s and at 100 kB/s, with late timers too', () => {
  for (const [rate, piece] of [
    [50e6, FRAME],
    [100e3, LIMITS.leastTurnBytes],
  ] as const) {
    assert.equal(limited(rate).piece(FRAME), piece);
    for (const late of [0, 1, 5, 20]) {
      let state = 1;
      const lateness = (): number => {
        state = (state * 48_271) % 2_147_483_647;
        return late === 0 ? 0 : state % late;
      };
      const bytes = sum(
        run(limited(rate), [endless('a', 4, piece), endless('b', 4, piece)], 10_000, lateness),
      );
      const share = bytes / (10 * rate);
      assert.ok(share > 0.99 && share < 1.01, `${rate} B/s, up to ${late} ms late: ${share}`);
    }
  }
});

test('turns that are larger than the burst pass too, at the same rate', () => {
  const bytes = sum(run(limited(100e3), [endless('a', 2, 1024 * 1024)], 1_000_000));
  assert.ok(Math.abs(bytes - 100e6) <= 2 * 1024 * 1024, String(bytes));
});

const rates = fc.constantFrom(50e3, 100e3, 5e6, 50e6);

test('whatever is asked and however the limit changes, no more passes than rate × time, a burst and a turn', () => {
  const steps = fc.array(
    fc.record({
      wait: fc.integer({ min: 0, max: 200 }),
      rate: fc.option(rates, { freq: 8, nil: undefined }),
      asks: fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: FRAME })), {
        maxLength: 6,
      }),
    }),
    { minLength: 1, maxLength: 60 },
  );
  fc.assert(
    fc.property(rates, steps, (first, list) => {
      const order = limited(first);
      let [now, rate, passed] = [0, first, 0];
      // The largest burst counts, since a limit that falls takes nothing back.
      let most = burstOf(first) + FRAME;
      for (const step of list) {
        now += step.wait;
        most += (step.wait / 1000) * rate;
        passed += order.grant(now).reduce((bytes, turn) => bytes + turn.bytes, 0);
        if (step.rate !== undefined) {
          rate = step.rate;
          order.setRate(rate, now);
          most = Math.max(most, passed + burstOf(rate) + FRAME);
        }
        for (const [peer, bytes] of step.asks) if (order.ask(peer, bytes, now) === 'now') passed += bytes;
        assert.ok(passed <= most + 1, `${passed} of ${most}`);
      }
    }),
  );
});
const burstOf = (rate: number): number => Math.max(LIMITS.leastTurnBytes, (rate * LIMITS.burstMs) / 1000);

test('of many peers that never have enough each gets an equal share, however many turns it keeps open', () => {
  const peers = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 16 }), fc.integer({ min: LIMITS.leastTurnBytes, max: FRAME })),
    {
      minLength: 2,
      maxLength: 12,
    },
  );
  fc.assert(
    fc.property(peers, (drawn) => {
      const askers = drawn.map(([open, bytes], at) => endless(`p${at}`, open, bytes));
      const got = [...run(limited(50e6), askers, 4_000).values()];
      const spread = Math.max(...got) - Math.min(...got);
      const most = Math.max(burstOf(50e6) + 2 * FRAME, (0.05 * 200e6) / got.length);
      assert.ok(spread <= most, `${spread} bytes apart: ${got.join(', ')}`);
    }),
    { numRuns: 40 },
  );
});

test('a peer that asks for small pieces, one at a time, gets as much as one with large ones waiting', () => {
  const small: Asker = { peer: 'small', open: 1, size: () => 4096, pause: 0 };
  const got = run(limited(5e6), [endless('large', 8, FRAME), small], 10_000, () => 1);
  const share = (got.get('small') ?? 0) / sum(got);
  assert.ok(share > 0.45 && share < 0.55, String(share));
});

test('shares follow the weights', () => {
  const askers = [1, 2, 5].map((weight) => ({ ...endless(`w${weight}`, 3, FRAME), weight }));
  const got = run(limited(50e6), askers, 8_000);
  for (const weight of [1, 2, 5]) {
    const share = (got.get(`w${weight}`) ?? 0) / sum(got);
    assert.ok(Math.abs(share - weight / 8) < 0.01, `${weight}: ${share}`);
  }
});

test('a peer that was away gets no more than its share and what it may make up for', () => {
  const order = limited(50e6);
  const [a, b] = [endless('a', 4, FRAME), endless('b', 4, FRAME)];
  assert.equal(order.ask('b', FRAME, 0), 'now');
  const alone = run(order, [a], 5_000);
  const both = run(order, [a, b], 1_000);
  assert.ok((alone.get('a') ?? 0) > 200e6);
  const ahead = (both.get('b') ?? 0) - (both.get('a') ?? 0);
  assert.ok(ahead <= LIMITS.maxBehindBytes + 2 * FRAME, String(ahead));
});

test('ever new peers cannot keep one that waits from its turn', () => {
  const order = limited(50e6);
  let now = 0;
  for (let at = 0; order.ask('a', FRAME, 0) === 'now'; at += 1) assert.ok(at < 100);
  const turn = order.ask('a', FRAME, 0);
  let others = 0;
  for (let granted = false; !granted; others += 1) {
    assert.notEqual(order.ask(`new${others}`, FRAME, now), 'now');
    now = order.nextAt(now) ?? now;
    granted = order.grant(now).includes(turn as never);
    assert.ok(others < 8, 'a turn each for those who came first');
  }
});

test('turns and peers are bounded; what is taken back makes room and is never granted', () => {
  const order = limited(20e3);
  assert.equal(order.ask('a', FRAME, 0), 'now');
  const turns = Array.from({ length: LIMITS.maxWaits }, () => order.ask('a', 1, 0));
  assert.equal(order.ask('a', 1, 0), 'full');
  const [first] = turns;
  assert.ok(typeof first === 'object');
  order.cancel(first);
  order.cancel(first);
  assert.equal(order.waiting, LIMITS.maxWaits - 1);
  assert.equal(typeof order.ask('a', 1, 0), 'object');
  for (let at = 1; at < LIMITS.maxPeers; at += 1) assert.equal(typeof order.ask(`p${at}`, 1, 0), 'object');
  assert.equal(order.ask('one too many', 1, 0), 'full');
  const granted = order.grant(60_000).concat(order.grant(120_000));
  assert.ok(!granted.includes(first));
  for (let now = 180_000; order.waiting > 0; now += 60_000) order.grant(now);
  assert.equal(order.nextAt(0), null);
  // Nobody waits: those who were served longest ago make way.
  for (let at = 0; at < 2 * LIMITS.maxPeers; at += 1)
    assert.notEqual(order.ask(`later${at}`, 1, 1e9 + at), 'full');
});

test('a limit that is lifted lets everybody pass at once; one that is set holds from then on', () => {
  const order = limited(20e3);
  order.ask('a', FRAME, 0);
  for (let at = 0; at < 10; at += 1) order.ask(`p${at}`, FRAME, 0);
  assert.ok((order.nextAt(0) ?? 0) > 10_000);
  order.setRate(null, 1);
  assert.equal(order.nextAt(1), 1);
  assert.equal(order.grant(1).length, 10);
  assert.equal(order.ask('a', FRAME, 2), 'now');
  order.setRate(1e6, 3);
  assert.equal(order.ask('a', FRAME, 3), 'now');
  assert.equal(typeof order.ask('a', FRAME, 3), 'object');
});

test('the meter shows the mean of the last seconds, and what passed in all', () => {
  const meter = new Meter(1_000_000);
  for (let ms = 0; ms < 20_000; ms += 10) meter.add(1_000, 1_000_000 + ms);
  const now = 1_020_000 - 1;
  assert.equal(meter.total, 2_000_000);
  assert.ok(Math.abs(meter.bytesPerSecond(now) - 100_000) <= 5_000);
  assert.ok(Math.abs(meter.bytesPerSecond(now + LIMITS.meterMs / 2) - 50_000) <= 5_000);
  assert.equal(meter.bytesPerSecond(now + LIMITS.meterMs), 0);
  assert.equal(meter.bytesPerSecond(now + 1e9), 0);
});

test('a loop that is late by 40 ms and more costs nothing of the rate while somebody waits', () => {
  for (const mean of [40, 80]) {
    const order = new TurnOrder(0);
    order.setRate(50e6, 0);
    let seed = 1;
    const late = (): number => ((seed = (seed * 48_271) % 2_147_483_647) / 2_147_483_647) * 2 * mean;
    const got = run(order, [{ peer: 'a', open: 1, size: () => FRAME }], 10_000, late);
    const share = (got.get('a') ?? 0) / 500e6;
    assert.ok(share > 0.97 && share < 1.03, `${mean} ms late: ${share}`);
  }
});

test('what a late loop left over is gone after silence', () => {
  const order = new TurnOrder(0);
  order.setRate(50e6, 0);
  while (order.ask('a', FRAME, 0) === 'now');
  order.grant(LIMITS.lateMs);
  let bytes = 0;
  while (order.ask('a', FRAME, 10_000) === 'now') bytes += FRAME;
  assert.ok(bytes <= (50e6 * LIMITS.burstMs) / 1000 + FRAME, `${bytes} bytes`);
});
