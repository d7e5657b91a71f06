import { hash } from 'node:crypto';
import type { KadDHT, QueryEvent } from '@libp2p/kad-dht';
import type { PeerId } from '@libp2p/interface';
import type { CID } from 'multiformats/cid';
import { isLocalHost, labelOf } from '../core/address.ts';
import { DHT } from '../core/config.ts';
import type { Holding, Query } from '../core/ports.ts';
import { cidOf, parseCid, RAW } from '../core/transfer/cid.ts';
import type { Contact } from '../core/wire/search-frames.ts';
import { dialable } from './contacts.ts';
import { ASKED_FOR } from './dht-service.ts';
import type { Host } from './host.ts';
import { Publisher, type PublisherPace } from './publisher.ts';
import { forget, keepSurroundings, nearest, tableOf, type Table } from './surroundings.ts';

export interface DhtOptions {
  readonly host: Host;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Default of core/config.ts. */
  readonly pace?: PublisherPace;
  /** ms after the first node is known at which this one looks for its surroundings (some 20 dials each); default of core/config.ts. */
  readonly lookAroundMs?: readonly number[];
}

export interface FindResult {
  /** Requests that were sent. */
  readonly messages: number;
  /** Why the look-up is not whole; absent where it ended by itself or was stopped. */
  readonly error?: string;
}

/** The key of a query in the DHT; null of what a DHT cannot find. */
export function dhtKey(query: Query): CID | null {
  if (query.kind === 'cid') {
    const parsed = parseCid(query.cid);
    return parsed === null ? null : cidOf(parsed.codec, parsed.digest);
  }
  return query.kind === 'name' ? nameKey(query.name) : null;
}

function nameKey(name: string): CID {
  const base = name.slice(name.lastIndexOf('/') + 1).normalize('NFC');
  return cidOf(RAW, hash('sha256', `kelana:name:${base}`, 'buffer'));
}

/** Provider records of this node's files, and look-ups of others'. On a host without a DHT it does and finds nothing. */
export class Dht {
  readonly #host: Host;
  readonly #service: KadDHT | undefined;
  readonly #table: Table | null;
  readonly #publisher: Publisher;
  readonly #stopped = new AbortController();
  /** Looks for the surroundings, one after the other. */
  readonly #looking: Promise<void>;

  constructor({ host, now, pace, lookAroundMs = DHT.lookAroundMs }: DhtOptions) {
    this.#host = host;
    this.#service = host.services.dht;
    this.#table = tableOf(this.#service);
    this.#publisher = new Publisher({
      now,
      ...(pace === undefined ? {} : { pace }),
      known: () => this.size,
      publish: (key, signal) => this.#publish(key, signal),
      forget: async (key) => this.#service?.cancelReprovide(key),
    });
    this.#looking =
      this.#service === undefined || this.#table === null || lookAroundMs.length === 0
        ? Promise.resolve()
        : keepSurroundings({
            host,
            service: this.#service,
            table: this.#table,
            times: lookAroundMs,
            signal: this.#stopped.signal,
          });
  }

  /** Nodes in the routing table. */
  get size(): number {
    return this.#table?.size ?? 0;
  }

  /** Keys of this node that some node has taken, and those that still wait. */
  get published(): { readonly done: number; readonly waiting: number } {
    return this.#publisher.state;
  }

  /**
   * Publishes what is shared from now on: CID and base name of each file, the newest (last) files first, at most
   * `DHT.maxKeys` keys. What is shared no more is not published again, and its records expire. `names` come before all.
   */
  setFiles(holdings: readonly Holding[], names: readonly string[] = []): void {
    const queries = function* (): Generator<Query> {
      for (const name of names) yield { kind: 'name', name };
      for (let at = holdings.length - 1; at >= 0; at -= 1) {
        const holding = holdings[at];
        if (holding === undefined) continue;
        yield { kind: 'cid', cid: holding.cid };
        yield { kind: 'name', name: holding.name };
      }
    };
    this.provide(queries());
  }

  /** Publishes these and nothing else from now on, the first first. */
  provide(queries: Iterable<Query>): void {
    if (this.#service === undefined) return;
    this.#publisher.set(queries, dhtKey);
  }

  /**
   * Names peers that have published the query's CID or name, each once, as they are heard of; hearsay until they were
   * asked. Ends when nobody closer is left to ask, at `DHT.findMs`, or when the signal says so. Never rejects.
   */
  async find(query: Query, signal: AbortSignal, onProvider: (contact: Contact) => void): Promise<FindResult> {
    const key = dhtKey(query);
    if (this.#service === undefined || key === null) return { messages: 0 };
    const late = AbortSignal.timeout(DHT.findMs);
    const limit = AbortSignal.any([signal, late, this.#stopped.signal]);
    const named = new Set<string>([this.#host.peerId.toString()]);
    let messages = 0;
    try {
      for await (const event of this.#service.findProviders(key, { signal: limit, onProgress: ASKED_FOR })) {
        if (limit.aborted) break;
        if (event.name === 'SEND_QUERY') messages += 1;
        this.#watch(event, limit);
        if (event.name !== 'PROVIDER') continue;
        for (const { id, multiaddrs } of event.providers) {
          const contact = contactOf(id, multiaddrs.map(String));
          if (named.has(contact.peer) || named.size > DHT.maxProviders) continue;
          if (contact.addresses.length === 0) continue;
          named.add(contact.peer);
          onProvider(contact);
        }
        if (named.size > DHT.maxProviders) break;
      }
    } catch (thrown) {
      if (!limit.aborted)
        return { messages, error: thrown instanceof Error ? thrown.message : String(thrown) };
    }
    return late.aborted && !signal.aborted ? { messages, error: 'time' } : { messages };
  }

  /** The nodes of the table that are nearest to this one, at most `DHT.k`: how dense they lie tells how many nodes there are. */
  closest(): readonly string[] {
    return this.#table === null ? [] : nearest(this.#host, this.#table).map(String);
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all([this.#publisher.stop(), this.#looking]);
  }

  /** How many nodes took the record. */
  async #publish(key: CID, signal: AbortSignal): Promise<number> {
    let taken = 0;
    if (this.#service === undefined) return taken;
    for await (const event of this.#service.provide(key, { signal, onProgress: ASKED_FOR })) {
      if (event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER') taken += 1;
      this.#watch(event, signal);
    }
    return taken;
  }

  #watch(event: QueryEvent, limit: AbortSignal): void {
    if (event.name !== 'QUERY_ERROR' || limit.aborted || this.#table === null) return;
    forget(this.#host, this.#table, event.from).catch(() => undefined);
  }
}

function contactOf(id: PeerId, multiaddrs: readonly string[]): Contact {
  const addresses = dialable(multiaddrs);
  const places = addresses.map((address) => {
    const [, , host = '', , port = ''] = address.split('/');
    return { host, port: Number(port) };
  });
  // What is `localhost` to the provider may be another machine to this one.
  const place = places.find(({ host }) => !isLocalHost(host)) ?? places[0];
  return {
    peer: id.toString(),
    label: place === undefined ? id.toString() : labelOf(place.host, place.port),
    addresses,
  };
}
