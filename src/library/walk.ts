import { lstat } from 'node:fs/promises';
import { LIBRARY } from '../core/config.ts';
import type { Text } from '../core/lang.ts';
import { checkPath, RESERVED_PREFIX } from '../core/names.ts';
import { isGone, pathOf } from './files.ts';
import { folderIdentity } from './identity.ts';
import { isIgnored, type Ignores, type Rules } from './ignores.ts';
import { failureOf, listedAs, thrownFrom, type Listed } from './list-now.ts';
import { Lister } from './lister.ts';

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
  /** The disk is near enough for the node's own thread to wait for it now and then. */
  readonly here: boolean;
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
  const waiting: Below[] = start === null ? [] : [{ name: from, inode: start }];
  const lister = new Lister(options.here);
  try {
    while (waiting.length > 0 && !options.signal.aborted) {
      const folders: (Below & { readonly rules: Rules | null })[] = [];
      for (const folder of waiting.splice(-LIBRARY.listFolders)) {
        const path = pathOf(root, folder.name);
        if (!options.hidden && (await isDataFolder(path))) continue;
        options.folder(path, folder.inode);
        const rules = options.hidden ? null : await options.ignores.rules(root, folder.name);
        folders.push({ ...folder, rules });
      }
      const paths = folders.map(({ name }) => pathOf(root, name));
      for await (const chunk of lister.list(paths, prefixOf(options.hidden))) {
        if (options.signal.aborted) return;
        const folder = folders[chunk.at];
        if (folder === undefined) continue;
        if (chunk.failed !== undefined) {
          const thrown = thrownFrom(chunk.failed);
          if (folder.name === '' || !isGone(thrown)) options.unreadable(pathOf(root, folder.name), thrown);
        }
        const found: Found[] = [];
        for (const entry of chunk.entries) {
          const name = folder.name === '' ? entry.name : `${folder.name}/${entry.name}`;
          if (isIgnored(folder.rules, name, entry.inode !== undefined)) continue;
          const seen = sort(root, name, entry, options);
          if (seen === null) continue;
          if (!('inode' in seen)) found.push(seen);
          // Each folder waits here at most once; more than can be shared are not even remembered.
          else if (waiting.length < LIBRARY.maxFiles) waiting.push(seen);
        }
        if (found.length > 0) yield found;
      }
    }
  } finally {
    await lister.close();
  }
}

/** What a listed name is to a walk; null for what cannot be shared. */
function sort(
  root: string,
  name: string,
  { file, inode, failed }: Listed,
  options: Pick<WalkOptions, 'skip' | 'refused' | 'unreadable'>,
): Found | Below | null {
  const why = checkPath(name);
  if (why !== null) {
    options.refused(name, why);
    return null;
  }
  const path = pathOf(root, name);
  if (file !== undefined) return { name, path, ...file };
  if (inode !== undefined) return options.skip.has(path) ? null : { name, inode };
  if (failed === undefined) return null;
  const thrown = thrownFrom(failed);
  // Bytes that are no UTF-8 were read as U+FFFD, and under that name there is nothing.
  if (isGone(thrown) && name.includes('\ufffd'))
    options.refused(name, { id: 'bukan UTF-8', en: 'it is not UTF-8' });
  else if (!isGone(thrown)) options.unreadable(path, thrown);
  return null;
}

/** What has this name below a shared folder: a file, a folder, or nothing to be shared. No rules are asked. */
export async function lookAt(
  root: string,
  name: string,
  options: Pick<WalkOptions, 'skip' | 'refused' | 'unreadable'>,
): Promise<Found | Below | null> {
  const path = pathOf(root, name);
  const listed = await lstat(path, { bigint: true }).then(
    (stats) => listedAs(name, stats),
    (thrown: unknown) => ({ name, failed: failureOf(thrown) }),
  );
  return listed === null ? null : sort(root, name, listed, options);
}

/** Whether a name is left out for its first characters. */
export function isHidden(name: string, hiddenToo: boolean): boolean {
  return name.startsWith(prefixOf(hiddenToo));
}

function prefixOf(hiddenToo: boolean): string {
  return hiddenToo ? RESERVED_PREFIX : '.';
}

/** Null where nothing can be seen there, of which `failed` is told. */
export async function inodeOf(path: string, failed?: (thrown: unknown) => void): Promise<bigint | null> {
  try {
    return folderIdentity(await lstat(path, { bigint: true }));
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
