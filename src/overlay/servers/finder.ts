import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection } from '@libp2p/interface';
import { parsePeerAddress } from '../../core/address.ts';
import { OVERLAY, SERVER_GROUP } from '../../core/config.ts';
import type { Contact } from '../../core/wire/search-frames.ts';
import { openConnection, targetsOf } from '../contacts.ts';
import { Dht } from '../dht.ts';
import { createHost, type Host } from '../host.ts';
import { resolveAddress } from '../links.ts';
import { askPlace, type FoundServer } from './asking.ts';
import { recordName, type Group } from './proof.ts';

export interface ServerFinderOptions {
  readonly key: Uint8Array;
  /** Addresses of nodes of the overlay to begin with; asked for in each round, as servers on this machine come and go. */
  readonly peers: () => Promise<readonly string[]>;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** ms for one ask, and for a round; default of core/config.ts. */
  readonly pace?: { readonly askMs: number; readonly answerMs: number };
}

export interface FindServers {
  readonly servers: readonly FoundServer[];
  /** Nodes of the overlay that could be reached at all. */
  readonly reached: number;
}

interface Member {
  readonly contact: Contact;
  /** Rounds in a row without an answer. */
  missed: number;
}

/** What one round has so far; who answers later is remembered, and so is in the next one. */
interface Round {
  readonly group: Group;
  readonly found: Map<string, FoundServer>;
  readonly asked: Set<string>;
  reached: number;
}

/** Finds servers of a group in the overlay, as a guest: it listens nowhere, links to nobody and keeps nothing. */
export class ServerFinder {
  readonly #host: Host;
  readonly #dht: Dht;
  readonly #options: ServerFinderOptions;
  readonly #closed = new AbortController();
  /** Servers that proved to be of a group, by its name and their peer id. */
  readonly #members = new Map<string, Map<string, Member>>();
  /** Who answered at an address that was given. */
  readonly #given = new Map<string, string>();
  /** When the DHT was asked for a name, and ms until it is asked again. */
  readonly #looked = new Map<string, { readonly at: number; readonly waitMs: number }>();
  /** What is being asked of the DHT, one at a time for a name. */
  readonly #looks = new Map<string, Promise<void>>();
  readonly #pace: NonNullable<ServerFinderOptions['pace']>;

  private constructor(host: Host, options: ServerFinderOptions) {
    this.#host = host;
    this.#options = options;
    this.#pace = options.pace ?? SERVER_GROUP;
    this.#dht = new Dht({ host, now: options.now, lookAroundMs: [] });
  }

  static async start(options: ServerFinderOptions): Promise<ServerFinder> {
    const key = await generateKeyPair('Ed25519');
    const host = await createHost({ key, host: '127.0.0.1', port: 0, flag: '', guest: true, dht: true });
    return new ServerFinder(host, options);
  }

  /**
   * One round: asks those that are known, those at the given addresses, and now and then the DHT. Gives who has answered
   * after `answerMs` at the latest. Never rejects.
   */
  async find(name: string): Promise<FindServers> {
    const group = { name, key: this.#options.key };
    const round: Round = { group, found: new Map(), asked: new Set(), reached: 0 };
    const over = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(this.#pace.answerMs)]);
    const members = [...(this.#members.get(name)?.values() ?? [])];
    for (const { contact } of members) round.asked.add(contact.peer);
    const given = await this.#options.peers().catch((): readonly string[] => []);
    for (const address of this.#given.keys()) if (!given.includes(address)) this.#given.delete(address);
    const askMember = ({ contact }: Member) => {
      return () => this.#ask(round, () => this.#dial(contact), contact, over);
    };
    // Those that are likely to answer come first, as time may run out.
    await all(
      [
        ...members.filter(({ missed }) => missed === 0).map(askMember),
        ...given.map((address) => () => this.#ask(round, () => this.#dialGiven(address), null, over)),
        ...members.filter(({ missed }) => missed > 0).map(askMember),
      ],
      over,
    );
    if (round.reached > 0 && !this.#looks.has(name) && this.#isDue(name)) {
      const look = this.#look(round).finally(() => this.#looks.delete(name));
      this.#looks.set(name, look);
      await doneOrOver(look, over);
    }
    this.#age(name, round.found);
    return { servers: [...round.found.values()], reached: round.reached };
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await Promise.all(this.#looks.values());
    await this.#dht.stop();
    await this.#host.stop();
  }

  /** Never rejects: not reached, not a server or not of this group is not found, which is all there is to say. */
  async #ask(
    round: Round,
    connect: () => Promise<Connection>,
    known: Contact | null,
    over: AbortSignal,
  ): Promise<void> {
    const { group, found, asked } = round;
    const limit = AbortSignal.any([over, AbortSignal.timeout(this.#pace.askMs)]);
    try {
      const connection = await connect();
      round.reached += 1;
      const peer = connection.remotePeer.toString();
      if (known === null && asked.has(peer)) return;
      asked.add(peer);
      const server = await askPlace(this.#host, connection, group, limit);
      if (server === null) return;
      found.set(peer, server);
      const addresses = known?.addresses ?? [connection.remoteAddr.toString()];
      this.#remember(group.name, { peer, label: known?.label ?? peer, addresses });
    } catch {
      // As said above.
    }
  }

  /** Asks those that the DHT names; may last longer than its round. Never rejects. */
  async #look(round: Round): Promise<void> {
    const closed = this.#closed.signal;
    const contacts: Contact[] = [];
    const limit = AbortSignal.any([closed, AbortSignal.timeout(SERVER_GROUP.lookUpMs)]);
    await this.#dht.find({ kind: 'name', name: recordName(round.group) }, limit, (contact) => {
      if (!round.asked.has(contact.peer)) contacts.push(contact);
      round.asked.add(contact.peer);
    });
    await all(
      contacts.map((contact) => () => this.#ask(round, () => this.#dial(contact), contact, closed)),
      closed,
    );
  }

  async #dial(contact: Contact): Promise<Connection> {
    const open = openConnection(this.#host, contact.peer);
    return open ?? (await this.#host.dial(targetsOf(contact), { signal: this.#dialLimit() }));
  }

  async #dialGiven(address: string): Promise<Connection> {
    const peer = this.#given.get(address);
    const open = peer === undefined ? undefined : openConnection(this.#host, peer);
    if (open !== undefined) return open;
    const targets = await resolveAddress(parsePeerAddress(address));
    const connection = await this.#host.dial(targets, { signal: this.#dialLimit() });
    this.#given.set(address, connection.remotePeer.toString());
    return connection;
  }

  #dialLimit(): AbortSignal {
    const limit = Math.min(OVERLAY.dialTimeoutMs, this.#pace.askMs);
    return AbortSignal.any([this.#closed.signal, AbortSignal.timeout(limit)]);
  }

  /** Whether the DHT is to be asked again. It is not counted while its table is empty, as nobody could be asked. */
  #isDue(name: string): boolean {
    const now = this.#options.now();
    const last = this.#looked.get(name) ?? { at: -Infinity, waitMs: SERVER_GROUP.lookMinMs / 2 };
    if (this.#dht.size === 0 || now - last.at < last.waitMs) return false;
    this.#looked.set(name, { at: now, waitMs: Math.min(2 * last.waitMs, SERVER_GROUP.lookMaxMs) });
    return true;
  }

  #remember(name: string, contact: Contact): void {
    const members = this.#members.get(name) ?? new Map<string, Member>();
    this.#members.set(name, members);
    if (members.has(contact.peer) || members.size < SERVER_GROUP.most)
      members.set(contact.peer, { contact, missed: 0 });
  }

  #age(name: string, found: ReadonlyMap<string, FoundServer>): void {
    const members = this.#members.get(name);
    for (const [peer, member] of members ?? []) {
      member.missed = found.has(peer) ? 0 : member.missed + 1;
      if (member.missed >= SERVER_GROUP.forgetAfter) members?.delete(peer);
    }
  }
}

/** So many at once, in order, until it is over. */
async function all(tasks: readonly (() => Promise<void>)[], over: AbortSignal): Promise<void> {
  const next = tasks.values();
  const work = async (): Promise<void> => {
    for (const task of next) {
      if (over.aborted) return;
      await task();
    }
  };
  await doneOrOver(Promise.all(Array.from({ length: SERVER_GROUP.asksAtOnce }, work)), over);
}

async function doneOrOver(work: Promise<unknown>, over: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const stop = (): void => resolve();
  over.addEventListener('abort', stop, { once: true });
  if (over.aborted) stop();
  await Promise.race([work, promise]);
  // Some of these signals live as long as the balancer.
  over.removeEventListener('abort', stop);
}
