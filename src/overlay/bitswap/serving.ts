import type { Connection } from '@libp2p/interface';
import { BITSWAP } from '../../core/config.ts';
import type { Emit } from '../../core/events.ts';
import type { SharedBlocksPort } from '../../core/ports.ts';
import { Ledger } from '../../core/transfer/ledger.ts';
import { bitswapMessage, type BitswapBlock, type BitswapMessage } from '../../core/wire/bitswap.ts';
import { Outgoing } from './outgoing.ts';
import { Turns } from './turns.ts';

export interface ServingOptions {
  readonly blocks: SharedBlocksPort;
  readonly emit: Emit;
  readonly who: string;
  readonly now: () => number;
  readonly labelOf: (connection: Connection) => string;
}

/** A peer that wants something, for as long as it is connected. */
interface Customer {
  readonly ledger: Ledger;
  connection: Connection;
  /** Answers are being sent. */
  busy: boolean;
  /** ms, before which it gets no blocks. */
  notBefore: number;
  /** What it got since the last report: bytes by file, at most `MAX_REPORTED` files. */
  readonly sent: Map<string, { readonly name: string; bytes: number }>;
}

const MAX_REPORTED = 64;

/** Answers wants with blocks of what is shared, and with word of what is and is not. */
export class Serving {
  readonly #options: ServingOptions;
  readonly #customers = new Map<string, Customer>();
  readonly #turns = new Turns(BITSWAP.maxServed);
  readonly #closed = new AbortController();
  readonly #work = new Set<Promise<void>>();

  constructor(options: ServingOptions) {
    this.#options = options;
  }

  /** Peers that are remembered, and blocks that wait to be sent to all of them. */
  get size(): { readonly peers: number; readonly owed: number } {
    let owed = 0;
    for (const { ledger } of this.#customers.values()) owed += ledger.size;
    return { peers: this.#customers.size, owed };
  }

  /** @throws KelanaError PEER_PROTOCOL */
  take(peer: string, connection: Connection, message: BitswapMessage): void {
    if (message.wants.length === 0 && !message.full) return;
    const customer = this.#customer(peer, connection);
    if (customer === null) return;
    customer.ledger.take(message);
    if (customer.busy || customer.ledger.idle || this.#closed.signal.aborted) return;
    customer.busy = true;
    const work: Promise<void> = this.#serve(peer, customer).finally(() => this.#work.delete(work));
    this.#work.add(work);
  }

  gone(peer: string): void {
    this.#customers.get(peer)?.ledger.clear();
    this.#customers.delete(peer);
  }

  async stop(): Promise<void> {
    this.#closed.abort();
    for (const peer of this.#customers.keys()) this.gone(peer);
    await Promise.all(this.#work);
  }

  #customer(peer: string, connection: Connection): Customer | null {
    const { blocks } = this.#options;
    const known = this.#customers.get(peer);
    if (known !== undefined) {
      known.connection = connection;
      return known;
    }
    if (this.#customers.size >= BITSWAP.maxPeers) return null;
    const ledger = new Ledger({
      find: (digest) => blocks.find(digest)?.size,
      room: () => this.size.owed < BITSWAP.maxQueued,
    });
    const customer = { ledger, connection, busy: false, notBefore: 0, sent: new Map() };
    this.#customers.set(peer, customer);
    return customer;
  }

  /** Never rejects: a peer that cannot be told loses what it asked for, and may ask again. */
  async #serve(peer: string, customer: Customer): Promise<void> {
    const { ledger } = customer;
    const outgoing = new Outgoing(customer.connection);
    try {
      while (!ledger.idle && !this.#closed.signal.aborted) {
        if (this.#options.now() < customer.notBefore) {
          ledger.clear();
          break;
        }
        await this.#turns.run(() => this.#answer(customer, outgoing));
      }
      await outgoing.close();
    } catch {
      ledger.clear();
      outgoing.abort();
      customer.notBefore = this.#options.now() + BITSWAP.slowMs;
    } finally {
      customer.busy = false;
      this.#report(customer);
      if (customer.connection.status !== 'open' && this.#customers.get(peer) === customer) this.gone(peer);
    }
  }

  async #answer(customer: Customer, outgoing: Outgoing): Promise<void> {
    const { ledger } = customer;
    const blocks: BitswapBlock[] = [];
    let bytes = 0;
    while (bytes < BITSWAP.batchBytes) {
      const owed = ledger.next();
      if (owed === null) break;
      const found = this.#options.blocks.find(owed.digest);
      const data = (await found?.read()) ?? null;
      if (found === null || data === null) {
        ledger.missing(owed);
        continue;
      }
      blocks.push({ prefix: owed.prefix, data });
      bytes += data.length;
      const { cid, name } = found.file;
      const sent = customer.sent.get(cid);
      if (sent !== undefined) sent.bytes += data.length;
      else if (customer.sent.size < MAX_REPORTED) customer.sent.set(cid, { name, bytes: data.length });
    }
    const presences = ledger.presences();
    if (blocks.length === 0 && presences.length === 0) return;
    await outgoing.send(bitswapMessage({ blocks, presences }), this.#closed.signal);
  }

  #report({ sent, connection }: Customer): void {
    const { emit, who, labelOf } = this.#options;
    for (const { name, bytes } of sent.values())
      emit({ type: 'file.sent', who, to: labelOf(connection), name, bytes });
    sent.clear();
  }
}
