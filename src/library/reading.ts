import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { LIBRARY } from '../core/config.ts';
import { readFully } from './files.ts';
import { Handles } from './handles.ts';
import { identityOf } from './identity.ts';

/** A file as it was when it was hashed; `root` is what `isRemote` is asked about. */
export interface Readable {
  readonly path: string;
  readonly size: number;
  readonly identity: string;
  readonly root: string;
}

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Reads shared files for those who ask. A file of one small block is read at once, in four calls that take some 15 µs
 * together where the disk's cache has it; handing each to another thread would take five times as long. As soon as one
 * such read was slow, the next ones go by the thread pool, so that a slow disk holds up the node once in a while only.
 */
export class Reading {
  readonly #handles = new Handles();
  /** Small reads that still go by the thread pool. */
  #careful = 0;
  /** How many that will be after the next slow one: more each time that the disk is still slow. */
  #slow: number = LIBRARY.slowReads;
  readonly #isRemote: (root: string) => boolean;

  /** `isRemote` says of a shared folder's key that its file system may not answer. */
  constructor(isRemote: (root: string) => boolean) {
    this.#isRemote = isRemote;
  }

  /**
   * Fills `into` from a file; false where it is no longer what was hashed. The look after the read tells all that one
   * before it would: an identity never comes back.
   * @throws what the file system throws
   */
  read(entry: Readable, into: Uint8Array, position: number): boolean | Promise<boolean> {
    const small = entry.size <= LIBRARY.smallBytes && into.length === entry.size;
    if (!small || this.#isRemote(entry.root)) return this.#readSlowly(entry, into, position);
    if (this.#careful > 0) {
      this.#careful -= 1;
      return this.#readSlowly(entry, into, position);
    }
    const began = performance.now();
    const same = readNow(entry, into);
    if (performance.now() - began > LIBRARY.slowReadMs) {
      this.#careful = this.#slow;
      this.#slow = Math.min(2 * this.#slow, LIBRARY.slowReadsMax);
    } else this.#slow = LIBRARY.slowReads;
    return same;
  }

  close(): void {
    this.#handles.closeAll();
  }

  #readSlowly(entry: Readable, into: Uint8Array, position: number): Promise<boolean> {
    return this.#handles.with(entry.path, `${entry.identity} ${entry.path}`, async (handle) => {
      const done = await readFully(handle, into, position);
      const stats = await handle.stat({ bigint: true });
      return done === into.length && stats.isFile() && identityOf(stats) === entry.identity;
    });
  }
}

function readNow({ path, identity }: Readable, into: Uint8Array): boolean {
  const file = openSync(path, FLAGS);
  try {
    let done = 0;
    while (done < into.length) {
      const read = readSync(file, into, done, into.length - done, done);
      if (read === 0) return false;
      done += read;
    }
    const stats = fstatSync(file, { bigint: true });
    return stats.isFile() && identityOf(stats) === identity;
  } finally {
    closeSync(file);
  }
}
