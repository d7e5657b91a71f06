import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import { sample } from '../../test/support/basics.ts';
import { TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Hit } from '../core/ports.ts';
import { buildManifest } from '../core/transfer/manifest.ts';
import { memoryOf, type BlockSession } from '../core/transfer/ports.ts';
import { proveHolding } from './fetch.ts';

const sha256 = (of: Uint8Array): Uint8Array => hash('sha256', of, 'buffer');
const bytes = sample(2 * TRANSFER.blockBytes + 1, 3);
const blocks = [0, 1, 2].map((at) =>
  bytes.subarray(at * TRANSFER.blockBytes, (at + 1) * TRANSFER.blockBytes),
);
const { root, nodes } = buildManifest(Buffer.concat(blocks.map(sha256)), bytes.length, sha256);
const hit: Hit = {
  name: 'film.bin',
  size: bytes.length,
  cid: root,
  peer: 'holder',
  label: 'holder',
  addresses: [],
  hops: 1,
};

/** A holder of the manifest and of these blocks. */
function holderOf(has: readonly number[], asked: number[] = []): BlockSession {
  const refused = (): KelanaError =>
    new KelanaError('TRANSFER_FAILED', { peer: 'holder', refusal: 'not-here' });
  return {
    peer: 'holder',
    label: 'holder',
    via: 'stream',
    manifest: () => Promise.resolve([]),
    nodes: (_cid, take) => Promise.resolve(nodes.forEach((node) => take(node))),
    root: () => Promise.resolve(nodes[0] ?? new Uint8Array(0)),
    node: (_cid, number) => Promise.resolve(nodes[number] ?? new Uint8Array(0)),
    have: () => Promise.resolve(null),
    block: (_cid, index, into) => {
      asked.push(index);
      const block = has.includes(index) ? blocks[index] : undefined;
      if (block === undefined) return Promise.reject(refused());
      memoryOf(into).set(block);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    abort: () => undefined,
  };
}

const prove = (session: BlockSession) =>
  proveHolding(() => Promise.resolve(session), hit, new AbortController().signal);

test('a holder has to show one block of the file, and cannot know which', async () => {
  const asked: number[] = [];
  for (let round = 0; round < 60; round += 1) assert.equal(await prove(holderOf([0, 1, 2], asked)), 'holds');
  assert.equal(asked.length, 60);
  // Each is left out once in 10^10 runs.
  assert.deepEqual(new Set(asked), new Set([0, 1, 2]));
});

test('who has the manifest and one block only is found out', async () => {
  for (const only of [0, 2]) {
    const proofs = new Set<string>();
    for (let round = 0; round < 60; round += 1) proofs.add(await prove(holderOf([only])));
    assert.ok(proofs.has('lies'), `block ${only}`);
  }
});

test('a file of one block is asked for with its manifest, and all of it was shown', async () => {
  const [block = new Uint8Array(0)] = blocks;
  const { root: cid } = buildManifest(sha256(block), block.length, sha256);
  const small = { ...hit, cid, size: block.length };
  const asked: string[] = [];
  const session: BlockSession = {
    ...holderOf([0]),
    nodes: () => {
      asked.push('manifest');
      return new Promise((resolve) => setImmediate(() => resolve(void asked.push('answer'))));
    },
    block: (_cid, _index, into) => {
      asked.push('block');
      memoryOf(into).set(block);
      return Promise.resolve();
    },
  };
  const open = () => Promise.resolve(session);
  let shown: Uint8Array | undefined;
  const { signal } = new AbortController();
  assert.equal(await proveHolding(open, small, signal, (whole) => (shown = whole)), 'holds');
  assert.deepEqual(asked, ['manifest', 'block', 'answer']);
  assert.deepEqual(shown, new Uint8Array(block));
  shown = undefined;
  // One that is announced too large, and bytes that are others.
  const large = { ...small, size: TRANSFER.blockBytes + 1 };
  assert.equal(await proveHolding(open, large, signal, (whole) => (shown = whole)), 'lies');
  const other = { ...small, cid: buildManifest(sha256(block.subarray(1)), block.length, sha256).root };
  assert.equal(await proveHolding(open, other, signal, (whole) => (shown = whole)), 'lies');
  assert.equal(shown, undefined);
});
