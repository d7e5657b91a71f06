import { bitBytes, hasBit, setBit } from '../core/bit-array.ts';
import { TRANSFER } from '../core/config.ts';
import type { Layout } from '../core/transfer/layout.ts';
import type { PartialReader } from '../core/transfer/ports.ts';
import type { FolderEntry } from './folder-names.ts';
import { Manifests } from './manifests.ts';
import { WholeFile } from './whole-file.ts';

/** A part on the disk, as BlockFile is one. */
interface Part {
  readonly have: Uint8Array;
  read(index: number, into?: Uint8Array): Promise<Uint8Array>;
}

/** A folder that comes; `have` has one bit for each of the entries, which lie at `listed` in its whole listing. */
export interface FolderPart {
  readonly name: string;
  readonly cid: string;
  /** Where one of its files lies meanwhile. */
  readonly at: (index: number) => string;
  readonly entries: readonly FolderEntry[];
  readonly have: Uint8Array;
  readonly listing: {
    readonly nodes: readonly Uint8Array[];
    readonly listed: readonly number[];
    readonly count: number;
  };
}

/**
 * What is still being fetched, for others who fetch the same. Only what was found by a search comes here: it is shared
 * with everybody; what was sent to this node is not. Nothing of it shows in searches.
 */
export class Offers {
  readonly #parts = new Map<string, PartialReader>();
  readonly #manifests = new Manifests();
  /** Small files of folders, by CID; made when somebody first asks for one. */
  readonly #folders = new Map<FolderPart, Map<string, number> | null>();

  partial(cid: string): PartialReader | undefined {
    if (this.#parts.size === 0 && this.#folders.size === 0) return undefined;
    return this.#parts.get(cid) ?? this.#small(cid);
  }

  /** Gives the way to take it back. A file of one block is there whole, or not at all. */
  add(name: string, layout: Layout, part: Part): () => void {
    const { root, count, blockBytes, digests, size } = layout;
    if (count === 1 || blockBytes !== TRANSFER.blockBytes) return () => undefined;
    return this.#put(root, {
      name,
      have: part.have,
      manifest: () => this.#manifests.of(root, digests, size),
      readBlock: (_, index, into) => part.read(index, into),
    });
  }

  /** Its `have` says which of the listed files are whole; they are asked for one by one. */
  addFolder(folder: FolderPart): () => void {
    const { name, cid, have, listing } = folder;
    const { nodes, listed, count } = listing;
    const withdraw = this.#put(cid, {
      name,
      get have() {
        const bits = new Uint8Array(bitBytes(count));
        for (const [at, place] of listed.entries()) if (hasBit(have, at)) setBit(bits, place);
        return bits;
      },
      manifest: () => Promise.resolve(nodes),
      readBlock: (_, index) => Promise.reject(new RangeError(`block ${index} of a folder`)),
    });
    this.#folders.set(folder, null);
    return () => {
      withdraw();
      this.#folders.delete(folder);
    };
  }

  #put(cid: string, reader: PartialReader): () => void {
    this.#parts.set(cid, reader);
    return () => {
      if (this.#parts.get(cid) === reader) this.#parts.delete(cid);
    };
  }

  #small(cid: string): PartialReader | undefined {
    for (const [folder, known] of this.#folders) {
      const places = known ?? placesOf(folder.entries);
      if (known === null) this.#folders.set(folder, places);
      const at = places.get(cid);
      const entry = at === undefined ? undefined : folder.entries[at];
      if (at === undefined || entry === undefined || entry.digest === null) continue;
      if (!hasBit(folder.have, at)) continue;
      const layout = {
        root: cid,
        size: entry.size,
        blockBytes: TRANSFER.blockBytes,
        count: 1,
        digests: entry.digest,
      };
      const file = new WholeFile(folder.at(at), layout);
      return {
        name: entry.path,
        have: file.have,
        manifest: () => Promise.resolve([]),
        readBlock: (_, index, into) => file.read(index, into),
      };
    }
    return undefined;
  }
}

function placesOf(entries: readonly FolderEntry[]): Map<string, number> {
  const places = new Map<string, number>();
  for (const [at, { cid, digest }] of entries.entries()) if (digest !== null) places.set(cid, at);
  return places;
}
