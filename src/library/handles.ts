import type { FileHandle } from 'node:fs/promises';
import { LIBRARY } from '../core/config.ts';
import { openToRead } from './files.ts';

interface Open {
  readonly key: string;
  readonly handle: Promise<FileHandle>;
  /** The same, once it is open. */
  now: FileHandle | null;
  users: number;
  dropped: boolean;
}

/**
 * Open files for readers: the least recently used beyond the limit are closed, and all that idle. A file in use
 * stays open until its reader is done, so more than the limit are open only while more are being read at once.
 */
export class Handles {
  /** In the order of last use. */
  readonly #open = new Map<string, Open>();
  #timer: NodeJS.Timeout | undefined;
  /** Since the timer began. */
  #used = false;

  get size(): number {
    return this.#open.size;
  }

  /** Runs `use` with the file open. `key` tells versions of one path apart. */
  async with<T>(path: string, key: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
    const entry = this.#take(path, key);
    try {
      return await use(await entry.handle);
    } catch (thrown) {
      this.#drop(entry);
      throw thrown;
    } finally {
      entry.users -= 1;
      if (entry.dropped) close(entry);
    }
  }

  /** The descriptor of a file that is open already, for use before the next turn; null where it is not. */
  open(key: string): number | null {
    const entry = this.#open.get(key);
    if (entry === undefined || entry.now === null) return null;
    this.#used = true;
    return entry.now.fd;
  }

  /** Closes what is not in use now and the rest as soon as it is not. */
  closeAll(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const entry of this.#open.values()) this.#drop(entry);
  }

  #take(path: string, key: string): Open {
    const there = this.#open.get(key);
    const entry: Open = there ?? { key, handle: openToRead(path), now: null, users: 0, dropped: false };
    // A failed open is seen by whoever uses it; nobody else waits for it.
    if (there === undefined)
      entry.handle.then(
        (handle) => {
          entry.now = handle;
        },
        () => undefined,
      );
    entry.users += 1;
    this.#open.delete(key);
    this.#open.set(key, entry);
    for (const other of this.#open.values()) {
      if (this.#open.size <= LIBRARY.maxHandles) break;
      this.#drop(other);
    }
    this.#used = true;
    this.#timer ??= setInterval(() => {
      if (!this.#used) this.closeAll();
      this.#used = false;
    }, LIBRARY.handleIdleMs).unref();
    return entry;
  }

  #drop(entry: Open): void {
    if (this.#open.get(entry.key) === entry) this.#open.delete(entry.key);
    if (entry.dropped) return;
    entry.dropped = true;
    close(entry);
  }
}

function close(entry: Open): void {
  if (entry.users > 0) return;
  void entry.handle.then((handle) => handle.close()).catch(() => undefined);
}
