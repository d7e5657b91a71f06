import assert from 'node:assert/strict';
import test from 'node:test';
import { TRANSFER } from '../../core/config.ts';
import type { KelanaError } from '../../core/errors.ts';
import { Shown } from './shown.ts';

const provider = (peer: string) => ({ peer, label: `label of ${peer}`, addresses: [] });

test('what a holder showed is given once, as its own, and then has to be asked for', async (context) => {
  const shown = new Shown();
  context.after(() => shown.stop());
  shown.keep('one', 'cid', Uint8Array.of(1, 2, 3));
  assert.equal(shown.open(provider('two'), 'cid'), null);
  assert.equal(shown.open(provider('one'), 'other'), null);
  const session = shown.open(provider('one'), 'cid');
  assert.equal(shown.open(provider('one'), 'cid'), null);
  assert.equal(session?.label, 'label of one');
  assert.deepEqual(await session.manifest('cid'), []);
  assert.equal(await session.have('cid'), null);
  const into = new Uint8Array(3);
  await session.block('cid', 0, into);
  assert.deepEqual(into, Uint8Array.of(1, 2, 3));
  await assert.rejects(
    session.block('cid', 0, into),
    (thrown) => (thrown as KelanaError).code === 'TRANSFER_FAILED',
  );
});

test('no more is kept than there is room for, and the latest', () => {
  const shown = new Shown();
  const half = new Uint8Array(TRANSFER.shownBytes / 2);
  for (const peer of ['one', 'two', 'three', 'three']) shown.keep(peer, 'cid', half);
  shown.keep('four', 'cid', new Uint8Array(TRANSFER.shownBytes + 1));
  const there = ['one', 'two', 'three', 'four'].map((peer) => shown.open(provider(peer), 'cid') !== null);
  assert.deepEqual(there, [false, true, true, false]);
  shown.keep('one', 'cid', half);
  shown.stop();
  assert.equal(shown.open(provider('one'), 'cid'), null);
});

test('it is kept for a moment only', (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const shown = new Shown();
  shown.keep('one', 'cid', Uint8Array.of(1));
  context.mock.timers.tick(TRANSFER.shownMs + 1);
  assert.equal(shown.open(provider('one'), 'cid'), null);
});
