import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Holding, Provider } from '../core/ports.ts';
import type { DownloadsPort } from '../core/transfer/ports.ts';
import { Early } from './early.ts';

const file: Holding = { name: 'a', size: 2, cid: 'c' };
const provider = (peer: string): Provider => ({ peer, label: peer, addresses: [] });

function downloadsOf(fail = false) {
  const log: string[] = [];
  const downloads: DownloadsPort = {
    async *fetch({ cid }, [first]) {
      log.push(`begins ${cid} of ${first?.peer ?? ''}`);
      try {
        await Promise.resolve();
        if (fail) throw new Error('gone');
        yield { type: 'progress', bytes: 1, size: 2, fetched: 1, from: null };
        yield { type: 'saved', path: 'a', size: 2, fetched: 2, from: [] };
      } finally {
        log.push(`ends ${cid}`);
      }
    },
    expect: ({ name }) => {
      log.push(`expects ${name}`);
      return async () => {
        await Promise.resolve();
        log.push(`forgets ${name}`);
      };
    },
  };
  return { log, early: new Early(downloads, undefined) };
}

test('the download begins with the proof, and its events are all there for whoever reads them later', async () => {
  const { log, early } = downloadsOf();
  early.claimed(file);
  early.proved(file, provider('p'));
  early.proved({ ...file, cid: 'd' }, provider('q'));
  assert.deepEqual(log, ['expects a', 'begins c of p']);
  assert.equal(early.take('d', [provider('q')]), null);
  const types: string[] = [];
  for await (const event of early.take('c', [provider('p')]) ?? []) types.push(event.type);
  assert.deepEqual(types, ['progress', 'saved']);
  await early.end();
  assert.deepEqual(log, ['expects a', 'begins c of p', 'ends c', 'forgets a']);
});

test('a failure is that of who reads the events', async () => {
  const { early } = downloadsOf(true);
  early.proved(file, provider('p'));
  const events = early.take('c', [provider('p')]);
  await assert.rejects(async () => await events?.next(), /gone/);
});

test('who leaves, and who never comes, ends it; further holders are fetched from too', async () => {
  const left = downloadsOf();
  left.early.proved(file, provider('p'));
  const events = left.early.take('c', [provider('p')]);
  await events?.next();
  await events?.return();
  assert.deepEqual(left.log, ['begins c of p', 'ends c']);
  const more = downloadsOf();
  more.early.proved(file, provider('p'));
  assert.equal(more.early.take('c', [provider('p'), provider('q')]), null);
  await more.early.end();
  assert.deepEqual(more.log, ['begins c of p', 'ends c']);
});

test('once stopped nothing begins any more', () => {
  const log: string[] = [];
  const downloads: DownloadsPort = {
    fetch: () => {
      throw new Error('begun');
    },
  };
  const early = new Early(downloads, AbortSignal.abort(new Error('stopped')));
  early.proved(file, provider('p'));
  early.claimed(file);
  assert.deepEqual(log, []);
});
