import assert from 'node:assert/strict';
import test from 'node:test';
import { OVERLAY } from '../core/config.ts';
import { Mutes } from './mutes.ts';

test('a mute neighbour is left alone for a while, longer each time that it comes back no better, up to a bound', () => {
  let now = 0;
  const mutes = new Mutes(() => now);
  assert.equal(mutes.has('a'), false);
  let before = 0;
  for (let round = 0; round < 12; round += 1) {
    mutes.add('a');
    const from = now;
    while (mutes.has('a')) now += 1_000;
    const wait = now - from;
    assert.equal(wait, before === 0 ? OVERLAY.muteMinMs : Math.min(2 * before, OVERLAY.muteMaxMs));
    before = wait;
  }
  assert.equal(before, OVERLAY.muteMaxMs);
  assert.equal(mutes.has('b'), false);
  now += 2 * OVERLAY.muteMaxMs;
  mutes.add('a');
  now += OVERLAY.muteMinMs;
  assert.equal(mutes.has('a'), false, 'long ago is forgotten');
});
