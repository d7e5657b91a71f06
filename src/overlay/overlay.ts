import { join } from 'node:path';
import { labelOf, parsePeerAddress } from '../core/address.ts';
import type { Emit } from '../core/events.ts';
import type {
  BlockSourcePort,
  ByteRange,
  Bytes,
  Hit,
  NeighbourInfo,
  OverlayPort,
  Query,
  SearchEvent,
  SearchOptions,
} from '../core/ports.ts';
import type { Random } from '../core/random.ts';
import { fetchBytes } from './fetch.ts';
import { createHost } from './host.ts';
import { loadIdentity } from './identity.ts';
import { Links, REPLACED } from './links.ts';
import { localBytes } from './local.ts';
import { Peers, type PeerEntry } from './peers.ts';
import { Searching } from './searching.ts';
import { serveBlocks } from './uploads.ts';

export interface OverlayOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Folder of the identity key and of the peers added at run time. */
  readonly dataFolder: string;
  readonly library: BlockSourcePort;
  /** Addresses to link to and to keep linked. */
  readonly peers: readonly string[];
  readonly emit: Emit;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly random: Random;
  /** Names the port's option in errors. */
  readonly flag?: string;
}

export interface Overlay extends OverlayPort {
  readonly port: number;
  /** Multiaddrs with the peer id, as others can dial this node. */
  addresses(): readonly string[];
  addPeer(address: string, signal: AbortSignal): Promise<PeerEntry>;
  removePeer(address: string): Promise<boolean>;
  peers(): readonly PeerEntry[];
  /** Resolves once every known address was tried, so that a search right after the start has somebody to ask. */
  settled(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

/**
 * Starts a node of the overlay: host, links to neighbours, search, and block transfers.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS, BAD_VALUE (a bad peer address), CANNOT_READ, CANNOT_WRITE
 */
export async function startOverlay(options: OverlayOptions): Promise<Overlay> {
  const { emit, now, random, library, flag = '--port' } = options;
  for (const peer of options.peers) parsePeerAddress(peer);
  const key = await loadIdentity(options.dataFolder);
  const host = await createHost({ key, host: options.host, port: options.port, flag });
  const peerId = host.peerId.toString();
  const addresses = (): readonly string[] => host.getMultiaddrs().map(String).slice(0, MAX_ADDRESSES);
  const port = Number(/\/tcp\/(\d+)/.exec(addresses()[0] ?? '')?.[1] ?? options.port);
  const label = labelOf(options.host, port);
  const nameOf = (peer: string): string | null =>
    peer === peerId ? label : (links.get(peer)?.label ?? null);

  const replacing = new Set<string>();
  const searching = new Searching({
    self: { peer: peerId, label, addresses, lookup: (query) => library.lookup(query) },
    emit,
    now,
    random,
    send: (peer, frame) => links.get(peer)?.send(frame),
    labelOf: nameOf,
    unlinked: () =>
      peers
        .list()
        .filter((peer) => peer.state !== 'self' && (peer.peer === null || links.get(peer.peer) === undefined))
        .map((peer) => peer.label),
  });
  const links = await Links.start({
    host,
    label,
    port,
    now,
    onUp: (link) => {
      // Two nodes that dialled each other at once drop one of two links: no news to a person.
      if (!replacing.delete(link.peer)) emit({ type: 'neighbour.added', who: label, neighbour: link.label });
      searching.up(link);
    },
    onFrame: (link, frame) => searching.receive(link, frame),
    onDown: (link, why) => {
      if (why === REPLACED) replacing.add(link.peer);
      else emit({ type: 'neighbour.removed', who: label, neighbour: link.label, reason: why });
      searching.down(link);
      peers.lost(link);
    },
  });
  const peers = new Peers(links, join(options.dataFolder, 'peers.json'), random);
  const stopServing = await serveBlocks({
    host,
    source: library,
    emit,
    who: label,
    labelOf: (peer, address) =>
      links.get(peer)?.label ?? labelOf(address.split('/')[2] ?? '', Number(address.split('/')[4] ?? 0)),
  });
  await peers.start(options.peers);

  return {
    peerId,
    label,
    port,
    addresses,
    search: (query: Query, how?: SearchOptions): AsyncIterable<SearchEvent> => searching.search(query, how),
    fetch: (hit: Hit, range?: ByteRange, signal?: AbortSignal): Bytes =>
      hit.peer === peerId ? localBytes(library, hit, range) : fetchBytes(host, hit, range, signal),
    neighbours: (): readonly NeighbourInfo[] =>
      links.all().map(({ peer, label: name, address, direction, sinceMs }) => ({
        peer,
        label: name,
        address,
        direction,
        sinceMs: now() - sinceMs,
      })),
    addPeer: (address, signal) => peers.add(address, signal),
    removePeer: (address) => peers.remove(address),
    peers: () => peers.list(),
    settled: (signal) => peers.settled(signal),
    close: async () => {
      searching.stop();
      await peers.stop();
      await stopServing();
      await links.stop();
      await host.stop();
    },
  };
}

/** Of a machine with many interfaces; the first are enough to be reached. */
const MAX_ADDRESSES = 16;
