import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { safeDownloadName } from '../core/names.ts';
import type { IncomingFolder } from '../core/transfer/ports.ts';
import { bitBytes, hasBit, setBit } from '../core/bit-array.ts';
import { claim, dropLeftovers, type Claim } from './claims.ts';
import { cannotWrite } from './files.ts';
import { checkEntries, refused, WHY_TWINS, type FolderEntry } from './folder-names.ts';
import { thereOf, treeWithout, type There, type Whole } from './folder-there.ts';
import { batches, foldedTwins, prune, type Tree } from './folder-tree.ts';
import { presentFolder, type FsyncPolicy } from './incoming.ts';
import type { FolderPart, Offers } from './offers.ts';
import { checkRoom, names, openFolder } from './place.ts';
import { inMemory } from './syncing.ts';
import { STATE } from './writer-protocol.ts';
import { type Writer } from './writer.ts';

import { FolderDownload, MINE } from './folder-download.ts';

export type { FolderEntry } from './folder-names.ts';

export interface IncomingFolderOptions {
  /** Downloads folder; created where it is missing. */
  readonly folder: string;
  /** Name as the holder gave it; only its base name is used. */
  readonly name: string;
  /** CID of the folder. Its entries must be in the same order each time: a resumed file is known by its number. */
  readonly cid: string;
  readonly entries: readonly FolderEntry[];
  /** Folders that are made even where no entry lies in them. */
  readonly folders?: readonly string[];
  /**
   * All files and folders of the folder, where `entries` are only some. What is in the downloads already under its name
   * and is a part of it is then completed there. By default only the very same counts.
   */
  readonly whole?: Whole;
  /** A number for each entry that stays the same whichever of them are wanted; by default their index. */
  readonly places?: readonly number[];
  readonly writer: Writer;
  /** Default `finish`. */
  readonly fsync?: FsyncPolicy;
  /** Where what is there is given to others who fetch the same; by default it is not. */
  readonly offer?: { readonly offers: Offers; readonly listing: FolderPart['listing'] } | undefined;
  readonly signal?: AbortSignal;
}

/**
 * Begins to download a folder, or goes on with it. All is written to a hidden folder beside the final place. The files
 * in it are the list of what is there; each is hashed before it counts.
 * @throws KelanaError BAD_NAME, NOT_A_FOLDER, CANNOT_WRITE, DOWNLOAD_BUSY; the signal's reason
 */
export async function openIncomingFolder(options: IncomingFolderOptions): Promise<IncomingFolder> {
  const { entries, writer, cid, signal } = options;
  const name = safeDownloadName(options.name);
  const { folders, twins } = checkEntries(entries, options.folders);
  const tree = { files: new Set(entries.map(({ path }) => path)), folders: new Set(folders) };
  const folder = await openFolder(options.folder);
  const whole = options.whole ?? { entries, folders: options.folders ?? [] };
  const all =
    whole.entries.length === entries.length && whole.folders.length === (options.folders ?? []).length;
  let part: Claim | null = null;
  let base: There | null = null;
  try {
    for (const candidate of names(name)) {
      const there = await thereOf(join(folder, candidate), entries, tree, whole, writer);
      if (there === null) break;
      if (there === false || (options.whole === undefined && !there.whole)) continue;
      // A part of what else is in it may still be gone on with.
      if (there.whole) await dropLeftovers(folder, cid, 'dir').catch(() => undefined);
      if (there.wanted) return presentFolder(there.path, entries, writer);
      base = there;
      break;
    }
    part = await claim(folder, cid, 'dir', name);
    const root = part.path;
    const folded = await foldedTwins(root, twins);
    if (folded !== null) throw refused(folded.one, WHY_TWINS);
    const have = base?.have.slice() ?? new Uint8Array(bitBytes(entries.length));
    const mine = base === null ? tree : treeWithout(entries, tree, base.have);
    const keep: Tree =
      all && base === null
        ? tree
        : {
            files: new Set(whole.entries.flatMap(({ path }) => (base?.files.has(path) === true ? [] : path))),
            folders: all ? tree.folders : new Set(checkEntries(whole.entries, whole.folders).folders),
          };
    if (!part.fresh) {
      await prune(root, keep, MINE);
      for (const { indices, files } of batches(entries, root, base?.have)) {
        signal?.throwIfAborted();
        const states = await writer.look(files);
        for (const [at, index] of indices.entries()) if (states[at] === STATE.right) setBit(have, index);
      }
    }
    await checkRoom(folder, sizeOf(entries, have));
    for (const path of options.folders ?? []) {
      if (!mine.folders.has(path)) continue;
      signal?.throwIfAborted();
      await mkdir(join(root, path), { recursive: true });
    }
    const durable = options.fsync !== 'never' && !(await inMemory(root));
    const incoming = new FolderDownload(
      name,
      folder,
      part,
      entries,
      mine,
      keep,
      writer,
      have,
      durable,
      options.offer?.offers,
      base,
      options.places,
    );
    await incoming.writeEmpty();
    if (options.offer !== undefined) {
      const { offers, listing } = options.offer;
      incoming.withdrawn(
        offers.addFolder({ name, cid, at: (index) => incoming.at(index), entries, have, listing }),
      );
    }
    return incoming;
  } catch (thrown) {
    await (part?.fresh === true ? part.remove() : part?.release())?.catch(() => undefined);
    if (signal?.aborted === true && thrown === signal.reason) throw thrown;
    throw cannotWrite(folder, thrown);
  }
}

/** Bytes still to come. Parts of large files are counted whole: too careful by what they have. */
function sizeOf(entries: readonly FolderEntry[], have: Uint8Array): number {
  let total = 0;
  for (const [index, { size }] of entries.entries()) if (!hasBit(have, index)) total += size;
  return total;
}
