import assert from 'node:assert/strict';
import test from 'node:test';
import { OVERLAY } from '../core/config.ts';
import { Pulse, type Beating } from './pulse.ts';

const EVERY = OVERLAY.pingIntervalMs;
const LOOK = EVERY / 5;

function setUp() {
  let now = 0;
  const pulse = new Pulse(() => now);
  const log: string[] = [];
  const one = {
    heardAt: 0,
    sentAt: 0,
    beat: (kind) => {
      log.push(`${kind} ${now}`);
      one.sentAt = now;
    },
    silent: () => {
      log.push(`silent ${now}`);
      pulse.delete(one);
    },
  } satisfies Beating;
  pulse.add(one);
  const pass = (ms: number): void => {
    for (const end = now + ms; now < end;) {
      now += LOOK;
      pulse.look();
    }
  };
  return { pulse, one, log, pass, skip: (ms: number) => void (now += ms), at: () => now };
}

test('a link on which nothing else is sent gets a sign of life an interval; one that is heard of is asked nothing', () => {
  const { pulse, one, log, pass, at } = setUp();
  for (let round = 0; round < 20; round += 1) {
    one.heardAt = at();
    pass(LOOK);
  }
  assert.deepEqual(log, [`sign ${EVERY}`, `sign ${2 * EVERY}`, `sign ${3 * EVERY}`, `sign ${4 * EVERY}`]);
  pulse.delete(one);
});

test('what is sent anyway is a sign of life', () => {
  const { pulse, one, log, pass, at } = setUp();
  for (let round = 0; round < 20; round += 1) {
    one.heardAt = at();
    if (round % 4 === 0) one.sentAt = at();
    pass(LOOK);
  }
  assert.deepEqual(log, []);
  pulse.delete(one);
});

test('a silent peer is asked, and lost after three intervals', () => {
  const { log, pass } = setUp();
  pass(5 * EVERY);
  const asked = log.filter((line) => line.startsWith('question'));
  assert.deepEqual(asked, [`question ${8 * LOOK}`, `question ${13 * LOOK}`]);
  assert.equal(log.at(-1), `silent ${16 * LOOK}`);
});

test('a node that was held up itself first reads what came meanwhile', () => {
  const { pulse, one, log, pass, skip, at } = setUp();
  skip(10 * EVERY);
  pass(LOOK);
  assert.ok(!log.some((line) => line.startsWith('silent')));
  one.heardAt = at();
  pass(EVERY);
  assert.ok(!log.some((line) => line.startsWith('silent')));
  pulse.delete(one);
});
