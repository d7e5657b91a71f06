import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { bitBytes, hasBit, setBit } from '../core/bit-array.ts';
import { hasCode, isGone } from './files.ts';
import { checkEntries, type FolderEntry } from './folder-names.ts';
import { batches, itemsOf, type Tree } from './folder-tree.ts';
import { isSame } from './place.ts';
import { STATE } from './writer-protocol.ts';
import type { Writer } from './writer.ts';

/** All files and folders of a folder, of which some are wanted. */
export interface Whole {
  readonly entries: readonly FolderEntry[];
  readonly folders: readonly string[];
}

/** A folder on the disk that is the wanted one, or a part of it: every file in it is one of the whole, byte for byte. */
export interface There {
  readonly path: string;
  /** Of the wanted files those that are there, by index. */
  readonly have: Uint8Array;
  /** All files that are there, by path, as they were seen before they were read: see `seenAt`. */
  readonly files: ReadonlyMap<string, string>;
  /** Paths of the wanted files that are there. */
  readonly needs: readonly string[];
  /** All that is wanted, here or not. */
  readonly tree: Tree;
  /** All that may be in it. */
  readonly of: { readonly files: ReadonlyMap<string, FolderEntry>; readonly folders: ReadonlySet<string> };
  /** Nothing that is wanted is missing. */
  readonly wanted: boolean;
  /** Nothing of the whole is missing. */
  readonly whole: boolean;
}

/**
 * Looks whether `path` is the folder that is wanted, or a part of it; false: it is something else; null: there is nothing.
 * Names and sizes are compared before any byte is read. @throws what the disk throws
 */
export async function thereOf(
  path: string,
  entries: readonly FolderEntry[],
  tree: Tree,
  whole: Whole,
  writer: Writer,
): Promise<There | false | null> {
  const files = new Map<string, string>();
  let of: There['of'];
  const folders = new Set<string>();
  try {
    if (!(await lstat(path)).isDirectory()) return false;
    of = {
      files: new Map(whole.entries.map((entry) => [entry.path, entry])),
      folders: new Set(checkEntries(whole.entries, whole.folders).folders),
    };
    for await (const item of itemsOf(path)) {
      if (item.kind === 'folder' && of.folders.has(item.path)) folders.add(item.path);
      else if (item.kind === 'file' && of.files.has(item.path))
        files.set(item.path, await seenAt(join(path, item.path)));
      else return false;
    }
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return null;
    if (isGone(thrown) || hasCode(thrown, 'EACCES', 'EIO')) return false;
    throw thrown;
  }
  // An empty folder is nobody's part.
  if (files.size === 0 && of.files.size > 0) return false;
  const present = whole.entries.filter((entry) => files.has(entry.path));
  const large = present.filter(({ digest }) => digest === null);
  for (const { path: at, size } of present) if (files.get(at)?.startsWith(`${size} `) !== true) return false;
  for (const { files: batch } of batches(present, path))
    if ((await writer.look(batch)).some((state) => state !== STATE.right)) return false;
  for (const entry of large) if ((await isSame(join(path, entry.path), entry)) !== true) return false;
  const have = new Uint8Array(bitBytes(entries.length));
  let missing = 0;
  for (const [index, entry] of entries.entries())
    if (files.has(entry.path)) setBit(have, index);
    else missing += 1;
  for (const folder of tree.folders) if (!folders.has(folder)) missing += 1;
  const same = files.size === of.files.size && folders.size === of.folders.size;
  const needs = entries.flatMap((entry) => (files.has(entry.path) ? [entry.path] : []));
  return { path, have, files, needs, tree, of, wanted: missing === 0, whole: same };
}

/** Size and what changes with every write, even with one that puts the time back. @throws what the disk throws */
export async function seenAt(path: string): Promise<string> {
  const { size, dev, ino, mtimeNs, ctimeNs } = await lstat(path, { bigint: true });
  return `${size} ${dev}:${ino}:${mtimeNs}:${ctimeNs}`;
}

/** What is to come where some is in its place already: the other files and the folders above them, and empty folders. */
export function treeWithout(entries: readonly FolderEntry[], tree: Tree, there: Uint8Array): Tree {
  const rest = entries.filter((_, index) => !hasBit(there, index));
  const filled = new Set(checkEntries(entries).folders);
  const folders = [...tree.folders].filter((path) => !filled.has(path));
  return {
    files: new Set(rest.map(({ path }) => path)),
    folders: new Set(checkEntries(rest, folders).folders),
  };
}

/** What a temporary folder holds beside what is wanted of it. */
export type Beside = 'nothing' | 'folders' | 'others' | 'strange';

/**
 * Compares a temporary folder with what it is to hold. Several may fetch different files of one folder, one after the
 * other: what is `others` is theirs, and `folders` are theirs that hold nothing. @throws what the disk throws
 */
export async function besideOf(root: string, mine: Tree, others: Tree, parts: RegExp): Promise<Beside> {
  let beside: Beside = 'nothing';
  let files = 0;
  let folders = 0;
  for await (const { path, kind } of itemsOf(root)) {
    if (kind === 'file' && mine.files.has(path)) files += 1;
    else if (kind === 'folder' && mine.folders.has(path)) folders += 1;
    else if (kind === 'file' && (others.files.has(path) || parts.test(path))) beside = 'others';
    else if (kind === 'folder' && others.folders.has(path))
      beside = beside === 'nothing' ? 'folders' : beside;
    else return 'strange';
  }
  return files === mine.files.size && folders === mine.folders.size ? beside : 'strange';
}

/** Whether anything is there that is not of `mine`. @throws what the disk throws */
export async function hasOthers(root: string, mine: Tree): Promise<boolean> {
  for await (const { path, kind } of itemsOf(root)) if (kind === 'file' && !mine.files.has(path)) return true;
  return false;
}
