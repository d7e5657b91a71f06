import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { LIBRARY } from '../core/config.ts';
import { readFully } from './files.ts';
import { Handles } from './handles.ts';
import { identityOf, isTouched } from './identity.ts';

/** A file as it was when it was hashed; `root` is what `isRemote` is asked about. */
export interface Readable {
  readonly path: string;
  readonly size: number;
  readonly identity: string;
  readonly root: string;
}

/**
 * What a look after a read says: it is what was hashed, or no longer; `touched`: no more than the bytes themselves tell.
 */
export type Seen = boolean | 'touched';

const FLAGS = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Reads shared files for those who ask. A file of one small block is read at once, in four calls that take some 15 µs
 * together where the disk's cache has it; handing each to another thread would take five times as long. As soon as one
 * such read was slow, the next ones go by the thread pool, so that a slow disk holds up the node once in a while only.
 */
export class Reading {
  readonly #handles = new Handles();
  readonly #small = new Care(LIBRARY.slowReads);
  /** One in a row was slow, most likely as something else had the core: what is read on and on shows it soon again. */
  readonly #pieces = new Care(1);
  readonly #isRemote: (root: string) => boolean;
  /** Of the file that was read last. */
  #key = { identity: '', path: '', key: '' };

  /** `isRemote` says of a shared folder's key that its file system may not answer. */
  constructor(isRemote: (root: string) => boolean) {
    this.#isRemote = isRemote;
  }

  /**
   * Fills `into` from a file, and says whether it is what was hashed. The look after the read tells all that one before
   * it would: an identity never comes back.
   * @throws what the file system throws
   */
  read(entry: Readable, into: Uint8Array, position: number): Seen | Promise<Seen> {
    const small = entry.size <= LIBRARY.smallBytes && into.length === entry.size;
    if (!small || this.#isRemote(entry.root)) return this.#readSlowly(entry, into, position);
    return this.#small.timed(() => readNow(entry, into)) ?? this.#readSlowly(entry, into, position);
  }

  /** A file of one small block, at once: false where it is not what was hashed, cannot be read, or was slow lately. */
  small(entry: Readable, into: Uint8Array): boolean {
    if (!this.#small.ready || this.#isRemote(entry.root)) return false;
    try {
      return this.#small.timed(() => readNow(entry, into)) === true;
    } catch {
      return false;
    }
  }

  /**
   * A piece of a file that is read on and on, at once: false where the file is not open yet, is no longer what was
   * hashed, cannot be read, or was slow lately. `read` then says what it is.
   */
  now(entry: Readable, into: Uint8Array, position: number): boolean {
    const fd = this.#isRemote(entry.root) ? null : this.#handles.open(this.#keyOf(entry));
    if (fd === null) return false;
    try {
      return this.#pieces.timed(() => readOpen(fd, entry, into, position)) === true;
    } catch {
      return false;
    }
  }

  close(): void {
    this.#handles.closeAll();
  }

  #keyOf({ identity, path }: Readable): string {
    const last = this.#key;
    if (last.identity !== identity || last.path !== path)
      this.#key = { identity, path, key: keyOf({ identity, path }) };
    return this.#key.key;
  }

  #readSlowly(entry: Readable, into: Uint8Array, position: number): Promise<Seen> {
    return this.#handles.with(entry.path, keyOf(entry), async (handle) => {
      const done = await readFully(handle, into, position);
      const stats = await handle.stat({ bigint: true });
      return done === into.length && stats.isFile() && compare(entry.identity, identityOf(stats));
    });
  }
}

/** Reads at once, unless that was slow lately: then some go by the thread pool, and twice as many each time. */
export class Care {
  readonly #least: number;
  #careful = 0;
  #slow: number;

  constructor(least: number) {
    this.#least = least;
    this.#slow = least;
  }

  /** It was not slow lately. Asking is no turn of those that it waits for. */
  get ready(): boolean {
    return this.#careful === 0;
  }

  /** null where it was slow lately. */
  timed(read: () => Seen): Seen | null {
    if (this.#careful > 0) {
      this.#careful -= 1;
      return null;
    }
    const began = performance.now();
    const done = read();
    if (performance.now() - began > LIBRARY.slowReadMs) {
      this.#careful = this.#slow;
      this.#slow = Math.min(2 * this.#slow, LIBRARY.slowReadsMax);
    } else this.#slow = Math.max(this.#least, this.#slow >> 1);
    return done;
  }
}

function keyOf({ identity, path }: Pick<Readable, 'identity' | 'path'>): string {
  return `${identity} ${path}`;
}

function compare(before: string, now: string): Seen {
  return isTouched(before, now) ? 'touched' : before === now;
}

function readNow(entry: Readable, into: Uint8Array): Seen {
  const file = openSync(entry.path, FLAGS);
  try {
    return readOpen(file, entry, into, 0);
  } finally {
    closeSync(file);
  }
}

function readOpen(file: number, { identity }: Readable, into: Uint8Array, position: number): Seen {
  for (let done = 0; done < into.length;) {
    const read = readSync(file, into, done, into.length - done, position + done);
    if (read === 0) return false;
    done += read;
  }
  const stats = fstatSync(file, { bigint: true });
  return stats.isFile() && compare(identity, identityOf(stats));
}
