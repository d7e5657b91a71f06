import { hash, randomInt } from 'node:crypto';
import { SEARCH, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { ByteRange, Bytes, Hit, Provider } from '../core/ports.ts';
import type { BlockSession } from '../core/transfer/ports.ts';
import { parseCid, RAW } from '../core/transfer/cid.ts';
import { leafOf, sameBytes, type Layout } from '../core/transfer/layout.ts';
import { BlockPath } from '../core/transfer/path.ts';
import { ManifestReader, verifyBlock, verifyManifest } from '../core/transfer/verify.ts';
import type { Foretold } from './blocks/foretold.ts';

const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

/** Opens a way to a provider's blocks. */
export type OpenSession = (provider: Provider, signal?: AbortSignal) => Promise<BlockSession>;

/**
 * Verified bytes of a file from one holder, in order, a block at a time; of a range only what lies in it.
 * A block is checked against the CID before it is yielded.
 * @throws KelanaError PEER_UNREACHABLE, TRANSFER_FAILED, SOURCE_CHANGED, BAD_BLOCK, PEER_PROTOCOL
 */
export async function* fetchBytes(
  open: OpenSession,
  hit: Hit,
  range?: ByteRange,
  signal?: AbortSignal,
): Bytes {
  const session = await open(hit, signal);
  const stop = (): void => session.abort('given up');
  signal?.addEventListener('abort', stop, { once: true });
  try {
    const layout = await layoutOf(session, hit);
    const start = range?.start ?? 0;
    const end = Math.min(range?.end ?? layout.size - 1, layout.size - 1);
    const last = Math.max(0, Math.floor(end / layout.blockBytes));
    const first = Math.min(last, Math.floor(start / layout.blockBytes));
    const asked: Promise<Uint8Array>[] = [];
    for (let index = first; index <= last; index += 1) {
      while (asked.length < TRANSFER.window && index + asked.length <= last) {
        const block = blockOf(session, hit, leafOf(layout, index + asked.length), index + asked.length);
        // Awaited in its turn; until then a failure must not count as unhandled.
        block.catch(() => undefined);
        asked.push(block);
      }
      const block = await asked.shift();
      signal?.throwIfAborted();
      if (block === undefined) break;
      const offset = index * layout.blockBytes;
      const slice = block.subarray(Math.max(0, start - offset), end - offset + 1);
      if (slice.length > 0) yield slice;
    }
  } catch (thrown) {
    signal?.throwIfAborted();
    throw thrown;
  } finally {
    signal?.removeEventListener('abort', stop);
    await session.close();
  }
}

/** What came of asking a holder to show a file: bytes that hash to its CID, others or none, or no answer at all. */
export type Proof = 'holds' | 'lies' | 'unreachable';

/**
 * Has a holder show that it has a file, before anybody is told so: a block that it cannot foresee, since anybody can have
 * the manifest, and the nodes that lead to it from the CID, two of 57 KiB at most; of a folder the root of its listing. The
 * first answer has `SEARCH.confirmTimeoutMs`. Never rejects. `shown` gets the bytes of a file that is one block: they are
 * all of it.
 */
export async function proveHolding(
  open: OpenSession,
  hit: Hit,
  signal: AbortSignal,
  shown: (bytes: Uint8Array) => void = () => undefined,
): Promise<Proof> {
  try {
    const session = await open(hit, signal);
    const stop = (): void => session.abort('given up');
    signal.addEventListener('abort', stop, { once: true });
    const silent = setTimeout(stop, SEARCH.confirmTimeoutMs);
    try {
      const answered = (): void => clearTimeout(silent);
      if (hit.kind === 'folder') await showFolder(session, hit);
      else if (parseCid(hit.cid)?.codec === RAW) shown(await showWhole(session, hit, answered));
      else await showBlock(session, hit, answered);
    } finally {
      clearTimeout(silent);
      signal.removeEventListener('abort', stop);
      await session.close();
    }
    return 'holds';
  } catch (thrown) {
    // A holder that is busy, slow or breaks off may well have the file.
    if (!(thrown instanceof KelanaError)) return 'unreachable';
    return LIES.has(thrown.code) || thrown.params['refusal'] === 'not-here' ? 'lies' : 'unreachable';
  }
}

/** The same, in `SEARCH.proveTimeoutMs`, by what the holder was asked for with its search where that is the file. */
export async function proveEarly(
  open: OpenSession,
  foretold: Pick<Foretold, 'take'>,
  hit: Hit,
  signal: AbortSignal,
  shown: (bytes: Uint8Array) => void,
): Promise<Proof> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(SEARCH.proveTimeoutMs)]);
  const told = await foretold.take(hit.peer, hit.cid, limit);
  if (told === 'silent') return 'unreachable';
  if (told === null || !isWhole(hit, told)) return await proveHolding(open, hit, limit, shown);
  shown(told);
  return 'holds';
}

/** Whether these bytes are all of the file that was hit, whose CID is the hash of its bytes. */
export function isWhole({ cid, size, kind }: Hit, bytes: Uint8Array): boolean {
  const parsed = kind === 'folder' ? null : parseCid(cid);
  if (parsed?.codec !== RAW) return false;
  return verifyBlock({ digest: parsed.digest, size }, bytes, sha256);
}

/** The CID of a single block is its hash: it is asked for at once, and comes after the answer to the manifest. */
async function showWhole(session: BlockSession, hit: Hit, answered: () => void): Promise<Uint8Array> {
  const proving = layoutOf(session, hit);
  const whole = wholeOf(session, hit);
  whole.catch(() => undefined);
  await proving;
  answered();
  return await whole;
}

async function wholeOf(session: BlockSession, hit: Hit): Promise<Uint8Array> {
  const layout = verifyManifest(hit.cid, [], sha256, { size: hit.size, peer: hit.label });
  return await blockOf(session, hit, leafOf(layout, 0), 0);
}

async function showBlock(session: BlockSession, hit: Hit, answered: () => void): Promise<void> {
  const path = new BlockPath(hit.cid, sha256, { size: hit.size, peer: hit.label });
  const count = path.root(await session.root(hit.cid));
  answered();
  const block = randomInt(count);
  path.toward(block);
  for (let next = path.next(); next !== null; next = path.next())
    path.take(await nodeOf(session, hit, next, path.nodes));
  await blockOf(session, hit, path.leaf(), block);
}

/** Of a holder that gives all nodes or none, as all did before: it is listened to until this one comes. */
async function nodeOf(session: BlockSession, hit: Hit, number: number, of: number): Promise<Uint8Array> {
  try {
    return await session.node(hit.cid, number);
  } catch (thrown) {
    if (!(thrown instanceof KelanaError) || thrown.params['refusal'] !== 'not-here') throw thrown;
    if (of > SEARCH.maxPassedNodes)
      throw new KelanaError('TRANSFER_FAILED', {
        name: hit.name,
        why: 'a manifest that large is not asked for',
      });
  }
  let passed = 0;
  let found: Uint8Array | null = null;
  const enough = new Error('enough');
  try {
    await session.nodes(hit.cid, (node) => {
      passed += 1;
      if (passed <= number) return;
      found = node.slice();
      throw enough;
    });
  } catch (thrown) {
    if (thrown !== enough) throw thrown;
  }
  return found ?? new Uint8Array(0);
}

/** The root node of a folder is proof enough that somebody has its listing; the rest of it may be megabytes. */
async function showFolder(session: BlockSession, hit: Hit): Promise<void> {
  const root = await session.root(hit.cid);
  const digest = parseCid(hit.cid)?.digest;
  if (digest === undefined || !sameBytes(sha256(root), digest))
    throw new KelanaError('BAD_BLOCK', { peer: hit.label, index: 'manifest 0', name: hit.name });
}

/** Bytes of another hash, and breaches of the protocol. */
const LIES: ReadonlySet<string> = new Set(['BAD_BLOCK', 'PEER_PROTOCOL']);

async function layoutOf(session: BlockSession, hit: Hit): Promise<Layout> {
  const reader = new ManifestReader(hit.cid, sha256, { size: hit.size, peer: hit.label });
  await session.nodes(hit.cid, (node) => reader.take(node));
  return reader.end();
}

async function blockOf(
  session: BlockSession,
  hit: Hit,
  leaf: ReturnType<typeof leafOf>,
  index: number,
): Promise<Uint8Array> {
  const block = new Uint8Array(leaf.size);
  await session.block(hit.cid, index, block);
  if (verifyBlock(leaf, block, sha256)) return block;
  throw new KelanaError('BAD_BLOCK', { peer: hit.label, index, name: hit.name });
}
