import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { kill } from 'node:process';
import { test, type TestContext } from 'node:test';
import type { FleetOptions } from '../src/balancer/fleet.ts';
import { BALANCER_CHANGE } from '../src/core/config.ts';
import { KelanaError } from '../src/core/errors.ts';
import type { EventBody } from '../src/core/events.ts';
import { fleetWith } from './balancer.fleet.kit.ts';
import { eventually } from './balancer.kit.ts';

/** What becomes of processes that die, start late, or do not do what they are told. */

/** Writes down what it hears; is not ready while the file `held` is there; will not drain. */
const CHILD = `import { appendFileSync, existsSync } from 'node:fs';
process.on('message', (said) => {
  const { method = '-' } = said.desired ?? {};
  // The test may be over, and its folder gone.
  try {
    if (said.type !== 'socket') appendFileSync('heard', [process.pid, said.type, method].join(' ') + '\\n');
  } catch {}
  const ready = () => (existsSync('held') ? setTimeout(ready, 5) : process.send({ type: 'ready' }));
  if (said.type === 'start') ready();
  else if (said.type === 'close') process.exit(0);
  else if (said.type === 'drain')
    process.send({ type: 'refused', id: said.id, error: 'WORKER_FAILED', params: { why: 'no' } });
  else process.send({ type: 'answer', id: said.id });
});`;

async function house(t: TestContext, options: Partial<FleetOptions> = {}) {
  const { fleet, roll, folder } = await fleetWith(t, CHILD, options);
  const file = join(folder, 'heard');
  /** Of each process, in the order they were started: what it heard. */
  const heard = (): readonly { pid: number; words: string }[] => {
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    const words = new Map<number, string>();
    for (const line of lines) {
      const [pid, ...said] = line.split(' ');
      words.set(Number(pid), `${words.get(Number(pid)) ?? ''}${said.join(' ')}; `);
    }
    return [...words].map(([pid, said]) => ({ pid, words: said }));
  };
  const held = join(folder, 'held');
  return {
    fleet,
    roll,
    heard,
    hold: () => writeFileSync(held, ''),
    release: () => rmSync(held),
    started: (count: number) => eventually(() => heard().length === count, `${count} started`),
    gone: (at: number) => eventually(() => !alive(heard()[at]?.pid ?? 0), `number ${at} to be gone`),
    end: (at: number) => kill(heard()[at]?.pid ?? 0, 'SIGKILL'),
  };
}

function alive(pid: number): boolean {
  try {
    return pid !== 0 && kill(pid, 0);
  } catch {
    return false;
  }
}

test('what was changed while a process starts again reaches it', async (t) => {
  const { fleet, roll, heard, hold, release, started, end } = await house(t);
  await roll(1);
  hold();
  end(0);
  await started(2);
  await fleet.apply({ method: 'weighted', backends: [] });
  release();
  const words = 'start round-robin; apply weighted;';
  await eventually(() => heard()[1]?.words.startsWith(words) === true, 'it to hear');
});

test('processes that are ready only when the balancer ends are ended too, be they the first or in place of another', async (t) => {
  const first = await house(t);
  first.hold();
  const rolled = first.roll(1);
  await first.started(1);
  const closed = first.fleet.close();
  first.release();
  const ends = (error: unknown): boolean => error instanceof KelanaError && error.code === 'UPGRADE_FAILED';
  await assert.rejects(rolled, ends);
  await closed;
  await first.gone(0);

  const later = await house(t);
  await later.roll(1);
  later.hold();
  later.end(0);
  await later.started(2);
  await later.fleet.close();
  later.release();
  await later.gone(1);
  assert.match(later.heard()[1]?.words ?? '', /close/);
});

test('one that starts in a place that an upgrade has taken meanwhile is ended', async (t) => {
  const { roll, heard, hold, release, started, end, gone } = await house(t);
  await roll(1);
  hold();
  end(0);
  await started(2);
  const rolled = roll(1);
  await started(3);
  release();
  await rolled;
  await gone(1);
  assert.ok(alive(heard()[2]?.pid ?? 0));
});

test('the pause before a start grows with each death, and is short again once one has lived long enough', async (t) => {
  let now = 0;
  const pauses: unknown[] = [];
  let starts = 0;
  const emit = (event: EventBody): void => {
    if (event.type === 'part.exited') pauses.push(event.restartSeconds);
    if (event.type === 'part.started') starts += 1;
  };
  const { roll, end } = await house(t, { emit, clock: () => now });
  await roll(1);
  for (const [at, lived] of [0, BALANCER_CHANGE.stableMs, BALANCER_CHANGE.stableMs + 1].entries()) {
    await eventually(() => starts === at + 1, 'the next');
    now += lived;
    end(at);
  }
  const short = BALANCER_CHANGE.restartMinMs / 1000;
  await eventually(() => pauses.length === 3, 'the third death');
  assert.deepEqual(pauses, [short, 2 * short, short]);
});

test('a replaced process that will not drain is ended', async (t) => {
  const { roll, gone, heard } = await house(t);
  await roll(1);
  await roll(1);
  await gone(0);
  assert.equal(heard()[0]?.words, 'start round-robin; drain -; close -; ');
});
