import { SEARCH } from '../../core/config.ts';
import type { Provider } from '../../core/ports.ts';
import type { BlockSession } from '../../core/transfer/ports.ts';

/** Opens a way to a provider's blocks. */
type Open = (provider: Provider) => Promise<BlockSession>;

interface Asked {
  /** Null: refused, or nobody can be asked so. */
  readonly bytes: Promise<Uint8Array | null>;
  stop(): void;
}

/**
 * Files of one block that are asked for together with the question whether somebody has them: whoever has one shows it a
 * round trip earlier, and whoever has none refuses, which costs neither side more than that. Nothing of it is believed here.
 */
export class Foretold {
  readonly #open: Open;
  readonly #asked = new Map<string, Asked>();

  constructor(open: Open) {
    this.#open = open;
  }

  /** `cid` is the hash of its bytes; given up when `signal` is aborted, if nobody took it. */
  ask(provider: Provider, cid: string, signal: AbortSignal): void {
    const key = keyOf(provider.peer, cid);
    if (signal.aborted || this.#asked.has(key) || this.#asked.size >= SEARCH.provesAtOnce) return;
    let session: BlockSession | null = null;
    let over = false;
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
        return (await session.whole?.(cid)) ?? null;
      } catch {
        return null;
      } finally {
        await session?.close();
      }
    };
    const asked: Asked = { bytes: fetched(), stop };
    this.#asked.set(key, asked);
    signal.addEventListener('abort', stop, { once: true });
  }

  /**
   * What was asked of this peer, once: all bytes that it gave, unchecked; null where it gave none within
   * `SEARCH.confirmPatienceMs`, and it is no longer waited for.
   */
  async take(peer: string, cid: string): Promise<Uint8Array | null> {
    const asked = this.#asked.get(keyOf(peer, cid));
    if (asked === undefined) return null;
    const late = Promise.withResolvers<null>();
    const timer = setTimeout(() => late.resolve(null), SEARCH.confirmPatienceMs);
    try {
      return await Promise.race([asked.bytes, late.promise]);
    } finally {
      clearTimeout(timer);
      asked.stop();
    }
  }
}

function keyOf(peer: string, cid: string): string {
  return `${peer} ${cid}`;
}
