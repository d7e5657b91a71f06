import { hash } from 'node:crypto';
import { mkdir, open, readFile, rename, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { KelanaError } from '../core/errors.ts';
import type { Holding, Provider } from '../core/ports.ts';
import { memoryOf, type BlockSession, type IncomingFile } from '../core/transfer/ports.ts';
import { seededRandom } from '../core/random.ts';
import { add, has } from '../core/search/bitset.ts';
import { cidText, DIGEST_BYTES, RAW } from '../core/transfer/cid.ts';
import { blockSize, leafOf, type Layout, type Shape } from '../core/transfer/layout.ts';
import { buildManifest } from '../core/transfer/manifest.ts';
import { verifyBlock } from '../core/transfer/verify.ts';
import type { RefusalCode } from '../core/wire/blocks.ts';
import { SlotPool } from './slots.testkit.ts';
import type { SwarmOptions } from './options.ts';

export const sha256 = (bytes: Uint8Array): Uint8Array => hash('sha256', bytes, 'buffer');

/** Small blocks, so that a test has many of them. */
export const SMALL: Shape = { blockBytes: 1024, maxLinks: 16, maxFileBytes: 16 ** 3 * 1024 };

/** A file with its blocks, as a library knows it. */
export interface Content {
  readonly bytes: Uint8Array;
  readonly file: Holding;
  readonly nodes: readonly Uint8Array[];
  readonly shape: Shape;
}

export function contentOf(size: number, seed = 1, shape = SMALL, name = `file-${seed}.bin`): Content {
  const random = seededRandom(seed);
  const bytes = Uint8Array.from({ length: size }, () => random() * 256);
  const count = Math.max(1, Math.ceil(size / shape.blockBytes));
  const digests = new Uint8Array(count * DIGEST_BYTES);
  for (let at = 0; at < count; at += 1)
    digests.set(
      sha256(bytes.subarray(at * shape.blockBytes, (at + 1) * shape.blockBytes)),
      at * DIGEST_BYTES,
    );
  const { root, nodes } =
    count === 1 ? { root: cidText(RAW, digests), nodes: [] } : buildManifest(digests, size, sha256, shape);
  return { bytes, file: { name, size, cid: root }, nodes, shape };
}

/** How a node of the tests gives blocks; all may be changed while it does. */
export interface Manner {
  /** Bytes a second; as fast as it can by default. */
  rate?: number;
  /** Blocks it has; all by default. */
  have?: Uint8Array | null;
  /** Wrong bytes in these blocks. */
  lies?: (block: number) => boolean;
  /** Manifest of something else. */
  forges?: boolean;
  /** It cannot be reached, and what is open breaks. */
  down?: boolean;
  refuses?: RefusalCode | null;
  /** The first so many sessions hear that it is busy, whatever they ask. */
  busyTimes?: number;
  /** It breaks off after so many blocks. */
  breaksAfter?: number;
  /** What it never answers. */
  mute?: 'have' | 'manifest';
}

/** A node that has a file, spoken to in this process: real bytes, in order, one at a time. */
export class TestProvider {
  readonly provider: Provider;
  readonly content: Content;
  readonly manner: Manner;
  given = 0;
  opened = 0;
  readonly #sessions = new Set<() => void>();

  constructor(peer: string, content: Content, manner: Manner = {}) {
    this.provider = { peer, label: `label ${peer}`, addresses: [] };
    this.content = content;
    this.manner = manner;
  }

  /** It goes, with all that is open. */
  kill(): void {
    this.manner.down = true;
    for (const end of this.#sessions) end();
  }

  async open(signal: AbortSignal): Promise<BlockSession> {
    await Promise.resolve();
    signal.throwIfAborted();
    if (this.manner.down === true) throw this.#gone();
    this.opened += 1;
    const busy = this.opened <= (this.manner.busyTimes ?? 0);
    const { content, manner, provider } = this;
    const broken = new AbortController();
    const end = (): void => broken.abort();
    this.#sessions.add(end);
    let line: Promise<unknown> = Promise.resolve();
    /** Answers come in the order of the questions. */
    const inOrder = <T>(work: () => Promise<T> | T): Promise<T> => {
      const turn = line.then(async () => {
        if (broken.signal.aborted || manner.down === true) throw this.#gone();
        if (busy) throw refusal(content.file.cid, 'busy');
        return await work();
      });
      line = turn.catch(() => undefined);
      return turn;
    };
    const answered = (what: Manner['mute']): Promise<void> =>
      manner.mute === what
        ? new Promise((_, reject) => {
            broken.signal.addEventListener('abort', () => reject(this.#gone()), { once: true });
          })
        : Promise.resolve();
    let blocks = 0;
    const nodes = (): readonly Uint8Array[] =>
      manner.forges === true ? contentOf(40_000, 999).nodes : content.nodes;
    return {
      peer: provider.peer,
      label: provider.label,
      via: 'stream',
      root: () => Promise.resolve(new Uint8Array(0)),
      manifest: () =>
        inOrder(async () => {
          await answered('manifest');
          return nodes();
        }),
      nodes: (_cid, take) =>
        inOrder(async () => {
          await answered('manifest');
          for (const node of nodes()) take(node);
        }),
      node: () => Promise.resolve(new Uint8Array(0)),
      have: () =>
        inOrder(async () => {
          await answered('have');
          return manner.have ?? null;
        }),
      block: (cid, index, into) =>
        inOrder(async () => {
          if (manner.refuses === 'changed') throw new KelanaError('SOURCE_CHANGED', { name: cid });
          const missing = cid !== content.file.cid || (manner.have && !has(manner.have, index)) === true;
          const code = missing ? 'not-here' : manner.refuses;
          if (code !== undefined && code !== null) throw refusal(cid, code);
          if (manner.rate !== undefined)
            await sleep((into.length / manner.rate) * 1000, undefined, { signal: broken.signal }).catch(
              () => {
                throw this.#gone();
              },
            );
          if (blocks === manner.breaksAfter) {
            end();
            throw this.#gone();
          }
          blocks += 1;
          const from = index * content.shape.blockBytes;
          const memory = memoryOf(into);
          memory.set(content.bytes.subarray(from, from + into.length));
          if (manner.lies?.(index) === true) memory[0] = (memory[0] ?? 0) ^ 1;
          this.given += 1;
        }),
      close: () => {
        this.#sessions.delete(end);
        return Promise.resolve();
      },
      abort: () => {
        this.#sessions.delete(end);
        end();
      },
    };
  }

  #gone(): KelanaError {
    return new KelanaError('PEER_UNREACHABLE', { peer: this.provider.label, why: 'ECONNREFUSED' });
  }
}

function refusal(name: string, code: RefusalCode): KelanaError {
  return new KelanaError('TRANSFER_FAILED', { name, why: code, refusal: code });
}

/** A download folder of the tests: a part file that is looked through when it is opened again, and a real rename. */
export class TestFolder {
  readonly path: string;
  readonly #slots: number;
  /** Errno that the next writes fail with. */
  fault: string | null = null;
  written = 0;

  constructor(path: string, slots = 40) {
    this.path = path;
    this.#slots = slots;
  }

  partOf(file: Holding): string {
    return join(this.path, `.kelana-${file.cid.slice(-16)}.part`);
  }

  /** Bytes of a finished file. */
  read(file: Holding): Promise<Buffer> {
    return readFile(join(this.path, file.name));
  }

  async open(file: Holding, layout: Layout): Promise<IncomingFile> {
    await mkdir(this.path, { recursive: true });
    const [part, target] = [this.partOf(file), join(this.path, file.name)];
    const there = await readFile(target).catch(() => null);
    const path = there !== null && there.length === file.size ? target : null;
    const handle = await open(part, 'a')
      .then((made) => made.close())
      .then(() => open(part, 'r+'));
    const have = await this.#look(handle, layout);
    let closed: Promise<void> | null = null;
    const close = (): Promise<void> => (closed ??= handle.close());
    const pool = new SlotPool(this.#slots, layout.blockBytes);
    const remove = async (): Promise<void> => {
      await close();
      await unlink(part).catch(() => undefined);
    };
    return {
      path,
      have,
      slot: (signal) => pool.take(signal),
      write: async (index, slot) => {
        try {
          if (this.fault !== null) throw new KelanaError('CANNOT_WRITE', { path: part, why: this.fault });
          const leaf = leafOf(layout, index);
          const bytes = slot.bytes.subarray(0, leaf.size);
          if (!verifyBlock(leaf, bytes, sha256)) return false;
          await handle.write(bytes, 0, bytes.length, index * layout.blockBytes);
          add(have, index);
          this.written += 1;
          return true;
        } finally {
          slot.release();
        }
      },
      finish: async () => {
        await handle.sync();
        await close();
        if (path === null) await rename(part, target);
        else await remove();
        return target;
      },
      suspend: close,
      abort: remove,
    };
  }

  async #look(handle: FileHandle, layout: Layout): Promise<Uint8Array> {
    const have = new Uint8Array(Math.ceil(layout.count / 8));
    for (let index = 0; index < layout.count; index += 1) {
      const block = new Uint8Array(blockSize(layout.size, layout.blockBytes, index));
      const { bytesRead } = await handle.read(block, 0, block.length, index * layout.blockBytes);
      if (bytesRead === block.length && block.length > 0 && verifyBlock(leafOf(layout, index), block, sha256))
        add(have, index);
    }
    return have;
  }
}

/** A set of the blocks for which `of` says so. */
export function some(content: Content, of: (block: number) => boolean): Uint8Array {
  const count = Math.ceil(content.file.size / content.shape.blockBytes);
  const blocks = new Uint8Array(Math.ceil(count / 8));
  for (let block = 0; block < count; block += 1) if (of(block)) add(blocks, block);
  return blocks;
}

/** What a swarm needs to fetch from these. */
export function howFor(
  nodes: readonly TestProvider[],
  folder: TestFolder,
  content: Content,
): Omit<SwarmOptions, 'signal'> {
  const byPeer = new Map(nodes.map((node) => [node.provider.peer, node]));
  return {
    file: content.file,
    open: async ({ peer }, signal) => {
      const node = byPeer.get(peer);
      if (node === undefined) throw new KelanaError('PEER_UNREACHABLE', { peer, why: 'ENOTFOUND' });
      return await node.open(signal);
    },
    incoming: (file, layout) => folder.open(file, layout),
    sha256,
    now: () => performance.now(),
    random: seededRandom(7),
    shape: content.shape,
  };
}
