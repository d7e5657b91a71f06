import { lstat, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { hasBit } from '../core/bit-array.ts';
import { INCOMING } from '../core/config.ts';
import { hasCode, isGone } from './files.ts';
import type { FolderEntry, Twins } from './folder-names.ts';
import { isSame } from './place.ts';
import { STATE, type SmallFiles } from './writer-protocol.ts';
import type { Writer } from './writer.ts';

/** What lies below a folder; links, sockets and the like are `other`. */
export interface Item {
  readonly path: string;
  readonly kind: 'file' | 'folder' | 'other';
}

export async function* itemsOf(root: string): AsyncGenerator<Item> {
  const folders = [''];
  for (let below = folders.pop(); below !== undefined; below = folders.pop()) {
    for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      yield { path, kind: entry.isDirectory() ? 'folder' : entry.isFile() ? 'file' : 'other' };
    }
  }
}

/** Names below a root that are to be there, and nothing else. */
export interface Tree {
  readonly files: ReadonlySet<string>;
  readonly folders: ReadonlySet<string>;
}

function belongs({ path, kind }: Item, tree: Tree): boolean {
  return kind === 'file' ? tree.files.has(path) : kind === 'folder' && tree.folders.has(path);
}

/** Whether a folder holds exactly these names; its content was not looked at. @throws what the file system throws */
export async function hasExactly(root: string, tree: Tree): Promise<boolean> {
  let files = 0;
  let folders = 0;
  for await (const item of itemsOf(root)) {
    if (!belongs(item, tree)) return false;
    if (item.kind === 'file') files += 1;
    else folders += 1;
  }
  return files === tree.files.size && folders === tree.folders.size;
}

/** Removes all that is not to be there; `mine` are names at the root that stay. @throws what the file system throws */
export async function prune(root: string, tree: Tree, mine: RegExp): Promise<void> {
  const foreign: string[] = [];
  for await (const item of itemsOf(root))
    if (!belongs(item, tree) && !(item.kind === 'file' && mine.test(item.path))) foreign.push(item.path);
  for (const path of foreign) await rm(join(root, path), { recursive: true, force: true });
}

/** Entries of one block, in batches as the thread takes them, with their indices; `without` leaves out some. */
export function* batches(
  entries: readonly FolderEntry[],
  root: string,
  without: Uint8Array = NONE,
): Generator<{ indices: number[]; files: SmallFiles }> {
  let indices: number[] = [];
  for (let index = 0; index < entries.length; index += 1) {
    if (entries[index]?.digest !== null && !hasBit(without, index)) indices.push(index);
    if (indices.length < INCOMING.batchFiles && index < entries.length - 1) continue;
    if (indices.length > 0) yield { indices, files: smallFiles(entries, root, indices, []) };
    indices = [];
  }
}

const NONE = new Uint8Array(0);

export function smallFiles(
  entries: readonly FolderEntry[],
  root: string,
  indices: readonly number[],
  offsets: readonly number[],
): SmallFiles {
  const some = indices.flatMap((index) => entries[index] ?? []);
  return {
    root,
    paths: some.map(({ path }) => path),
    sizes: some.map(({ size }) => size),
    offsets,
    digests: Buffer.concat(some.map(({ digest }) => digest ?? new Uint8Array())),
  };
}

/** Whether `path` is a folder with exactly these files; null where there is nothing. @throws what the disk throws */
export async function isSameFolder(
  path: string,
  entries: readonly FolderEntry[],
  tree: Tree,
  writer: Writer,
): Promise<boolean | null> {
  try {
    if (!(await lstat(path)).isDirectory() || !(await hasExactly(path, tree))) return false;
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return null;
    if (isGone(thrown) || hasCode(thrown, 'EACCES', 'EIO')) return false;
    throw thrown;
  }
  for (const { files } of batches(entries, path))
    if ((await writer.look(files)).some((state) => state !== STATE.right)) return false;
  for (const entry of entries)
    if (entry.digest === null && (await isSame(join(path, entry.path), entry)) !== true) return false;
  return true;
}

/** The first pair of names that the file system below `root` takes for one, or null. */
export async function foldedTwins(root: string, twins: readonly Twins[]): Promise<Twins | null> {
  const probe = join(root, '.kelana-probe');
  try {
    for (const pair of twins) {
      await mkdir(join(probe, pair.one), { recursive: true });
      try {
        await mkdir(join(probe, pair.other));
      } catch (thrown) {
        if (hasCode(thrown, 'EEXIST')) return pair;
        throw thrown;
      }
      await rm(probe, { recursive: true });
    }
    return null;
  } finally {
    await rm(probe, { recursive: true, force: true });
  }
}
