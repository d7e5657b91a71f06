import { SEARCH } from '../../core/config.ts';
import type { Provider } from '../../core/ports.ts';
import type { BlockSession } from '../../core/transfer/ports.ts';

/** Opens a way to a provider's blocks. */
type Open = (provider: Provider) => Promise<BlockSession>;

interface Asked {
  /** Null: refused, or nobody can be asked so. */
  readonly bytes: Promise<Uint8Array | null>;
  coming(): boolean;
  stop(): void;
}

/**
 * Files of one block that are asked for together with the question whether somebody has them: whoever has one shows it a
 * round trip earlier, and whoever has none refuses, which costs neither side more than that. Nothing of it is believed here.
 */
export class Foretold {
  readonly #open: Open;
  readonly #patienceMs: number;
  readonly #asked = new Map<string, Asked>();

  constructor(open: Open, patienceMs: number = SEARCH.confirmTimeoutMs) {
    this.#open = open;
    this.#patienceMs = patienceMs;
  }

  /** `cid` is the hash of its bytes; given up when `signal` is aborted, if nobody took it. */
  ask(provider: Provider, cid: string, signal: AbortSignal): void {
    const key = keyOf(provider.peer, cid);
    if (signal.aborted || this.#asked.has(key) || this.#asked.size >= SEARCH.provesAtOnce) return;
    let session: BlockSession | null = null;
    let [over, coming] = [false, false];
    const stop = (): void => {
      over = true;
      session?.abort('given up');
      signal.removeEventListener('abort', stop);
      if (this.#asked.get(key) === asked) this.#asked.delete(key);
    };
    const fetched = async (): Promise<Uint8Array | null> => {
      try {
        session = await this.#open(provider);
        if (over) return null;
        return (await session.whole?.(cid, () => (coming = true))) ?? null;
      } catch {
        return null;
      } finally {
        await session?.close();
      }
    };
    const asked: Asked = { bytes: fetched(), coming: () => coming, stop };
    this.#asked.set(key, asked);
    // Who refused keeps no place.
    void asked.bytes.then((bytes) => bytes ?? stop());
    signal.addEventListener('abort', stop, { once: true });
  }

  /**
   * What was asked of this peer, once: all bytes that it gave, unchecked; null where it was not asked, or refused; `silent`
   * where nothing came within `SEARCH.confirmTimeoutMs`, or not all of it before `limit` was aborted. What is on its way is never
   * given up for another question: it would only come twice.
   */
  async take(peer: string, cid: string, limit: AbortSignal): Promise<Uint8Array | 'silent' | null> {
    const asked = this.#asked.get(keyOf(peer, cid));
    if (asked === undefined) return null;
    const late = Promise.withResolvers<'silent'>();
    const end = (): void => late.resolve('silent');
    const timer = setTimeout(() => asked.coming() || end(), this.#patienceMs);
    limit.addEventListener('abort', end, { once: true });
    try {
      return limit.aborted ? 'silent' : await Promise.race([asked.bytes, late.promise]);
    } finally {
      clearTimeout(timer);
      limit.removeEventListener('abort', end);
      asked.stop();
    }
  }
}

function keyOf(peer: string, cid: string): string {
  return `${peer} ${cid}`;
}
