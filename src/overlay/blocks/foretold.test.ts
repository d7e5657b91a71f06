import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import { SEARCH } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import type { BlockSession } from '../../core/transfer/ports.ts';
import { cidText, RAW } from '../../core/transfer/cid.ts';
import { Turns } from '../turns.ts';
import { isWhole } from '../fetch.ts';
import { source, start, unlimited } from './blocks.testkit.ts';
import { Foretold } from './foretold.ts';

const bytes = new Uint8Array(300_000).fill(5);
const cid = cidText(RAW, hash('sha256', bytes, 'buffer'));
const never = new AbortController().signal;
const hit = { name: 'a', size: bytes.length, cid, peer: 'p', label: 'p', addresses: [], hops: 1 };

function shared(what: Uint8Array = bytes) {
  return source(what.length, {
    readBlock: (asked, index, into = new Uint8Array(what.length)) => {
      if (asked !== cid || index !== 0) return Promise.reject(new KelanaError('NOT_SHARED', { name: asked }));
      into.set(what);
      return Promise.resolve(into.subarray(0, what.length));
    },
  });
}

test('a file of one block comes without its size, once, and is believed for its hash alone', async (t) => {
  const [holder, asker] = [await start(t, shared()), await start(t, shared())];
  const foretold = new Foretold((of) => asker.blocks.open(of, undefined, { stream: true }));
  const { peer } = holder.provider;
  foretold.ask(holder.provider, cid, never);
  foretold.ask(holder.provider, cid, never);
  const came = await foretold.take(peer, cid, never);
  assert.deepEqual(came, bytes);
  assert.ok(isWhole(hit, came));
  for (const wrong of [
    { size: bytes.length - 1 },
    { kind: 'folder' as const },
    { cid: cidText(RAW, new Uint8Array(32)) },
  ])
    assert.ok(!isWhole({ ...hit, ...wrong }, came));
  assert.equal(await foretold.take(peer, cid, never), null);
  foretold.ask(holder.provider, cidText(RAW, new Uint8Array(32)), never);
  assert.equal(
    await foretold.take(peer, cidText(RAW, new Uint8Array(32)), never),
    null,
    'it has none of that',
  );
  for (let at = 0; at < 2 * SEARCH.provesAtOnce; at += 1) {
    const none = cidText(RAW, new Uint8Array(32).fill(at));
    foretold.ask(holder.provider, none, never);
    if (at % SEARCH.provesAtOnce === SEARCH.provesAtOnce - 1)
      assert.equal(await foretold.take(peer, none, never), null);
  }
  foretold.ask(holder.provider, cid, never);
  assert.deepEqual(await foretold.take(peer, cid, never), bytes, 'who refused keeps no place');
});

test('who gives nothing is not waited for, nor a search that has ended', async (t) => {
  const silent = await start(t, source(9, { readBlock: () => new Promise(() => undefined) }));
  const asker = await start(t, shared());
  const foretold = new Foretold((of) => asker.blocks.open(of, undefined, { stream: true }), 50);
  const { peer } = silent.provider;
  foretold.ask(silent.provider, cid, never);
  assert.equal(await foretold.take(peer, cid, never), 'silent');
  const search = new AbortController();
  foretold.ask(silent.provider, cid, search.signal);
  search.abort();
  assert.equal(await foretold.take(peer, cid, never), null);
  foretold.ask(silent.provider, cid, search.signal);
  assert.equal(await foretold.take(peer, cid, never), null);
});

test('so many are asked at once and no more; who opens after the search has ended is asked for nothing', async () => {
  const opening: ((session: BlockSession) => void)[] = [];
  const asked: string[] = [];
  let closed = 0;
  const session = {
    whole: (what: string) => {
      asked.push(what);
      return Promise.resolve(bytes);
    },
    close: () => Promise.resolve(void (closed += 1)),
    abort: () => undefined,
  };
  const foretold = new Foretold(() => new Promise((resolve) => opening.push(resolve)));
  const search = new AbortController();
  for (let at = 0; at < 3 * SEARCH.provesAtOnce; at += 1)
    foretold.ask({ peer: `p${at}`, label: 'p', addresses: [] }, cid, search.signal);
  assert.equal(opening.length, SEARCH.provesAtOnce);
  search.abort();
  for (const open of opening) open(session as unknown as BlockSession);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([asked, closed], [[], SEARCH.provesAtOnce]);
});

test('what is coming is waited for as long as a proof may take, and no longer', async (t) => {
  const gives: { coming: () => void; bytes: (all: Uint8Array) => void } = {
    coming: () => undefined,
    bytes: () => undefined,
  };
  const opened = Promise.withResolvers<void>();
  let aborted = 0;
  const session = {
    whole: (_: string, coming: () => void) => {
      gives.coming = coming;
      opened.resolve();
      return new Promise<Uint8Array>((resolve) => (gives.bytes = resolve));
    },
    close: () => Promise.resolve(),
    abort: () => (aborted += 1),
  };
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const foretold = new Foretold(() => Promise.resolve(session as unknown as BlockSession), 50);
  const provider = { peer: 'p', label: 'p', addresses: [] };
  foretold.ask(provider, cid, never);
  await opened.promise;
  const slow = foretold.take('p', cid, never);
  gives.coming();
  t.mock.timers.tick(500);
  gives.bytes(bytes);
  assert.equal(await slow, bytes);
  foretold.ask(provider, cid, never);
  const limit = new AbortController();
  const slower = foretold.take('p', cid, limit.signal);
  await new Promise((resolve) => setImmediate(resolve));
  gives.coming();
  t.mock.timers.tick(500);
  limit.abort();
  assert.equal(await slower, 'silent');
  assert.ok(aborted > 0);
});

test('where downloads are limited a file is not asked for before its size is known', async (t) => {
  const holder = await start(t, shared());
  const downs = new Turns({ now: () => performance.now(), limit: () => 1_000_000 });
  const asker = await start(t, shared(), { downs });
  const session = await asker.blocks.open(holder.provider);
  assert.equal(await session.whole?.(cid), null);
  const unbound = unlimited();
  const free = await start(t, shared(), { downs: unbound });
  const other = await free.blocks.open(holder.provider);
  assert.deepEqual(await other.whole?.(cid), bytes);
  assert.deepEqual(
    [downs.info().bytes, unbound.info().bytes],
    [0, bytes.length],
    'what came is in the account',
  );
  await Promise.all([session.close(), other.close()]);
  await assert.rejects(async () => await other.whole?.(cid), { code: 'TRANSFER_FAILED' });
});
