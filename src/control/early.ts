import { setTimeout as delay } from 'node:timers/promises';
import { SWARM } from '../core/config.ts';
import type { Holding, Provider } from '../core/ports.ts';
import type { DownloadEvent, DownloadsPort } from '../core/transfer/ports.ts';

type Events = AsyncGenerator<DownloadEvent, void, undefined>;

interface Begun {
  readonly cid: string;
  readonly events: Events;
  readonly first: Promise<IteratorResult<DownloadEvent, void>>;
}

/**
 * What a `get` does before its search has ended: the disk gets ready for a file that somebody says to have, and the
 * download begins when it was shown, and not when the event of that has been through all who read it.
 */
export class Early {
  readonly #downloads: DownloadsPort;
  readonly #signal: AbortSignal;
  readonly #expected: (() => Promise<void>)[] = [];
  #begun: Begun | null = null;

  constructor(downloads: DownloadsPort, signal: AbortSignal | undefined) {
    this.#downloads = downloads;
    this.#signal = signal ?? new AbortController().signal;
  }

  readonly claimed = (file: Holding): void => {
    if (this.#expected.length >= SWARM.maxExpected) return;
    const forget = this.#downloads.expect?.(file);
    if (forget !== undefined) this.#expected.push(forget);
  };

  /** For a search whose first holder ends it, and that can find one file only. */
  readonly proved = (file: Holding, provider: Provider): void => {
    if (this.#begun !== null || this.#signal.aborted) return;
    const events = this.#downloads.fetch(file, [provider], this.#signal);
    const first = events.next();
    // Seen by whoever takes it.
    first.catch(() => undefined);
    this.#begun = { cid: file.cid, events, first };
  };

  /** The events of the download that began of this file; null where none did, or further holders are known. */
  take(cid: string, providers: readonly Provider[]): Events | null {
    const begun = this.#begun;
    if (begun?.cid !== cid || providers.length !== 1) return null;
    this.#begun = null;
    return rest(begun);
  }

  /** What nobody took is given up; resolves when nothing of it is left, or where the disk hangs, soon all the same. */
  async end(): Promise<void> {
    const begun = this.#begun;
    this.#begun = null;
    const ended = begun?.events.return().catch(() => undefined) ?? Promise.resolve();
    const left = [ended, ...this.#expected.map((forget) => forget())];
    const stop = new AbortController();
    const late = delay(SWARM.expectedMs, undefined, { signal: stop.signal }).catch(() => undefined);
    await Promise.race([Promise.all(left), late]);
    stop.abort();
  }
}

async function* rest({ events, first }: Begun): Events {
  try {
    for (let next = await first; next.done !== true; next = await events.next()) yield next.value;
  } finally {
    await events.return();
  }
}
