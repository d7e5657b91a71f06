import { TRANSFER } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import type { Provider } from '../../core/ports.ts';
import { memoryOf, type BlockSession } from '../../core/transfer/ports.ts';

interface Kept {
  readonly bytes: Uint8Array;
  readonly timer: NodeJS.Timeout;
}

/**
 * Files of one block that holders have just shown to a search, which hashed them: the download that follows need not ask
 * for the same once more. Small and short-lived: `TRANSFER.shownBytes` and `shownMs`, and each is given out once.
 */
export class Shown {
  readonly #kept = new Map<string, Kept>();
  #bytes = 0;

  /** `bytes` are the whole file with this CID, as `peer` gave them. */
  keep(peer: string, cid: string, bytes: Uint8Array): void {
    const key = keyOf(peer, cid);
    this.#take(key);
    if (bytes.length > TRANSFER.shownBytes) return;
    for (const oldest of this.#kept.keys()) {
      if (this.#bytes + bytes.length <= TRANSFER.shownBytes) break;
      this.#take(oldest);
    }
    const timer = setTimeout(() => this.#take(key), TRANSFER.shownMs);
    timer.unref();
    this.#kept.set(key, { bytes, timer });
    this.#bytes += bytes.length;
  }

  /** A session that gives it, once and without the network; null where nothing is kept of that. */
  open({ peer, label }: Provider, cid: string): BlockSession | null {
    const bytes = this.#take(keyOf(peer, cid));
    return bytes === null ? null : sessionOf(peer, label, bytes);
  }

  stop(): void {
    for (const key of this.#kept.keys()) this.#take(key);
  }

  #take(key: string): Uint8Array | null {
    const kept = this.#kept.get(key);
    if (kept === undefined) return null;
    clearTimeout(kept.timer);
    this.#kept.delete(key);
    this.#bytes -= kept.bytes.length;
    return kept.bytes;
  }
}

function keyOf(peer: string, cid: string): string {
  return `${peer} ${cid}`;
}

function sessionOf(peer: string, label: string, whole: Uint8Array): BlockSession {
  let left: Uint8Array | null = whole;
  return {
    peer,
    label,
    via: 'stream',
    manifest: () => Promise.resolve([]),
    nodes: () => Promise.resolve(),
    root: () => Promise.resolve(new Uint8Array(0)),
    node: () => Promise.resolve(new Uint8Array(0)),
    have: () => Promise.resolve(null),
    block: (cid, _index, into) => {
      const bytes = left;
      left = null;
      // Whoever wants it again opens a session with the provider itself.
      if (bytes?.length !== into.length)
        return Promise.reject(new KelanaError('TRANSFER_FAILED', { name: cid, why: 'it was given already' }));
      memoryOf(into).set(bytes);
      return Promise.resolve();
    },
    close: () => Promise.resolve(),
    abort: () => undefined,
  };
}
