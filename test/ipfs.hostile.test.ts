import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import test, { type TestContext } from 'node:test';
import type { Connection } from '@libp2p/interface';
import { BITSWAP } from '../src/core/config.ts';
import { cidOf, DAG_PB, RAW } from '../src/core/transfer/cid.ts';
import { buildManifest } from '../src/core/transfer/manifest.ts';
import type { BitswapMessage } from '../src/core/wire/bitswap.ts';
import { filesBelow, MiB, sample, sha256 } from './support/basics.ts';
import { BitswapPeer, RAW_PREFIX, say } from './support/bitswap-peer.ts';
import { startHelia } from './support/helia.ts';
import { get, startTestnet, type Got, type TestNode } from './testnet.ts';

const digestOf = (bytes: Uint8Array): Uint8Array => createHash('sha256').update(bytes).digest();
const FILE = sample(3 * MiB, 5);
const LEAVES = [0, 1, 2].map((at) => FILE.subarray(at * MiB, (at + 1) * MiB));
const { root: CID, nodes } = buildManifest(Buffer.concat(LEAVES.map(digestOf)), FILE.length, digestOf);
const BLOCKS = new Map([...nodes, ...LEAVES].map((block) => [String(digestOf(block)), block]));
const blockOf = (cid: Uint8Array): Uint8Array | undefined => BLOCKS.get(String(cid.subarray(-32)));

const block = (data: Uint8Array): Partial<BitswapMessage> => ({ blocks: [{ prefix: RAW_PREFIX, data }] });
const ignore = (work: Promise<unknown>): void => void work.catch(() => undefined);

/** Answers each want for a block as an honest node does, but those that `lie` takes. */
function honest(peer: BitswapPeer, lie: (cid: Uint8Array, connection: Connection) => boolean): void {
  peer.answer = ({ wants }, connection) => {
    for (const { cid, cancel } of wants) {
      if (cancel || lie(cid, connection)) continue;
      const data = blockOf(cid);
      ignore(say(connection, data === undefined ? { presences: [{ cid, have: false }] } : block(data)));
    }
  };
}

const isRoot = (cid: Uint8Array): boolean => cid[1] === DAG_PB;

async function ask(node: TestNode, ...ipfs: readonly string[]): Promise<Got> {
  return await get(node, { kind: 'cid', cid: CID }, { ipfs });
}

async function against(
  lie: (cid: Uint8Array, connection: Connection) => boolean,
  check: (got: Got, node: TestNode, peer: BitswapPeer) => void | Promise<void>,
): Promise<void> {
  await using net = await startTestnet(1);
  await using peer = await BitswapPeer.start();
  honest(peer, lie);
  const got = await ask(net.node(0), peer.address);
  await check(got, net.node(0), peer);
  if (got.type !== 'saved') assert.deepEqual(await filesBelow(net.node(0).downloads), []);
}

const failsWith =
  (code: string) =>
  (got: Got): void => {
    assert.equal(got.type, 'failed', JSON.stringify(got));
    assert.equal(
      got.type === 'failed' && got.error.code,
      code,
      got.type === 'failed' ? got.error.message : '',
    );
  };

test('a bitswap peer that does as it should is believed', async () => {
  await against(
    () => false,
    async (got) => {
      assert.equal(got.type, 'saved');
      if (got.type === 'saved') assert.equal(sha256(await readFile(got.path)), sha256(FILE));
    },
  );
});

const wrong = LEAVES.map((leaf) => Uint8Array.from(leaf, (byte, at) => (at === 4_000 ? byte ^ 1 : byte)));

/** What a peer may do when it is asked for a leaf, and what becomes of the download. */
const LIES: readonly (readonly [string, string, (cid: Uint8Array, connection: Connection) => void])[] = [
  ['one wrong bit', 'PEER_PROTOCOL', (_, connection) => ignore(say(connection, block(wrong[1] ?? FILE)))],
  [
    'blocks that nobody asked for, without end',
    'PEER_PROTOCOL',
    (_, connection) => {
      for (let at = 0; at < 50; at += 1) ignore(say(connection, block(sample(100_000, at + 50))));
    },
  ],
  ['garbage', 'PEER_PROTOCOL', (_, connection) => ignore(say(connection, Uint8Array.of(3, 255, 255, 255)))],
  [
    'a message over the limit',
    'PEER_PROTOCOL',
    (_, connection) => ignore(say(connection, Uint8Array.of(0xff, 0xff, 0xff, 0x7f))),
  ],
  [
    'word that it does not have it',
    'TRANSFER_FAILED',
    (cid, connection) => ignore(say(connection, { presences: [{ cid, have: false }] })),
  ],
  ['the end of the connection', 'TRANSFER_FAILED', (_, connection) => ignore(connection.close())],
];

for (const [what, code, lie] of LIES) {
  test(`a bitswap peer that answers with ${what}: ${code}, and no file`, async () => {
    await against((cid, connection) => {
      if (isRoot(cid)) return false;
      lie(cid, connection);
      return true;
    }, failsWith(code));
  });
}

/** Waits of `long` ms for a silent peer take a moment, so that a test of them does too. */
function hurry(t: TestContext, long: number): () => void {
  const real = globalThis.setTimeout;
  const mocked = t.mock.method(globalThis, 'setTimeout', (run: () => void, ms?: number) =>
    real(run, ms === long ? 400 : ms),
  );
  return () => mocked.mock.restore();
}

test('a peer that says nothing leaves the answer incomplete; one that stops midway, the download', async (t) => {
  const asEver = hurry(t, BITSWAP.rootTimeoutMs);
  await against(
    () => true,
    (got, _node, peer) => {
      assert.ok(got.type === 'verdict', JSON.stringify(got));
      const label = `localhost:${/tcp\/(\d+)/.exec(peer.address)?.[1]}`;
      assert.deepEqual([got.verdict, got.missing], ['incomplete', [label]]);
    },
  );
  asEver();
  hurry(t, BITSWAP.blockTimeoutMs);
  await against((cid) => !isRoot(cid), failsWith('TRANSFER_FAILED'));
});

test('a peer that does not have it leaves the verdict as it is: absent', async () => {
  await against(
    (cid, connection) => {
      ignore(say(connection, { presences: [{ cid, have: false }] }));
      return true;
    },
    (got) => {
      assert.ok(got.type === 'verdict', JSON.stringify(got));
      assert.deepEqual([got.verdict, got.ipfs, got.missing], ['absent', 1, []]);
    },
  );
});

test('a root that is a lie under a hash of its own is refused', async () => {
  const liar = buildManifest(Buffer.concat(LEAVES.map(digestOf)), FILE.length - 1, digestOf);
  const [root = new Uint8Array(0)] = liar.nodes;
  await using net = await startTestnet(1);
  await using peer = await BitswapPeer.start();
  honest(peer, (cid, connection) => {
    if (!isRoot(cid)) return false;
    ignore(say(connection, block(root)));
    return true;
  });
  const got = await get(net.node(0), { kind: 'cid', cid: liar.root }, { ipfs: [peer.address] });
  failsWith('PEER_PROTOCOL')(got);
  assert.deepEqual(await filesBelow(net.node(0).downloads), []);
});

test('an address where nobody speaks bitswap, or nobody is, is an error that says so', async () => {
  await using net = await startTestnet(2, { topology: [] });
  failsWith('NOT_KELANA')(await ask(net.node(0), net.node(1).overlay.addresses()[0] ?? ''));
  failsWith('PEER_UNREACHABLE')(await ask(net.node(0), '/ip4/127.0.0.1/tcp/1'));
});

test('a CID that is a folder, or of another hash, is told as such', async () => {
  await using net = await startTestnet(1);
  await using helia = await startHelia();
  const file = await helia.fs.addBytes(FILE);
  const folder = await helia.fs.cp(file, await helia.fs.addDirectory(), 'a.bin');
  const got = await get(net.node(0), { kind: 'cid', cid: folder.toString() }, { ipfs: [helia.address] });
  failsWith('NOT_A_FILE')(got);
});

test('when the peer that sends dies midway, another that has the file goes on', async () => {
  await using net = await startTestnet(1);
  await using first = await BitswapPeer.start();
  await using second = await BitswapPeer.start();
  let asked = 0;
  for (const peer of [first, second])
    honest(peer, (cid, connection) => {
      if (isRoot(cid)) return false;
      asked += 1;
      if (asked > 1) return false;
      ignore(connection.close());
      return true;
    });
  const got = await ask(net.node(0), first.address, second.address);
  assert.ok(got.type === 'saved', JSON.stringify(got));
  assert.equal(sha256(await readFile(got.path)), sha256(FILE));
});

test('Helia gets nothing from a node for a CID that is not shared there, and the node goes on', async () => {
  await using net = await startTestnet(1, { files: { 0: { 'a.bin': FILE } }, ipfs: true });
  await using helia = await startHelia();
  await helia.dial(net.node(0).overlay.addresses()[0] ?? '');
  await assert.rejects(helia.read(cidOf(RAW, digestOf(sample(9, 9))).toString(), 500));
  assert.equal(sha256(await helia.read(CID)), sha256(FILE));
});
