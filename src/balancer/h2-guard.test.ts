import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BALANCER, EDGE } from '../core/config.ts';
import { H2Guard } from './h2-guard.ts';

const FRAME = 16_384;
/** A frame's head, and the records of TLS around it. */
const AROUND = 9 + 2 * 22;

test('bodies are no overhead, however long they wait in their streams and however fast they come', () => {
  const moves = fc.array(fc.record({ came: fc.nat(400), left: fc.nat(400), requests: fc.nat(20) }), {
    minLength: 200,
    maxLength: 400,
    size: 'max',
  });
  fc.assert(
    fc.property(moves, (row) => {
      const guard = new H2Guard();
      const most = Math.floor((EDGE.h2Streams * EDGE.h2WindowBytes) / FRAME);
      let [waiting, read, now] = [0, 0, 0];
      for (const { came, left, requests } of row) {
        now += 100;
        for (let request = 0; request < requests; request += 1) guard.useful(65_536);
        // The window lets no more come than has left; now and then all of it turns over between two looks.
        const frames = Math.min(came, most - waiting);
        const away = Math.min(left, waiting + frames);
        waiting += frames - away;
        read += frames * (FRAME + AROUND) + requests * 200;
        for (let frame = 0; frame < away; frame += 1) guard.body(FRAME);
        assert.equal(guard.check(now, read, 0, waiting * FRAME), null);
      }
    }),
    { numRuns: 50 },
  );
});

test('what is neither body nor request is told within the burst, also beside a body', () => {
  for (const beside of [0, FRAME]) {
    const guard = new H2Guard();
    let [read, useless, now] = [0, 0, 0];
    for (;;) {
      now += 100;
      read += 50_000 + (beside > 0 ? beside + AROUND : 0);
      useless += 50_000;
      if (beside > 0) guard.body(beside);
      if (guard.check(now, read, 0, 0) !== null) break;
      assert.ok(useless < 1_048_576, `${useless} bytes were let through beside ${beside}`);
    }
  }
});

test('a body of single bytes costs more than it brings', () => {
  const guard = new H2Guard();
  let [read, now] = [0, 0];
  for (let looks = 0; looks < 100; looks += 1) {
    now += 100;
    read += 3_000 * 10;
    for (let frame = 0; frame < 3_000; frame += 1) guard.body(1);
    if (guard.check(now, read, 0, 0) !== null) return;
  }
  assert.fail('30,000 frames of a byte each second were let through');
});

test('what comes late of bodies that nobody wants is no overhead, a window for each, and no more', () => {
  const guard = new H2Guard();
  let [read, now] = [0, 0];
  for (let turn = 0; turn < 20; turn += 1) {
    guard.useful(65_536);
    guard.unwanted();
    assert.equal(guard.check((now += 100), read, 0, 0), null);
    // A round trip later.
    read += EDGE.h2WindowBytes;
    assert.equal(guard.check((now += 100), read, 0, 0), null, `turn ${turn}`);
  }
  for (let turn = 0; turn < 100; turn += 1) guard.unwanted();
  read += 2 * EDGE.h2ConnectionWindowBytes;
  assert.notEqual(guard.check(now + 100, read, 0, 0), null);
});

test('what was on its way at our GOAWAY is no overhead: all windows and all heads, once', () => {
  const guard = new H2Guard();
  const allowed = EDGE.h2ConnectionWindowBytes + EDGE.h2Streams * BALANCER.maxHeadBytes;
  guard.leaving();
  // A stream that ended early takes nothing of it away.
  guard.unwanted();
  assert.equal(guard.check(100, allowed, 0, 0), null);
  assert.notEqual(guard.check(200, allowed + 2 * EDGE.h2Overhead.burst, 0, 0), null);
});
