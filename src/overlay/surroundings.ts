import { hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { PeerId } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import { DHT, OVERLAY } from '../core/config.ts';
import { ASKED_FOR } from './dht-service.ts';
import type { Host } from './host.ts';
import { keyOf } from './keys.ts';

export interface Surroundings {
  readonly host: Host;
  readonly service: KadDHT;
  readonly table: Table;
  /** ms after the first node is known; then every `DHT.lookAgainMs`. */
  readonly times: readonly number[];
  readonly signal: AbortSignal;
}

/** ms between looks whether a first node is known. */
const WAIT_MS = 100;
/** Times in a row that those nearest are asked for who is nearer still. */
const ROUNDS = 3;

/**
 * Keeps the nodes that are nearest to this one in its table: where they are known, look-ups of others end at the right
 * nodes, and their distance tells the size of the network. kad-dht alone asks only nodes that are ever nearer, and
 * hears of the rest without meeting them. Ends with the signal; never rejects.
 */
export async function keepSurroundings({ host, service, table, times, signal }: Surroundings): Promise<void> {
  const wait = (ms: number): Promise<void> => delay(ms, undefined, { signal, ref: false });
  try {
    while (table.size === 0) await wait(WAIT_MS);
    for (let at = 0; ; at += 1) {
      const ms = (times[at] ?? DHT.lookAgainMs) - (at < times.length ? (times[at - 1] ?? 0) : 0);
      // Nodes that started together do not look at the same moment.
      await wait(ms * (0.75 + 0.5 * Math.random()));
      const limit = AbortSignal.any([signal, AbortSignal.timeout(DHT.lookMs)]);
      for (let round = 0; round < ROUNDS; round += 1)
        if (!(await look(host, service, table, limit).catch(() => false))) break;
    }
  } catch {
    // Stopped while it waited.
  }
}

/** The nodes of the table that are nearest to this one, nearest first, at most `DHT.k`. */
export function nearest(host: Host, table: Table): readonly PeerId[] {
  const own = hash('sha256', host.peerId.toMultihash().bytes, 'buffer');
  return table.closestPeers(own, { count: DHT.k });
}

/**
 * Takes a peer that did not answer out of the table; kad-dht would go on asking it. One with an open connection is
 * slow, not gone, and stays.
 */
export async function forget(host: Host, table: Table, peer: PeerId): Promise<void> {
  if (host.getConnections(peer).length === 0) await table.remove(peer);
}

/** Asks the nearest for nearer ones and meets those; false where there were none. */
async function look(host: Host, service: KadDHT, table: Table, signal: AbortSignal): Promise<boolean> {
  const heard = new Map<string, PeerId>();
  const self = host.peerId.toString();
  for await (const event of service.getClosestPeers(host.peerId.toMultihash().bytes, {
    signal,
    onProgress: ASKED_FOR,
  })) {
    if (event.name === 'QUERY_ERROR' && !signal.aborted) await forget(host, table, event.from);
    if (event.name !== 'PEER_RESPONSE') continue;
    for (const { id } of event.closer.slice(0, DHT.k)) heard.set(id.toString(), id);
  }
  const known = new Set(nearest(host, table).map(String));
  const own = keyOf(self);
  const distance = (peer: string): number => (keyOf(peer) ^ own) >>> 0;
  const near = [...new Set([...heard.keys(), ...known])]
    .filter((peer) => peer !== self)
    .sort((a, b) => distance(a) - distance(b))
    .slice(0, DHT.k)
    .flatMap((peer) => (known.has(peer) ? [] : [heard.get(peer)]));
  const lane = async (): Promise<void> => {
    for (let peer = near.pop(); peer !== undefined; peer = near.pop()) {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(OVERLAY.dialTimeoutMs)]);
      // The table takes it as soon as the connection has told what it speaks.
      await host.dial(peer, { signal: limit }).catch(() => undefined);
    }
  };
  const found = near.length > 0;
  await Promise.all(Array.from({ length: DHT.alpha }, lane));
  return found;
}

/** What is used of kad-dht's routing table, which its types do not show. */
export interface Table {
  readonly size: number;
  closestPeers(kadId: Uint8Array, options: { count: number }): readonly PeerId[];
  remove(peer: PeerId): Promise<void>;
}

export function tableOf(service: KadDHT | undefined): Table | null {
  if (service === undefined || !('routingTable' in service)) return null;
  return isTable(service.routingTable) ? service.routingTable : null;
}

function isTable(value: unknown): value is Table {
  return (
    typeof value === 'object' &&
    value !== null &&
    'size' in value &&
    'closestPeers' in value &&
    typeof value.closestPeers === 'function' &&
    'remove' in value &&
    typeof value.remove === 'function'
  );
}
