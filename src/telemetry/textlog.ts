import { open, stat, type FileHandle } from 'node:fs/promises';
import { StringDecoder } from 'node:string_decoder';

/** Bytes read at once, and the longest line kept: ours are below 10 KiB, another program's file may be anything. */
const CHUNK = 64 * 1024;
const MAX_LINE_CHARS = 64 * 1024;

/** Which lines of combined_log.txt to show. */
export interface LineFilter {
  /** `YYYY-MM-DD HH:MM:SS`, local time: lines at or after it. Text order is time order. */
  readonly since: string | null;
  readonly grep: (line: string) => boolean;
}

const STAMPED = /^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}/;

export function lineMatches(line: string, { since, grep }: LineFilter): boolean {
  const time = STAMPED.exec(line)?.[0];
  return (since === null || (time !== undefined && time >= since)) && grep(line);
}

/** Reads whole lines from where it last stopped; starts anew in a file that was cut or replaced. */
export class LineReader {
  readonly #path: string;
  #file: FileHandle | null = null;
  #offset = 0;
  #rest = '';
  #decoder = new StringDecoder('utf8');

  constructor(path: string) {
    this.#path = path;
  }

  /** The complete lines that stand there now and were not read yet. Nothing where the file does not exist. */
  async *lines(): AsyncGenerator<string> {
    const file = await this.#current();
    if (file === null) return;
    const buffer = Buffer.alloc(CHUNK);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, CHUNK, this.#offset);
      if (bytesRead === 0) return;
      this.#offset += bytesRead;
      const parts = (this.#rest + this.#decoder.write(buffer.subarray(0, bytesRead))).split('\n');
      this.#rest = parts.pop() ?? '';
      yield* parts;
      if (this.#rest.length > MAX_LINE_CHARS) {
        yield this.#rest;
        this.#rest = '';
      }
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }

  async #current(): Promise<FileHandle | null> {
    const named = await stat(this.#path).catch(() => null);
    const held = await this.#file?.stat();
    if (held !== undefined && (named?.ino !== held.ino || named.size < this.#offset)) await this.close();
    if (this.#file === null && named !== null) {
      this.#file = await open(this.#path, 'r');
      this.#offset = 0;
      this.#rest = '';
      this.#decoder = new StringDecoder('utf8');
    }
    return this.#file;
  }
}
