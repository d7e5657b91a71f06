import type { Dirent } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { LIBRARY } from '../core/config.ts';
import type { Text } from '../core/lang.ts';
import { checkPath, RESERVED_PREFIX } from '../core/names.ts';
import { isGone, pathOf } from './files.ts';
import { identityOf } from './identity.ts';
import { isIgnored, type Ignores, type Rules } from './ignores.ts';

/** A regular file below a shared folder. */
export interface Found {
  /** Path below the folder, with `/`. */
  readonly name: string;
  readonly path: string;
  readonly size: number;
  readonly identity: string;
  /** ms since the Unix epoch. */
  readonly modifiedMs: number;
}

export interface WalkOptions {
  /** Folders that are left out, as absolute paths: the data folder. */
  readonly skip: ReadonlySet<string>;
  /** Names that begin with a dot count too, but for kelana's own temporary files; and no rules. */
  readonly hidden: boolean;
  readonly ignores: Ignores;
  /** A name that cannot be shared. */
  refused(name: string, why: Text): void;
  /** A folder or file that cannot be looked at. */
  unreadable(path: string, thrown: unknown): void;
  /** A folder, before it is read. */
  folder(path: string, inode: bigint): void;
  readonly signal: AbortSignal;
}

interface Below {
  /** Path below the shared folder, '' for itself. */
  readonly name: string;
  readonly inode: bigint;
}

/**
 * All regular files below `root`, or below the folder `from` in it, in batches, folder by folder. Links are not
 * followed, so nothing outside the folder is ever seen; FIFOs, sockets and devices are passed over.
 */
export async function* walk(root: string, options: WalkOptions, from = ''): AsyncGenerator<readonly Found[]> {
  const top = pathOf(root, from);
  const start = await inodeOf(top, (thrown) => {
    if (from === '' || !isGone(thrown)) options.unreadable(top, thrown);
  });
  const folders: Below[] = start === null ? [] : [{ name: from, inode: start }];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const { name: below } = folder;
    const path = pathOf(root, below);
    const look = async (entry: Dirent, rules: Rules | null): Promise<Found | null> => {
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      if (isIgnored(rules, name, entry.isDirectory())) return null;
      const seen = await lookAt(root, name, options);
      if (seen === null || !('inode' in seen)) return seen;
      // Some file systems tell only now that it is a folder.
      if (!entry.isDirectory() && isIgnored(rules, name, true)) return null;
      // Each folder waits here at most once; more than can be shared are not even remembered.
      if (folders.length < LIBRARY.maxFiles) folders.push(seen);
      return null;
    };
    try {
      if (!options.hidden && (await isDataFolder(path))) continue;
      options.folder(path, folder.inode);
      const rules = options.hidden ? null : await options.ignores.rules(root, below);
      let batch: Dirent[] = [];
      for await (const entry of await opendir(path, { bufferSize: LIBRARY.statBatch })) {
        if (options.signal.aborted) return;
        if (entry.isSymbolicLink() || isHidden(entry.name, options.hidden)) continue;
        batch.push(entry);
        if (batch.length < LIBRARY.statBatch) continue;
        yield await filesOf(batch.map((one) => look(one, rules)));
        batch = [];
      }
      if (batch.length > 0) yield await filesOf(batch.map((one) => look(one, rules)));
    } catch (thrown) {
      if (below === '' || !isGone(thrown)) options.unreadable(path, thrown);
    }
  }
}

/** What has this name below a shared folder: a file, a folder, or nothing to be shared. No rules are asked. */
export async function lookAt(
  root: string,
  name: string,
  options: Pick<WalkOptions, 'skip' | 'refused' | 'unreadable'>,
): Promise<Found | Below | null> {
  const why = checkPath(name);
  if (why !== null) {
    options.refused(name, why);
    return null;
  }
  const path = pathOf(root, name);
  try {
    const stats = await lstat(path, { bigint: true });
    if (stats.isDirectory()) return options.skip.has(path) ? null : { name, inode: stats.ino };
    if (!stats.isFile()) return null;
    return {
      name,
      path,
      size: Number(stats.size),
      identity: identityOf(stats),
      modifiedMs: Number(stats.mtimeNs / 1_000_000n),
    };
  } catch (thrown) {
    // Bytes that are no UTF-8 were read as U+FFFD, and under that name there is nothing.
    if (isGone(thrown) && name.includes('\ufffd'))
      options.refused(name, { id: 'bukan UTF-8', en: 'it is not UTF-8' });
    else if (!isGone(thrown)) options.unreadable(path, thrown);
    return null;
  }
}

/** Whether a name is left out for its first characters. */
export function isHidden(name: string, hiddenToo: boolean): boolean {
  return name.startsWith(hiddenToo ? RESERVED_PREFIX : '.');
}

/** Null where nothing can be seen there, of which `failed` is told. */
export async function inodeOf(path: string, failed?: (thrown: unknown) => void): Promise<bigint | null> {
  try {
    return (await lstat(path, { bigint: true })).ino;
  } catch (thrown) {
    failed?.(thrown);
    return null;
  }
}

/** Another node's data folder, which holds its private key: never shared, wherever it lies. */
export async function isDataFolder(path: string): Promise<boolean> {
  const has = (name: string): Promise<boolean> =>
    lstat(`${path}/${name}`).then(
      () => true,
      () => false,
    );
  return (await has('identity.key')) && (await has('lock.db'));
}

async function filesOf(looks: readonly Promise<Found | null>[]): Promise<readonly Found[]> {
  return (await Promise.all(looks)).filter((found) => found !== null);
}
