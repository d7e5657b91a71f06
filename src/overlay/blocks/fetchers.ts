import { labelOf } from '../../core/address.ts';
import { TOGETHER } from '../../core/config.ts';
import type { Provider } from '../../core/ports.ts';
import type { Random } from '../../core/random.ts';
import { Recent } from '../recent.ts';

export interface FetchersOptions {
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly random: Random;
  /** Multiaddrs at which this node itself reached the peer; what a peer says of itself is none. */
  readonly dialled: (peer: string) => readonly string[];
  /** Someone who fetches this may be fetched from. */
  readonly heard: (cid: string, provider: Provider) => void;
}

/** Who asks, and where its question comes from. */
export interface Asker {
  readonly peer: string;
  /** Multiaddr of its connection. */
  readonly from: string;
  /** Where it says it listens; 0: it gives nothing. */
  readonly port: number;
}

interface Fetcher {
  readonly provider: Provider;
  readonly until: number;
}

/**
 * Who fetches what from this node, and gives what it has by then: told to others who fetch the same, as a tracker does.
 * Only for what is shared with everybody. A peer can name a port and no host, and nothing of its hello is passed on: nobody
 * is sent to strangers by it.
 */
export class Fetchers {
  readonly #options: FetchersOptions;
  readonly #files = new Recent<string, Map<string, Fetcher>>(TOGETHER.maxFiles);

  constructor(options: FetchersOptions) {
    this.#options = options;
  }

  /** Notes the asker where it gives something, and gives some of the others, by chance where there are many. */
  ask(cid: string, asker: Asker): readonly Provider[] {
    const { now, heard, dialled } = this.#options;
    const host = hostOf(asker.from);
    if (host !== null && asker.port > 0) {
      const observed = `/${host.includes(':') ? 'ip6' : 'ip4'}/${host}/tcp/${asker.port}`;
      const reached = dialled(asker.peer).filter((address) => hostOf(address) !== null);
      const addresses = [...new Set([observed, ...reached.map(bare)])].slice(0, TOGETHER.addresses);
      const provider = { peer: asker.peer, label: labelOf(host, asker.port), addresses };
      const fetchers = this.#files.get(cid) ?? new Map<string, Fetcher>();
      this.#files.set(cid, fetchers);
      const [oldest] = fetchers.keys();
      fetchers.delete(asker.peer);
      if (fetchers.size >= TOGETHER.maxPeers && oldest !== undefined) fetchers.delete(oldest);
      fetchers.set(asker.peer, { provider, until: now() + TOGETHER.keepMs });
      heard(cid, provider);
    }
    return this.#others(cid, asker.peer, host !== null && /^(?:127\.|::1$)/.test(host));
  }

  /** Its connection has ended. */
  left(cid: string, peer: string): void {
    const fetchers = this.#files.get(cid);
    if (fetchers?.delete(peer) === true && fetchers.size === 0) this.#files.delete(cid);
  }

  /** `near`: the asker is on this machine. */
  #others(cid: string, peer: string, near: boolean): readonly Provider[] {
    const { now, random } = this.#options;
    const others: Provider[] = [];
    for (const { provider, until } of this.#files.get(cid)?.values() ?? []) {
      if (provider.peer === peer || until <= now()) continue;
      // From elsewhere the address of this machine to itself leads to somebody else.
      const addresses = near ? provider.addresses : provider.addresses.filter((one) => !LOOPBACK.test(one));
      if (addresses.length > 0) others.push({ ...provider, addresses });
    }
    for (let at = 0; at < Math.min(others.length, TOGETHER.told); at += 1) {
      const other = at + Math.floor(random() * (others.length - at));
      [others[at], others[other]] = [others[other] as Provider, others[at] as Provider];
    }
    return others.slice(0, TOGETHER.told);
  }
}

const LOOPBACK = /^\/(?:ip4\/127\.|ip6\/::1\/)/;

/** Where a connection comes from; null where that is a relay. */
export function hostOf(from: string): string | null {
  const [, host] = /^\/ip[46]\/([^/]+)\/tcp\/\d+(?:\/p2p\/[^/]+)?$/.exec(from) ?? [];
  // Sockets for both families say IPv4 addresses like this.
  return host?.replace(/^::ffff:(?=\d+\.)/i, '') ?? null;
}

function bare(address: string): string {
  return address.replace(/\/p2p\/[^/]+$/, '');
}
