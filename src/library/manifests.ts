import { LIBRARY } from '../core/config.ts';
import { FileTree } from '../core/transfer/file-tree.ts';
import { FileNodes, nodeSteps, type Nodes } from '../core/transfer/manifest.ts';
import { sha256 } from './hash.ts';
import { Slice } from './slice.ts';

type Hashes = readonly Uint8Array[];

/**
 * The nodes of files, each made when it is taken, in 0.2 ms. A file of more than one node (1 GiB) needs the hashes of all but
 * its root before: those are made once, in turns, for all who ask meanwhile and later, one file after the other; 1,024 nodes,
 * 0.3 s, of the largest file. They are kept, 32 bytes of each GiB, within `LIBRARY.manifestBytes`.
 */
export class Manifests {
  readonly #sha256: typeof sha256;
  readonly #most: number;
  /** By CID; what was asked for last is last. */
  readonly #kept = new Map<string, Hashes>();
  readonly #making = new Map<string, Promise<Hashes>>();
  #bytes = 0;
  /** Settles when the making of all that are waited for is over. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(hash: typeof sha256 = sha256, most: number = LIBRARY.manifestBytes) {
    this.#sha256 = hash;
    this.#most = most;
  }

  /** `digests` of its blocks; none where it is one block. */
  async of(cid: string, digests: Uint8Array, size: number): Promise<Nodes> {
    const tree = new FileTree(size);
    if (tree.height === 0) return [];
    if (tree.height === 1) return new FileNodes(tree, [digests]);
    const inner = this.#take(cid) ?? (await this.#made(cid, digests, size));
    return new FileNodes(tree, [digests, ...inner]);
  }

  #take(cid: string): Hashes | undefined {
    const kept = this.#kept.get(cid);
    if (kept === undefined) return undefined;
    this.#kept.delete(cid);
    this.#kept.set(cid, kept);
    return kept;
  }

  #made(cid: string, digests: Uint8Array, size: number): Promise<Hashes> {
    const there = this.#making.get(cid);
    if (there !== undefined) return there;
    const making = this.#last.then(async () => {
      try {
        const inner = await this.#make(digests, size);
        this.#keep(cid, inner);
        return inner;
      } finally {
        this.#making.delete(cid);
      }
    });
    this.#making.set(cid, making);
    this.#last = making.catch(() => undefined);
    return making;
  }

  async #make(digests: Uint8Array, size: number): Promise<Hashes> {
    const slice = new Slice();
    const steps = nodeSteps(digests, size, this.#sha256);
    for (let step = steps.next(); ; step = steps.next()) {
      if (step.done === true) return step.value.inner;
      if (slice.over) await slice.next();
    }
  }

  #keep(cid: string, inner: Hashes): void {
    this.#kept.set(cid, inner);
    this.#bytes += bytesOf(inner);
    for (const [oldest, hashes] of this.#kept) {
      if (this.#bytes <= this.#most) return;
      this.#kept.delete(oldest);
      this.#bytes -= bytesOf(hashes);
    }
  }
}

function bytesOf(hashes: Hashes): number {
  return hashes.reduce((sum, { length }) => sum + length, 0);
}
