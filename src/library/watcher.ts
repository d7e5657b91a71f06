import { watch, type FSWatcher } from 'node:fs';
import { LIBRARY } from '../core/config.ts';
import { hasCode } from './files.ts';
import { inodeOf } from './walk.ts';

interface Watched {
  readonly watcher: FSWatcher;
  readonly inode: bigint;
}

export interface WatcherOptions {
  /** Something under `name` in `folder` changed, appeared or went; without a name, anything may have. */
  changed(folder: string, name: string | null): void;
  /** Once: the kernel or our own limit has no room for more folders. */
  full(why: unknown): void;
}

/**
 * Watches folders, one watch each: on Linux that tells of every file in it, so that 100,000 files in 1,000 folders take
 * 1,000 watches. A watch ends with its folder: one that was made anew under the old name needs a new one (`folderIdentity`).
 */
export class Watcher {
  readonly #folders = new Map<string, Watched>();
  readonly #options: WatcherOptions;
  /** Folders below which changes are not told, since the last `begin`. */
  #unwatched = 0;
  #full = false;

  constructor(options: WatcherOptions) {
    this.#options = options;
  }

  /** Every folder that was asked for since `begin` is watched. */
  get complete(): boolean {
    return this.#unwatched === 0;
  }

  get size(): number {
    return this.#folders.size;
  }

  /** A look at everything begins: what could not be watched before is tried again. */
  begin(): void {
    this.#unwatched = 0;
  }

  /** To be called before the folder is read, so that nothing is missed between the two. */
  watch(folder: string, inode: bigint): void {
    const there = this.#folders.get(folder);
    if (there?.inode === inode) return;
    this.forget(folder);
    if (this.#unwatched > 0 || this.#folders.size >= LIBRARY.maxWatches) {
      this.#miss(new Error(`${LIBRARY.maxWatches}`));
      return;
    }
    try {
      const watcher = watch(folder, { persistent: false }, (_event, name) =>
        this.#options.changed(folder, name),
      );
      watcher.on('error', () => {
        this.forget(folder);
        this.#options.changed(folder, null);
      });
      this.#folders.set(folder, { watcher, inode });
    } catch (thrown) {
      // A folder that is gone by now is no lack of room.
      if (!hasCode(thrown, 'ENOENT', 'ENOTDIR', 'EACCES')) this.#miss(thrown);
    }
  }

  /** Whether a folder is still the one that is watched. */
  async isSame(folder: string): Promise<boolean> {
    const watched = this.#folders.get(folder)?.inode;
    return watched !== undefined && (await inodeOf(folder)) === watched;
  }

  forget(folder: string): void {
    this.#folders.get(folder)?.watcher.close();
    this.#folders.delete(folder);
  }

  /** Ends the watches of all folders for which `keep` says no. */
  prune(keep: (folder: string) => boolean): void {
    for (const folder of this.#folders.keys()) if (!keep(folder)) this.forget(folder);
  }

  close(): void {
    this.prune(() => false);
  }

  #miss(why: unknown): void {
    this.#unwatched += 1;
    if (this.#full) return;
    this.#full = true;
    this.#options.full(why);
  }
}
