import { BITSWAP } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { BitswapMessage, BitswapPresence, BitswapWant } from '../wire/bitswap.ts';
import { decodeCid, prefixOf, sha256Of } from './cid.ts';
import { blockKey } from './unixfs.ts';

/** A block that a peer is to be sent. */
export interface Owed {
  readonly digest: Uint8Array;
  /** As the peer wrote it. */
  readonly cid: Uint8Array;
  readonly prefix: Uint8Array;
  readonly priority: number;
  readonly sendDontHave: boolean;
}

export interface LedgerOptions {
  /** Bytes of a block that is shared, null where that is not known yet; undefined where it is not shared. */
  find(digest: Uint8Array): number | null | undefined;
  /** Whether one more block may be owed, by all ledgers together. */
  room(): boolean;
}

/**
 * What one peer wants and is to be told. Wants for what is not shared are answered and forgotten: whoever asks again
 * later is answered then. So nothing here grows but by what this node has, and within `BITSWAP`.
 */
export class Ledger {
  readonly #options: LedgerOptions;
  readonly #owed = new Map<string, Owed>();
  readonly #presences: BitswapPresence[] = [];

  constructor(options: LedgerOptions) {
    this.#options = options;
  }

  /** Blocks to be sent. */
  get size(): number {
    return this.#owed.size;
  }

  get idle(): boolean {
    return this.#owed.size === 0 && this.#presences.length === 0;
  }

  /** @throws KelanaError PEER_PROTOCOL for a want without a CID */
  take({ wants, full }: BitswapMessage): void {
    if (full) this.#owed.clear();
    for (const want of wants) this.#want(want);
  }

  /** What is to be told now. */
  presences(): readonly BitswapPresence[] {
    return this.#presences.splice(0);
  }

  /** The next block to send: of the highest priority, then the one wanted first. It is owed no more. */
  next(): Owed | null {
    let best: string | null = null;
    let priority = -Infinity;
    for (const [key, owed] of this.#owed) {
      if (owed.priority <= priority) continue;
      best = key;
      priority = owed.priority;
    }
    if (best === null) return null;
    const owed = this.#owed.get(best) ?? null;
    this.#owed.delete(best);
    return owed;
  }

  /** The block could not be read after all. */
  missing({ cid, sendDontHave }: Owed): void {
    this.#tell({ cid, have: false }, sendDontHave);
  }

  clear(): void {
    this.#owed.clear();
    this.#presences.length = 0;
  }

  #want({ cid: bytes, priority, cancel, kind, sendDontHave }: BitswapWant): void {
    const cid = decodeCid(bytes);
    if (cid === null)
      throw new KelanaError('PEER_PROTOCOL', {
        peer: '',
        why: { id: 'keinginan tanpa CID yang sah', en: 'a want without a valid CID' },
      });
    const digest = sha256Of(cid);
    const key = digest === null ? '' : blockKey(digest);
    if (cancel) {
      this.#owed.delete(key);
      return;
    }
    // Views of the message would keep all of it in memory.
    const own = bytes.slice();
    const size = digest === null ? undefined : this.#options.find(digest);
    if (digest === null || size === undefined) {
      this.#tell({ cid: own, have: false }, sendDontHave);
      return;
    }
    const small = size !== null && size <= BITSWAP.haveAsBlockBytes;
    if (kind === 'have' && !small) {
      this.#tell({ cid: own, have: true }, true);
      return;
    }
    const known = this.#owed.has(key);
    if (!known && (this.#owed.size >= BITSWAP.maxQueuedPerPeer || !this.#options.room())) {
      // It will not be sent: the peer had better ask somebody else than wait.
      this.#tell({ cid: own, have: kind === 'have' }, sendDontHave || kind === 'have');
      return;
    }
    this.#owed.set(key, { digest: digest.slice(), cid: own, prefix: prefixOf(cid), priority, sendDontHave });
  }

  #tell(presence: BitswapPresence, wanted: boolean): void {
    if (wanted && this.#presences.length < BITSWAP.maxPresences) this.#presences.push(presence);
  }
}
