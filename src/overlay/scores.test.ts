import assert from 'node:assert/strict';
import test from 'node:test';
import { OVERLAY } from '../core/config.ts';
import { Scores } from './scores.ts';

const { maxLies, lieWindowMs, banMs, maxScored } = OVERLAY;

test('three lies within the window ban a peer for the time of a ban, and nobody else', () => {
  let time = 0;
  const scores = new Scores({ now: () => time });
  for (let at = 1; at < maxLies; at += 1) assert.equal(scores.add('a', 'a hit for another file'), false);
  assert.equal(scores.banned('a'), false);
  assert.equal(scores.add('a', 'a bad signature'), true);
  assert.equal(scores.banned('a'), true);
  assert.equal(scores.reason('a'), 'a bad signature');
  assert.equal(scores.banned('b'), false);
  assert.equal(scores.add('a', 'again'), false, 'banned once');
  time += banMs - 1;
  assert.equal(scores.banned('a'), true);
  time += 1;
  assert.equal(scores.banned('a'), false);
  assert.equal(scores.add('a', 'x'), false, 'it starts afresh');
});

test('lies that lie further apart are forgotten', () => {
  let time = 0;
  const scores = new Scores({ now: () => time });
  for (let at = 0; at < 20; at += 1) {
    assert.equal(scores.add('a', 'x'), false);
    time += lieWindowMs / (maxLies - 1) + 1;
  }
});

test('many peers are scored within a bound', () => {
  const scores = new Scores({ now: () => 0 });
  for (let at = 0; at < maxLies; at += 1) scores.add('first', 'x');
  for (let at = 0; at < maxScored - 1; at += 1) scores.add(`p${at}`, 'x');
  assert.equal(scores.banned('first'), true);
  for (let at = 0; at < 2 * maxScored; at += 1) scores.add(`q${at}`, 'x');
  assert.equal(scores.banned('first'), false, 'the oldest made way');
});
