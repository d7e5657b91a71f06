import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SWARM } from '../core/config.ts';
import type { Holding, OverlayPort, Provider, Query, SearchEvent } from '../core/ports.ts';
import type { DownloadsPort, Transfer } from '../core/transfer/ports.ts';
import { Early } from './early.ts';
import { getFile, type GetOptions } from './operations.ts';

const file: Holding = { name: 'a.txt', size: 2, cid: 'c1' };
const provider = (peer: string): Provider => ({ peer, label: peer, addresses: [] });

/** What a `get` of a file that two have asks of the downloads, in order, with what its search ended as between. */
async function asks(query: Query, more: Partial<GetOptions> = {}): Promise<readonly string[]> {
  const log: string[] = [];
  const overlay: Pick<OverlayPort, 'peerId' | 'label' | 'search'> = {
    peerId: 'me',
    label: 'me',
    async *search(_query, how = {}): AsyncIterable<SearchEvent> {
      how.claimed?.(file);
      how.proved?.(file, provider('one'));
      const at = { elapsedMs: 1, hops: 1 };
      yield { type: 'hit', ...file, ...at, score: 1, providers: [provider('one')] };
      await Promise.resolve();
      if (how.want !== 1) yield { type: 'provider', ...file, ...at, provider: provider('two') };
      log.push('found');
      yield {
        type: 'verdict',
        verdict: 'found',
        ground: 'found',
        strategy: 'walk',
        asked: 1,
        missing: [],
        missingCount: 0,
        messages: 2,
        elapsedMs: 1,
      };
    },
  };
  const downloads: DownloadsPort = {
    async *fetch({ cid }, providers, _signal, only = []) {
      log.push(['fetch', cid, ...providers.map(({ peer }) => peer), ...only].join(' '));
      await Promise.resolve();
      yield { type: 'saved', path: 'a.txt', size: 2, fetched: 2, from: [] };
    },
    expect: ({ cid }) => {
      log.push(`expect ${cid}`);
      return () => Promise.resolve();
    },
  };
  const wait = (): Promise<void> => Promise.resolve();
  const options: GetOptions = { wait, ...more, overlay, downloads, emit: () => undefined, now: () => 0 };
  for await (const event of getFile(query, options)) if (event.type === 'failed') log.push(event.error.code);
  return log;
}

const cid: Query = { kind: 'cid', cid: 'c1' };
const name: Query = { kind: 'name', name: 'a.txt' };

test('a file of a CID is expected with the claim, and fetched with the proof; a name may mean another file', async () => {
  assert.deepEqual(await asks(cid), ['expect c1', 'fetch c1 one', 'found']);
  assert.deepEqual(await asks(name), ['expect c1', 'found', 'fetch c1 one']);
});

test('in the background a claim and a proof begin nothing', async () => {
  const queue = (): Transfer => ({ id: 7 }) as Transfer;
  for (const query of [cid, name]) assert.deepEqual(await asks(query, { queue }), ['found']);
});

test('who wants some files of a folder gets no file that was claimed or proved meanwhile', async () => {
  const log = await asks(cid, { only: ['*.jpg'] });
  assert.ok(
    log.every((line) => line === 'found' || line === 'NO_FOLDER_FOUND'),
    log.join(),
  );
});

test('who wants several holders fetches once, from all of them', async () => {
  assert.deepEqual(await asks(cid, { want: 2 }), ['expect c1', 'found', 'fetch c1 one two']);
});

test('of many claims a few are believed', () => {
  const expected = new Set<string>();
  const downloads: DownloadsPort = {
    fetch: () => {
      throw new Error('begun');
    },
    expect: (one) => {
      expected.add(one.cid);
      return () => Promise.resolve();
    },
  };
  const early = new Early(downloads, undefined);
  for (let at = 0; at < 3 * SWARM.maxExpected; at += 1) early.claimed({ ...file, cid: `c${at}` });
  assert.equal(expected.size, SWARM.maxExpected);
});
