import assert from 'node:assert/strict';
import test from 'node:test';
import { SWARM, TRANSFER } from '../config.ts';
import { seededRandom } from '../random.ts';
import { Plan, type PlanInput, type PlanOutput } from './plan.ts';
import { setOf, simulate } from './plan.testkit.ts';

const MiB = TRANSFER.blockBytes;
/** MB/s as bytes a millisecond. */
const mbps = (rate: number): number => rate * 1000;

/** A plan for `count` blocks at time 0, and its answers to inputs one by one. */
function planFor(count: number, have?: readonly number[]) {
  const size = count * MiB;
  const plan = new Plan({
    size,
    blockBytes: MiB,
    ...(have === undefined ? {} : { have: setOf(have, count) }),
  });
  const random = seededRandom(1);
  return (input: PlanInput, now = 0): readonly PlanOutput[] => plan.step(input, now, random);
}

const asked = (outputs: readonly PlanOutput[]): readonly (readonly [string, readonly number[]])[] =>
  outputs.flatMap((output) => (output.type === 'ask' ? [[output.provider, output.blocks] as const] : []));

test('one provider is asked for the first blocks at once, in order', () => {
  const step = planFor(100);
  assert.deepEqual(asked(step({ type: 'joined', provider: 'a', have: null })), [['a', [0, 1, 2, 3]]]);
});

test('blocks that are there already are not asked for, and a whole file is done at once', () => {
  const step = planFor(4, [0, 2]);
  assert.deepEqual(asked(step({ type: 'joined', provider: 'a', have: null })), [['a', [1, 3]]]);
  assert.deepEqual(planFor(2, [0, 1])({ type: 'tick' }), [{ type: 'done' }]);
});

test('the rarest blocks come first', () => {
  const step = planFor(6);
  const part = (provider: string, have: readonly number[]): readonly PlanOutput[] =>
    step({ type: 'joined', provider, have: setOf(have, 6) });
  part('b', [0, 1]);
  const first = asked(step({ type: 'joined', provider: 'c', have: setOf([2, 3, 4], 6) }));
  assert.deepEqual(new Set(first[0]?.[1]), new Set([2, 3, 4]));
  // 5 is held by this one alone; all others are asked for.
  assert.deepEqual(asked(part('d', [0, 1, 2, 3, 4, 5])), [['d', [5]]]);
});

test('who has nothing that is missing is told apart from who has', () => {
  const step = planFor(3);
  const outputs = step({ type: 'joined', provider: 'a', have: setOf([0], 3) });
  assert.ok(outputs.some((output) => output.type === 'starved' && output.blocks === 2));
  assert.deepEqual(
    asked(step({ type: 'have', provider: 'a', have: setOf([0, 2], 3) })),
    [['a', [2]]],
    'what it got meanwhile is asked of it',
  );
  assert.ok(step({ type: 'gone', provider: 'a' }).some((output) => output.type === 'starved'));
});

test('one bad block: the liar is dropped, and its blocks are asked of another', () => {
  const step = planFor(6);
  step({ type: 'joined', provider: 'liar', have: null });
  step({ type: 'joined', provider: 'good', have: null });
  for (const block of [0, 1, 2, 3]) step({ type: 'sent', provider: 'liar', block });
  assert.ok(step({ type: 'got', provider: 'liar', block: 0 }, 5).some((output) => output.type === 'check'));
  const outputs = step({ type: 'bad', provider: 'liar', block: 0 }, 6);
  assert.ok(
    outputs.some((output) => output.type === 'drop' && output.provider === 'liar' && output.liar),
    JSON.stringify(outputs),
  );
  const others = asked(outputs);
  assert.ok(others.every(([provider]) => provider === 'good'));
  assert.ok(others.length > 0);
});

test('a source that changed is dropped, but it is no liar; one that is busy is asked again later', () => {
  const step = planFor(50);
  step({ type: 'joined', provider: 'a', have: null });
  const dropped = step({ type: 'refused', provider: 'a', block: 0, code: 'changed' });
  assert.deepEqual(
    dropped.filter(({ type }) => type === 'drop'),
    [{ type: 'drop', provider: 'a', why: 'changed', liar: false }],
  );
  step({ type: 'joined', provider: 'b', have: null });
  const refused = [0, 1, 2, 3].flatMap((block) =>
    step({ type: 'refused', provider: 'b', block, code: 'busy' }, 10),
  );
  assert.deepEqual(refused, []);
  assert.deepEqual(asked(step({ type: 'tick' }, SWARM.busyMs)), []);
  assert.equal(asked(step({ type: 'tick' }, SWARM.busyMs + 10))[0]?.[0], 'b');
});

test('a block that one cannot read is asked of another; three of them, and it is dropped', () => {
  const step = planFor(50);
  step({ type: 'joined', provider: 'a', have: null });
  for (const block of [0, 1]) {
    const outputs = step({ type: 'refused', provider: 'a', block, code: 'failed' });
    assert.ok(outputs.some((output) => output.type === 'starved'));
    assert.ok(asked(outputs).every(([, blocks]) => !blocks.includes(block)));
  }
  const last = step({ type: 'refused', provider: 'a', block: 2, code: 'failed' });
  assert.ok(last.some((output) => output.type === 'drop' && output.why === 'failed' && !output.liar));
});

test('what waits for memory is taken back when another copy came', () => {
  const step = planFor(1);
  step({ type: 'joined', provider: 'slow', have: null });
  step({ type: 'sent', provider: 'slow', block: 0 });
  step({ type: 'joined', provider: 'fast', have: null });
  assert.deepEqual(asked(step({ type: 'tick' }, 1_000)), [['fast', [0]]]);
  step({ type: 'got', provider: 'slow', block: 0 }, 1_001);
  assert.deepEqual(step({ type: 'good', provider: 'slow', block: 0 }, 1_002), [
    { type: 'cancel', provider: 'fast', block: 0 },
    { type: 'done' },
  ]);
});

test('four equal providers are nearly four times as fast as one', (t) => {
  const size = 1024 * MiB;
  const provider = { rate: mbps(50), latency: 2 };
  const rate = (count: number): number => {
    const { finished } = simulate({
      size,
      blockBytes: MiB,
      providers: Array.from({ length: count }, () => provider),
    });
    return size / (finished ?? Infinity) / 1000;
  };
  const [one, four] = [rate(1), rate(4)];
  t.diagnostic(`1: ${one.toFixed(1)} MB/s, 4: ${four.toFixed(1)} MB/s, ratio ${(four / one).toFixed(2)}`);
  assert.ok(one > 0.97 * 50, `${one} MB/s of 50`);
  assert.ok(four > 3.85 * one, `${four} MB/s of ${4 * one}`);
});

test('of four providers one lies and one dies: the other two go on at their full rate', (t) => {
  const size = 1024 * MiB;
  const provider = { rate: mbps(50), latency: 2 };
  const providers = [provider, { ...provider, lies: () => true }, { ...provider, dies: 3_000 }, provider];
  const result = simulate({ size, blockBytes: MiB, providers });
  const rate = size / (result.finished ?? Infinity) / 1000;
  t.diagnostic(
    `${rate.toFixed(1)} MB/s, liar ${result.lies[1]} blocks, wasted ${result.wasted / MiB} blocks`,
  );
  assert.ok(rate > 100, `${rate} MB/s`);
  assert.ok((result.lies[1] ?? 0) <= SWARM.firstAsked);
});

test('a provider that is much slower holds nobody up, and one that falls silent is replaced', (t) => {
  const size = 256 * MiB;
  const fast = { rate: mbps(50), latency: 2 };
  const alone = simulate({ size, blockBytes: MiB, providers: [fast] }).finished ?? 0;
  for (const other of [{ rate: mbps(0.05) }, { rate: mbps(50), silent: 500 }]) {
    const { finished, dropped } = simulate({ size, blockBytes: MiB, providers: [other, fast] });
    t.diagnostic(
      `${finished?.toFixed(0)} ms with it, ${alone.toFixed(0)} ms without; ${JSON.stringify(dropped)}`,
    );
    assert.ok(finished !== null && finished < 1.05 * alone + 100, `${finished} ms, alone ${alone}`);
  }
  const long = simulate({
    size: 4096 * MiB,
    blockBytes: MiB,
    providers: [{ rate: mbps(50), silent: 500 }, { rate: mbps(50) }],
  });
  assert.ok(long.dropped.some(({ provider, why }) => provider === 0 && why === 'silent'));
});

test('many providers: the fastest are asked, and a faster one that comes later takes its share', () => {
  const slow = Array.from({ length: 20 }, () => ({ rate: mbps(1) }));
  const { given, finished } = simulate({
    size: 512 * MiB,
    blockBytes: MiB,
    providers: [...slow, { rate: mbps(100), joins: 3_000 }],
  });
  assert.ok(finished !== null);
  assert.ok((given[20] ?? 0) > 300 * MiB, `${(given[20] ?? 0) / MiB} blocks of the fast one`);
});

test('far away and fast: enough is on its way to fill the line', (t) => {
  const { finished } = simulate({
    size: 512 * MiB,
    blockBytes: MiB,
    providers: [{ rate: mbps(125), latency: 100 }],
  });
  const rate = (512 * MiB) / (finished ?? Infinity) / 1000;
  t.diagnostic(`${rate.toFixed(1)} of 125 MB/s at 100 ms`);
  assert.ok(rate > 110);
});
