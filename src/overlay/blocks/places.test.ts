import assert from 'node:assert/strict';
import test from 'node:test';
import { TRANSFER } from '../../core/config.ts';
import { Places, type Asking } from './places.ts';

class Asker implements Asking {
  readonly peer: string;
  readonly source: string;
  movedAt: number;
  owed = true;
  ended = false;

  constructor(peer: string, source: string, movedAt = 0) {
    this.peer = peer;
    this.source = source;
    this.movedAt = movedAt;
  }

  abort(): void {
    this.ended = true;
  }
}

const ALL = TRANSFER.maxUploads;
const EACH = TRANSFER.maxUploadsPerPeer;

/** Places that are all taken, by askers who are owed something. */
function taken(of: (at: number) => Asker): { places: Places; askers: Asker[]; clock: { now: number } } {
  const clock = { now: 0 };
  const places = new Places(() => clock.now);
  const askers = Array.from({ length: ALL }, (_, at) => of(at));
  for (const one of askers) assert.ok(places.take(one));
  return { places, askers, clock };
}

const apart = (at: number): Asker => new Asker(`p${at}`, `10.0.0.${at}`, at);

test('who works among equals keeps its place, and one more is served once somebody leaves', () => {
  const { places, askers } = taken(apart);
  const late = new Asker('late', '10.0.1.1');
  places.enter(late);
  assert.ok(!places.take(late));
  places.leave(askers[7] as Asker);
  assert.ok(places.take(late) && places.take(late));
  assert.ok(!askers.some(({ ended }) => ended));
});

test('a place that nothing crosses makes way: at once where nothing is owed, else when an asker would give up', () => {
  const { places, askers, clock } = taken(apart);
  const idle = askers[9] as Asker;
  idle.owed = false;
  clock.now = idle.movedAt + TRANSFER.placeIdleMs - 1;
  assert.ok(!places.take(new Asker('early', '10.0.1.1')));
  clock.now += 1;
  assert.ok(places.take(new Asker('next', '10.0.1.2', clock.now)));
  assert.deepEqual(
    askers.filter(({ ended }) => ended),
    [idle],
  );
  // The others are owed something and take nothing: the one that did least lately goes first.
  clock.now = TRANSFER.idleTimeoutMs + 1;
  assert.ok(places.take(new Asker('last', '10.0.1.3', clock.now)));
  assert.deepEqual(
    askers.filter(({ ended }) => ended),
    [askers[0], idle],
  );
});

test('many keys of one address get half of the places at most where another one wants them', () => {
  const { places, askers } = taken((at) => new Asker(`key ${at}`, '203.0.113.9', at));
  let served = 0;
  for (let at = 0; at < ALL; at += 1) if (places.take(new Asker(`p${at % 8}`, '198.51.100.7'))) served += 1;
  assert.equal(served, ALL / 2);
  assert.deepEqual(
    askers.map(({ ended }) => ended),
    askers.map((_, at) => at < ALL / 2),
  );
});

test('at one address too, who has many places makes way for who has none', () => {
  const { places, askers } = taken((at) => new Asker(`key ${at % EACH}`, '203.0.113.9', at));
  assert.ok(places.take(new Asker('honest', '203.0.113.9')));
  assert.equal(askers.filter(({ ended }) => ended).length, 1);
  // One more than the others is no reason.
  const single = taken((at) => new Asker(`key ${at}`, '203.0.113.9', at));
  assert.ok(!single.places.take(new Asker('one more', '203.0.113.9')));
});

test('of those who wait the oldest makes way, two of one peer at most', () => {
  const { places } = taken(apart);
  const waiting = Array.from({ length: ALL + 1 }, (_, at) => new Asker(`w${at}`, `10.0.2.${at}`));
  for (const one of waiting) places.enter(one);
  assert.deepEqual(
    waiting.filter(({ ended }) => ended),
    [waiting[0]],
  );
  const same = Array.from({ length: 3 }, () => new Asker('w64', '10.0.2.64'));
  for (const one of same) places.enter(one);
  assert.deepEqual([waiting[ALL]?.ended, ...same.map(({ ended }) => ended)], [true, true, false, false]);
});

test('one peer has so many places and no more, but for one of its own that nothing crosses', () => {
  const clock = { now: 0 };
  const places = new Places(() => clock.now);
  const own = Array.from({ length: EACH }, (_, at) => new Asker('p', '10.0.0.1', at));
  for (const one of own) assert.ok(places.take(one));
  const more = new Asker('p', '10.0.0.1');
  assert.ok(!places.take(more));
  const idle = own[1] as Asker;
  idle.owed = false;
  clock.now = idle.movedAt + TRANSFER.placeIdleMs;
  assert.ok(places.take(more));
  assert.deepEqual(
    own.filter(({ ended }) => ended),
    [idle],
  );
});

test('at the end those who wait are told too', () => {
  const { places, askers } = taken(apart);
  const late = new Asker('late', '10.0.1.1');
  places.enter(late);
  places.stop(new Error('over'));
  assert.ok([...askers, late].every(({ ended }) => ended));
});
