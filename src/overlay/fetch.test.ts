import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import test from 'node:test';
import { sample } from '../../test/support/basics.ts';
import { SEARCH, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Hit } from '../core/ports.ts';
import { cidText, DAG_PB } from '../core/transfer/cid.ts';
import { FileTree } from '../core/transfer/file-tree.ts';
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

interface Tall {
  readonly hit: Hit;
  readonly nodes: readonly Uint8Array[];
}

/** A file of zeros: all blocks are one, so that one of any size can be made up. */
function zeros(gib: number): Tall {
  const block = sha256(new Uint8Array(TRANSFER.blockBytes));
  const tree = new FileTree(gib * 2 ** 30);
  const low = tree.write(1, 0, Buffer.concat(Array.from({ length: TRANSFER.maxLinks }, () => block)), 0);
  const top = tree.write(2, 0, Buffer.concat(Array.from({ length: gib }, () => sha256(low))), 0);
  const list = [top, ...Array.from({ length: gib }, () => low)];
  return { hit: { ...hit, size: tree.size, cid: cidText(DAG_PB, sha256(top)) }, nodes: list };
}

interface Counts {
  /** Bytes of nodes that it gave. */
  bytes: number;
  /** Numbers of the nodes that it was asked for by their numbers. */
  readonly numbers: number[];
}

function tallHolder(tall: Tall, counts: Counts, more: Partial<BlockSession> = {}): BlockSession {
  const give = (number: number): Uint8Array => {
    const node = tall.nodes[number] ?? new Uint8Array(0);
    counts.bytes += node.length;
    return node;
  };
  return {
    ...holderOf([]),
    nodes: (_cid, take) =>
      new Promise((resolve) => resolve(tall.nodes.forEach((_, number) => take(give(number))))),
    root: () => Promise.resolve(give(0)),
    node: (_cid, number) => {
      counts.numbers.push(number);
      return Promise.resolve(give(number));
    },
    // Zeros are there already.
    block: () => Promise.resolve(),
    ...more,
  };
}

const notHere = (): Promise<never> =>
  Promise.reject(new KelanaError('TRANSFER_FAILED', { peer: 'holder', refusal: 'not-here' }));

const proveTall = (tall: Tall, session: BlockSession, size = tall.hit.size) =>
  proveHolding(() => Promise.resolve(session), { ...tall.hit, size }, new AbortController().signal);

test('a search asks for two nodes of a file, however large it is, and each block may be the one', async () => {
  for (const gib of [2, 1024]) {
    const tall = zeros(gib);
    const drawn = new Set<number>();
    for (let round = 0; round < 40; round += 1) {
      const counts: Counts = { bytes: 0, numbers: [] };
      assert.equal(await proveTall(tall, tallHolder(tall, counts)), 'holds');
      assert.equal(counts.numbers.length, 1);
      assert.ok(counts.bytes <= 2 * TRANSFER.maxNodeBytes, `${counts.bytes} bytes of nodes`);
      for (const number of counts.numbers) drawn.add(number);
    }
    assert.ok(drawn.size > 1, 'always the same');
    assert.ok([...drawn].every((number) => number >= 1 && number <= gib));
  }
});

test('a wrong node on the way, or another size than was announced, is a lie', async () => {
  const tall = zeros(3);
  const none = (): Counts => ({ bytes: 0, numbers: [] });
  const [top = new Uint8Array(0), low = new Uint8Array(0)] = tall.nodes;
  const changed = low.with(40, (low[40] ?? 0) ^ 1);
  const wrong: Record<string, Partial<BlockSession>> = {
    'a changed node': { node: () => Promise.resolve(changed) },
    'the root again': { node: () => Promise.resolve(top) },
    'a cut node': { node: () => Promise.resolve(low.subarray(0, 100)) },
    'no node': { node: () => Promise.resolve(new Uint8Array(0)) },
    'no root': { root: () => Promise.resolve(new Uint8Array(0)) },
    'a root of something else': { root: () => Promise.resolve(nodes[0] ?? top) },
    'no nodes at all': { node: notHere, nodes: notHere },
    'too few nodes': { node: notHere, nodes: (_cid, take) => Promise.resolve(take(top)) },
    'other bytes in its blocks': {
      block: (_cid, _index, into) => Promise.resolve(void memoryOf(into).fill(1)),
    },
  };
  for (const [name, more] of Object.entries(wrong))
    assert.equal(await proveTall(tall, tallHolder(tall, none(), more)), 'lies', name);
  for (const size of [tall.hit.size - 1, tall.hit.size + 1, 1, 2 ** 30])
    assert.equal(await proveTall(tall, tallHolder(tall, none()), size), 'lies', `${size} bytes`);
});

test('a holder that gives all nodes or none is listened to until the one comes, of a file that is not too large', async () => {
  const tall = zeros(SEARCH.maxPassedNodes - 1);
  const passed = new Set<number>();
  for (let round = 0; round < 5; round += 1) {
    const counts: Counts = { bytes: 0, numbers: [] };
    assert.equal(await proveTall(tall, tallHolder(tall, counts, { node: notHere })), 'holds');
    passed.add(counts.bytes);
  }
  assert.ok(passed.size > 1, 'it goes on after what was drawn');
  const larger = zeros(SEARCH.maxPassedNodes);
  const counts: Counts = { bytes: 0, numbers: [] };
  assert.equal(await proveTall(larger, tallHolder(larger, counts, { node: notHere })), 'unreachable');
  assert.ok(counts.bytes <= TRANSFER.maxNodeBytes, 'only the root');
});
