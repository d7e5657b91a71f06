import { SWARM } from '../core/config.ts';
import type { Holding } from '../core/ports.ts';
import type { IncomingFile } from '../core/transfer/ports.ts';

/** Begins a file on the disk where that is plain; null where it is not. */
export type BeginAhead = (file: Holding) => Promise<IncomingFile | null>;

interface Begun {
  readonly file: Holding;
  readonly into: Promise<IncomingFile | null>;
  readonly timer: NodeJS.Timeout;
}

/**
 * Files that somebody says to have, and shows just now: the disk gets ready while the network is waited for. Few and
 * short-lived (`SWARM.maxExpected`, `expectedMs`), as nothing is proved yet; what no download takes leaves nothing behind.
 */
export class Ahead {
  readonly #begin: BeginAhead | undefined;
  readonly #begun = new Map<string, Begun>();
  /** Of those that are being taken back; until that is done, their part is in the way. */
  readonly #leaving = new Map<string, Promise<void>>();

  constructor(begin: BeginAhead | undefined) {
    this.#begin = begin;
  }

  begin(file: Holding): void {
    const { cid } = file;
    if (this.#begin === undefined || this.#begun.size >= SWARM.maxExpected || this.#begun.has(cid)) return;
    if (this.#leaving.has(cid)) return;
    // Whatever is wrong, the download finds it again, and says so.
    const into = this.#begin(file).catch(() => null);
    const timer = setTimeout(() => void this.drop(cid), SWARM.expectedMs);
    timer.unref();
    this.#begun.set(cid, { file, into, timer });
  }

  /** For the download; null where nothing was begun, or not for a file of this name and size. */
  async take({ cid, name, size }: Holding): Promise<IncomingFile | null> {
    const begun = this.#forget(cid);
    if (begun === undefined) {
      await this.#leaving.get(cid);
      return null;
    }
    const into = await begun.into;
    if (into === null || (begun.file.name === name && begun.file.size === size)) return into;
    await into.abort();
    return null;
  }

  /** Nothing comes of it. Resolves when nothing is left of it. */
  async drop(cid: string): Promise<void> {
    const begun = this.#forget(cid);
    if (begun !== undefined) {
      const left = begun.into.then((into) => into?.abort());
      this.#leaving.set(cid, left);
      void left.finally(() => this.#leaving.delete(cid));
    }
    await this.#leaving.get(cid);
  }

  #forget(cid: string): Begun | undefined {
    const begun = this.#begun.get(cid);
    if (begun === undefined) return undefined;
    clearTimeout(begun.timer);
    this.#begun.delete(cid);
    return begun;
  }
}
