import type { Connection } from '@libp2p/interface';
import type { CID } from 'multiformats/cid';
import { BITSWAP } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import { sha256Of } from '../../core/transfer/cid.ts';
import { blockKey } from '../../core/transfer/unixfs.ts';
import { bitswapMessage, type BitswapWant } from '../../core/wire/bitswap.ts';
import { Outgoing } from './outgoing.ts';

/** A block that came, verified against the CID that was asked for; or word that the peer does not have it. */
export interface Arrival {
  readonly key: string;
  readonly block: Uint8Array | null;
}

/** One download from one IPFS node: asks for blocks by CID, and gets those that match, in any order. */
export class BitswapSession {
  readonly peer: string;
  readonly label: string;
  readonly connection: Connection;
  readonly #outgoing: Outgoing;
  /** Asked for and not here yet. */
  readonly #wanted = new Map<string, CID>();
  /** Here, and to be cancelled with the next message, as bitswap wants it. */
  #over: CID[] = [];
  readonly #arrivals: Arrival[] = [];
  #failed: Error | null = null;
  #wake: (() => void) | null = null;
  #sending: Promise<void> = Promise.resolve();

  constructor(connection: Connection, label: string) {
    this.peer = connection.remotePeer.toString();
    this.label = label;
    this.connection = connection;
    this.#outgoing = new Outgoing(connection);
  }

  /** Asks for blocks. What fails is thrown by `next`. */
  want(cids: readonly CID[]): void {
    if (cids.length === 0) return;
    const wants = [...this.#over.map((cid) => entry(cid, true)), ...cids.map((cid) => entry(cid, false))];
    this.#over = [];
    for (const cid of cids) this.#wanted.set(keyOf(cid), cid);
    this.#sending = this.#sending
      .then(() => this.#outgoing.send(bitswapMessage({ wants })))
      .catch((thrown: unknown) => this.fail(thrown instanceof Error ? thrown : new Error(String(thrown))));
  }

  /** Blocks asked for, and those that came and were not taken yet. */
  get pending(): number {
    return this.#wanted.size + this.#arrivals.length;
  }

  wants(key: string): boolean {
    return this.#wanted.has(key);
  }

  /** A block whose hash is `key`, or word that there is none. */
  arrived(arrival: Arrival): void {
    const cid = this.#wanted.get(arrival.key);
    if (cid === undefined) return;
    this.#wanted.delete(arrival.key);
    this.#over.push(cid);
    this.#arrivals.push(arrival);
    this.#wake?.();
  }

  fail(error: Error): void {
    this.#failed ??= error;
    this.#wake?.();
  }

  /** What came next; null where nothing came in time. @throws KelanaError, or why the connection broke */
  async next(timeoutMs: number, signal?: AbortSignal): Promise<Arrival | null> {
    if (this.#arrivals.length === 0 && this.#failed === null) await this.#wait(timeoutMs, signal);
    signal?.throwIfAborted();
    const arrival = this.#arrivals.shift();
    if (arrival !== undefined) return arrival;
    if (this.#failed !== null) throw this.#failed;
    return null;
  }

  /** Tells the peer that nothing more is wanted. */
  async close(): Promise<void> {
    const over = [...this.#over, ...this.#wanted.values()];
    this.#wanted.clear();
    await this.#sending;
    this.#wake?.();
    if (this.#failed !== null || this.connection.status !== 'open') {
      this.#outgoing.abort();
      return;
    }
    const wants = over.map((cid) => entry(cid, true));
    if (wants.length > 0) {
      const soon = AbortSignal.timeout(CLOSE_MS);
      await this.#outgoing.send(bitswapMessage({ wants }), soon).catch(() => undefined);
    }
    await this.#outgoing.close();
  }

  #wait(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', go);
        this.#wake = null;
        resolve();
      };
      const timer = setTimeout(go, timeoutMs);
      signal?.addEventListener('abort', go, { once: true });
      this.#wake = go;
      if (signal?.aborted === true) go();
    });
  }
}

/** ms for the last word to a peer: it is a courtesy. */
const CLOSE_MS = 1_000;

function entry(cid: CID, cancel: boolean): BitswapWant {
  return { cid: cid.bytes, priority: 1, cancel, kind: 'block', sendDontHave: !cancel };
}

/** @throws KelanaError for a CID of another hash, which nobody asks for */
function keyOf(cid: CID): string {
  const digest = sha256Of(cid);
  if (digest === null) throw new KelanaError('INTERNAL', { detail: 'a want for another hash than SHA-256' });
  return blockKey(digest);
}

/** Hashes that were wanted and are no more, so that a second copy on its way is no lie; and how much of that came. */
export class Lately {
  readonly #keys = new Set<string>();
  #bytes = 0;

  add(key: string): void {
    this.#keys.delete(key);
    const oldest = this.#keys.values().next().value;
    if (this.#keys.size >= BITSWAP.maxRecent && oldest !== undefined) this.#keys.delete(oldest);
    this.#keys.add(key);
  }

  /** Whether a block that nobody waits for may be passed over. */
  excuses(key: string, bytes: number): boolean {
    this.#bytes += bytes;
    return this.#keys.has(key) && this.#bytes <= BITSWAP.maxRepeatedBytes;
  }
}
