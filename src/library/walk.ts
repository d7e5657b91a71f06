import type { Dirent } from 'node:fs';
import { lstat, opendir } from 'node:fs/promises';
import { LIBRARY } from '../core/config.ts';
import type { Text } from '../core/lang.ts';
import { checkPath, RESERVED_PREFIX } from '../core/names.ts';
import { identityOf, isGone } from './files.ts';

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
  /** Names that begin with a dot count too, but for kelana's own temporary files. */
  readonly hidden: boolean;
  /** A name that cannot be shared. */
  refused(name: string, why: Text): void;
  /** A folder or file that cannot be looked at. */
  unreadable(path: string, thrown: unknown): void;
  readonly signal: AbortSignal;
}

/**
 * All regular files below `root`, in batches, folder by folder. Links are not followed, so nothing outside the
 * folder is ever seen; FIFOs, sockets and devices are passed over.
 */
export async function* walk(root: string, options: WalkOptions): AsyncGenerator<readonly Found[]> {
  const folders = [''];
  for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
    const below = folder;
    const path = below === '' ? root : `${root}/${below}`;
    const look = async (entry: Dirent): Promise<Found | null> => {
      const name = below === '' ? entry.name : `${below}/${entry.name}`;
      const why = checkPath(name);
      if (why !== null) {
        options.refused(name, why);
        return null;
      }
      try {
        const stats = await lstat(`${path}/${entry.name}`, { bigint: true });
        if (stats.isDirectory()) {
          // Each folder waits here at most once; more than can be shared are not even remembered.
          if (!options.skip.has(`${path}/${entry.name}`) && folders.length < LIBRARY.maxFiles)
            folders.push(name);
          return null;
        }
        if (!stats.isFile()) return null;
        return {
          name,
          path: `${path}/${entry.name}`,
          size: Number(stats.size),
          identity: identityOf(stats),
          modifiedMs: Number(stats.mtimeNs / 1_000_000n),
        };
      } catch (thrown) {
        // Bytes that are no UTF-8 were read as U+FFFD, and under that name there is nothing.
        if (isGone(thrown) && name.includes('\ufffd'))
          options.refused(name, { id: 'bukan UTF-8', en: 'it is not UTF-8' });
        else if (!isGone(thrown)) options.unreadable(`${path}/${entry.name}`, thrown);
        return null;
      }
    };
    try {
      if (!options.hidden && (await isDataFolder(path))) continue;
      let batch: Dirent[] = [];
      for await (const entry of await opendir(path, { bufferSize: LIBRARY.statBatch })) {
        if (options.signal.aborted) return;
        if (entry.isSymbolicLink()) continue;
        if (entry.name.startsWith(options.hidden ? RESERVED_PREFIX : '.')) continue;
        batch.push(entry);
        if (batch.length < LIBRARY.statBatch) continue;
        yield await filesOf(batch.map(look));
        batch = [];
      }
      if (batch.length > 0) yield await filesOf(batch.map(look));
    } catch (thrown) {
      if (below === '' || !isGone(thrown)) options.unreadable(path, thrown);
    }
  }
}

/** Another node's data folder, which holds its private key: never shared, wherever it lies. */
async function isDataFolder(path: string): Promise<boolean> {
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
