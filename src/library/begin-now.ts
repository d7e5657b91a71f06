import {
  closeSync,
  constants,
  ftruncateSync,
  lstatSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeSync,
} from 'node:fs';

/** A download of which nothing is there yet, and what it needs before its first block. */
export interface BeginAsk {
  /** Downloads folder, as it was named. */
  readonly folder: string;
  /** Name that the file is to have in it. */
  readonly name: string;
  /** Name of the part while this process writes it. */
  readonly part: string;
  /** What all names begin with that belong to a download of this CID. */
  readonly prefix: string;
  /** Name and bytes of a new bitmap; null: none is kept. */
  readonly bitmap: { readonly name: string; readonly bytes: Uint8Array } | null;
  /** Bytes of the file. */
  readonly size: number;
}

/** The part, open to read and write, and empty; its descriptors belong to the whole process. */
export interface Begun {
  /** Real path of the folder. */
  readonly folder: string;
  readonly fd: number;
  readonly bitsFd: number | null;
}

/**
 * The plain beginning of a download in one go, for a thread in which calls may wait: its folder is there, nothing has its
 * name, nobody else fetches it, and there is room. Looks as `claim` does, before it makes the part and once more after.
 * Null where anything is otherwise, with nothing left behind: whoever asked then looks again step by step, and says why.
 */
export function beginNow({ folder: named, name, part, prefix, bitmap, size }: BeginAsk): Begun | null {
  const made: { readonly path: string; readonly fd: number }[] = [];
  try {
    const folder = realpathSync.native(named);
    const whole = folder === '/' ? '' : folder;
    const make = (base: string): number => {
      const path = `${whole}/${base}`;
      const { O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
      const fd = openSync(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0o666);
      made.push({ path, fd });
      return fd;
    };
    const others = (): boolean =>
      readdirSync(folder).some((other) => other !== part && other.startsWith(prefix));
    const { bavail, bsize } = statfsSync(folder);
    const taken = lstatSync(`${whole}/${name}`, { throwIfNoEntry: false }) !== undefined;
    if (taken || size > bavail * bsize || others()) return null;
    const fd = make(part);
    if (others()) return undo(made);
    ftruncateSync(fd, size);
    if (bitmap === null) return { folder, fd, bitsFd: null };
    const bitsFd = make(bitmap.name);
    if (writeSync(bitsFd, bitmap.bytes) !== bitmap.bytes.length) return undo(made);
    return { folder, fd, bitsFd };
  } catch {
    return undo(made);
  }
}

function undo(made: readonly { readonly path: string; readonly fd: number }[]): null {
  for (const { path, fd } of made) {
    try {
      rmSync(path, { force: true });
    } catch {
      // The disk refuses even that: it is swept at a later start.
    } finally {
      closeSync(fd);
    }
  }
  return null;
}
