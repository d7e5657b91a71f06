import { mkdir, open as openFile, stat, type FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { KelanaEvent } from '../core/events.ts';
import type { Lang } from '../core/lang.ts';
import { renderLine, stamp } from '../core/render/line.ts';
import { createBatcher, type BatcherOptions, type Store } from './batcher.ts';
import type { Sink } from './hub.ts';

const NEWLINE = 0x0a;
/** A piece of a line that stays the same for so many looks, so many ms apart, is one that its writer left. */
const TORN_LOOKS = 3;
const TORN_MS = 20;
const TORN_MOST_LOOKS = 50;

interface Open {
  readonly file: FileHandle;
  readonly ino: number;
  readonly dev: number;
}

/**
 * The combined log file. Several processes append to it at once: each batch of whole lines is one write(2) on a
 * descriptor with O_APPEND, which Linux does under the file's lock, so that lines neither mix nor overwrite.
 * (NFS gives no such promise: there each machine needs a file of its own.)
 *
 * When the disk fills up within a batch, a piece of a line may be left; the next writer, whichever process it is,
 * first ends that piece with `…` and a newline, and its owner writes the line again whole.
 *
 * The file is not rotated here, as no process could do so without the others losing lines; it grows by about 100 B an
 * event. When it is moved or removed (logrotate, by hand) every process goes on in a new one at the next batch.
 */
export function createFileSink(options: Omit<BatcherOptions, 'name'> & { readonly lang: Lang }): Sink {
  return createBatcher(createFileStore(options.path, options.lang), { ...options, name: 'file' });
}

/** The store behind it; `localTime` is replaceable for tests. */
export function createFileStore(
  path: string,
  lang: Lang,
  localTime: (at: number) => string = createClock(),
): Store {
  let open: Open | null = null;
  /** Where the file ended after the last write, if nobody else wrote meanwhile; then with a whole line. */
  let ended = -1;

  /** The open file, and its size. Few calls: each costs as much as a hundred lines. */
  const current = async (): Promise<[FileHandle, number]> => {
    if (open !== null) {
      const named = await stat(path).catch(() => null);
      // No other file has its number while it is open.
      if (open.ino === named?.ino && open.dev === named.dev) return [open.file, named.size];
      const { file } = open;
      open = null;
      await file.close();
    }
    ended = -1;
    await mkdir(dirname(path), { recursive: true });
    const file = await openFile(path, 'a+');
    const { ino, dev, size } = await file.stat();
    open = { file, ino, dev };
    return [file, size];
  };

  return {
    write: async (events) => {
      const [file, size] = await current();
      const mend = size !== ended && (await endsTorn(file, size));
      let text = mend ? '…\n' : '';
      for (const event of events) text += lineOf(event, lang, localTime);
      const bytes = Buffer.from(text);
      ended = -1;
      const { bytesWritten } = await file.write(bytes, 0, bytes.length, null);
      if (bytesWritten === bytes.length) {
        ended = size + bytesWritten;
        return events.length;
      }
      // A short write: the lines before the last newline that got through are safe.
      const newlines = bytes.subarray(0, bytesWritten).reduce((n, byte) => n + (byte === NEWLINE ? 1 : 0), 0);
      return Math.max(0, newlines - (mend ? 1 : 0));
    },
    close: async () => {
      const file = open?.file;
      open = null;
      await file?.close();
    },
  };
}

/**
 * Whether the file ends within a line that nobody goes on with. While a write is under way in another process, the part
 * of it that is seen grows; a process that was put to sleep in the middle of one goes on within some ms.
 */
async function endsTorn(file: FileHandle, size: number): Promise<boolean> {
  const last = Buffer.alloc(1);
  let known = size;
  let same = 0;
  for (let looks = 0; looks < TORN_MOST_LOOKS; looks += 1) {
    if (known === 0) return false;
    const { bytesRead } = await file.read(last, 0, 1, known - 1);
    if (bytesRead === 1 && last[0] === NEWLINE) return false;
    if (same === TORN_LOOKS) return true;
    await sleep(TORN_MS);
    const { size: now } = await file.stat();
    same = now === known ? same + 1 : 0;
    known = now;
  }
  // Somebody writes all the time, and each write of theirs is whole before ours.
  return false;
}

function lineOf(event: KelanaEvent, lang: Lang, localTime: (at: number) => string): string {
  const time = localTime(event.at);
  try {
    return `${renderLine(event, lang, time)}\n`;
  } catch {
    // A field of the wrong type, which only a fault in an emitter can bring: say that an event is missing.
    return `${renderLine({ type: 'log.dropped', who: '?', sink: 'file', count: 1, at: event.at }, lang, time)}\n`;
  }
}

/** Local time, worked out once per second of log: asking for the time zone is the dearest part of a line. */
export function createClock(): (at: number) => string {
  let second = Number.NaN;
  let text = '';
  return (at) => {
    const asked = Math.floor(at / 1000);
    if (asked !== second) {
      second = asked;
      text = localStamp(at);
    }
    return text;
  };
}

/** `stamp` in the time zone of this process. */
export function localStamp(at: number): string {
  const offset = -new Date(at).getTimezoneOffset();
  return stamp(at, Number.isFinite(offset) ? offset : 0);
}
