import { isPeerId, peerDiscoverySymbol, type PeerId, type PeerInfo, type PeerStore } from '@libp2p/interface';
import { kadDHT, passthroughMapper, type KadDHT, type KadDHTComponents } from '@libp2p/kad-dht';
import { DHT } from '../core/config.ts';
import { BoundedDatastore } from './bounded-datastore.ts';
import { Bucket } from './bucket.ts';
import { dialable } from './contacts.ts';
import { Recent } from './recent.ts';

export const DHT_PROTOCOL = '/kelana/kad/1.0.0';

/** Given as `onProgress` of a look-up, it tells that somebody waits for it: kad-dht hands all options on to the dial. */
export const ASKED_FOR = (): void => undefined;

type Connections = KadDHTComponents['connectionManager'];

/** The tag that kad-dht gives the peers of its table. */
const TABLE_TAG = 'kad-peer';
/** ms after which a peer that is named again is taken into the address book again. */
const LEARN_AGAIN_MS = 600_000;
/** Longest time of a timer. */
const NEVER_MS = 2 ** 31 - 1;
/** Bytes of a record: the time of its arrival, as a varint. */
const MAX_RECORD_VALUE_BYTES = 16;

/**
 * kad-dht as a service of the host, under a prefix of its own: it never meets the public DHT. Only provider records
 * are used. They lie in memory alone, since whoever shares a file publishes it again twice a day and at each start.
 *
 * What kad-dht does too freely for a node among strangers is held back here:
 * - values (PUT_VALUE) are refused, and records and their keys are bounded;
 * - a newcomer enters the table only over a connection that there is. kad-dht would dial each peer that anybody names
 *   to ping it: in a network of 200 nodes, 200 dials and open connections at every node;
 * - what it does by itself may dial only so often; asked for are look-ups with `ASKED_FOR`;
 * - a peer that has left the address book while a record names it does not fail the whole answer;
 * - addresses that answers name are taken at a limited rate.
 *
 * In client mode it asks and is not asked.
 */
export function createDht({ clientMode = false } = {}): (components: KadDHTComponents) => KadDHT {
  return (components) => {
    const dials = new Bucket(DHT.ownDialsPerMinute / 60, DHT.ownDialsBurst, performance.now());
    const records = new BoundedDatastore({
      maxEntries: DHT.maxRecords,
      maxBytes: DHT.maxRecordBytes,
      maxValueBytes: MAX_RECORD_VALUE_BYTES,
      // Keys are /dht/provider/CID/PEER.
      owner: (key) => key.slice(key.lastIndexOf('/') + 1),
      refuse: (key) => !key.startsWith('/dht/provider/'),
    });
    const service = kadDHT({
      protocol: DHT_PROTOCOL,
      clientMode,
      kBucketSize: DHT.k,
      alpha: DHT.alpha,
      // One path of three requests: several disjoint ones ask three times as many nodes at once.
      disjointPaths: 1,
      prefixLength: DHT.prefixBits,
      // Private addresses stay: a node of a LAN has no others.
      peerInfoMapper: passthroughMapper,
      // A look-up with nobody to ask ends at once instead of waiting for somebody.
      allowQueryWithZeroPeers: true,
      // Its own looks come before the first link, and meet few; surroundings.ts does it.
      initialQuerySelfInterval: NEVER_MS,
      querySelfInterval: NEVER_MS,
      routingTableUpdateMaxQueueSize: DHT.maxTableQueue,
      networkDialTimeout: { minTimeout: DHT.requestMs, maxTimeout: DHT.requestMs },
      pingOldContactTimeout: { minTimeout: DHT.requestMs, maxTimeout: DHT.requestMs },
      pingNewContactTimeout: { minTimeout: DHT.requestMs, maxTimeout: DHT.requestMs },
      reprovide: { interval: DHT.cleanUpMs, validity: DHT.validityMs, threshold: 1 },
      validators: {
        pk: () => {
          throw new Error('no values are kept here');
        },
      },
    })(
      override(components, {
        datastore: records,
        peerStore: tolerant(components.peerStore),
        ping: carefulPing(components, dials),
        connectionManager: sparing(components.connectionManager, dials),
      }),
    );
    // libp2p takes every peer that this target names into its address book.
    Object.defineProperty(service, peerDiscoverySymbol, { value: discoveries(service) });
    return service;
  };
}

/** An address book that has an empty entry for whom it does not know. */
function tolerant(peerStore: PeerStore): PeerStore {
  return override(peerStore, {
    get: (id, options) =>
      peerStore.get(id, options).catch((thrown: unknown) => {
        if (!(thrown instanceof Error) || thrown.name !== 'NotFoundError') throw thrown;
        return { id, addresses: [], protocols: [], metadata: new Map(), tags: new Map() };
      }),
  });
}

/** Newcomers are pinged only where there is a connection; old entries of the table are dialled, but seldom. */
function carefulPing(components: KadDHTComponents, dials: Bucket): KadDHTComponents['ping'] {
  const { ping, peerStore, connectionManager } = components;
  return override(ping, {
    ping: async (id: PeerId, options) => {
      if (connectionManager.getConnections(id).length > 0) return ping.ping(id, options);
      const old = (await peerStore.get(id)).tags.has(TABLE_TAG);
      if (!old) throw new Error('not connected');
      return dials.take(1, performance.now()) ? ping.ping(id, options) : 0;
    },
  });
}

/** Streams for what nobody asked for are opened where there is a connection, or as long as there are dials for it. */
function sparing(connections: Connections, dials: Bucket): Connections {
  return override(connections, {
    openStream: async (target, protocol, options) => {
      const free =
        options?.onProgress === ASKED_FOR ||
        (isPeerId(target) && connections.getConnections(target).length > 0) ||
        dials.take(1, performance.now());
      if (!free) throw new Error('no dial to spare');
      return connections.openStream(target, protocol, options);
    },
  });
}

/** The peers that answers name: addresses that can be dialled, each peer once in a while, and so many a second. */
function discoveries(service: KadDHT): EventTarget {
  const target = new EventTarget();
  const bucket = new Bucket(DHT.discoveredPerSecond, DHT.discoveredBurst, performance.now());
  const known = new Recent<string, { addresses: string; at: number }>(DHT.maxRecords);
  const take = ({ id, multiaddrs }: PeerInfo): void => {
    const now = performance.now();
    const texts = dialable(multiaddrs.slice(0, MAX_NAMED).map(String));
    const addresses = texts.join();
    const peer = id.toString();
    const before = known.get(peer);
    if (addresses === '' || (before?.addresses === addresses && now - before.at < LEARN_AGAIN_MS)) return;
    if (!bucket.take(1, now)) return;
    known.set(peer, { addresses, at: now });
    const allowed = new Set(texts);
    const detail: PeerInfo = { id, multiaddrs: multiaddrs.filter((address) => allowed.has(String(address))) };
    target.dispatchEvent(new CustomEvent('peer', { detail }));
  };
  if (service instanceof EventTarget) {
    service.addEventListener('peer', (event) => {
      if (event instanceof CustomEvent) take(event.detail as PeerInfo);
    });
  }
  return target;
}

/** Addresses of one peer that are looked at. */
const MAX_NAMED = 8;

/** The same object, but for some of its members. */
function override<T extends object>(object: T, changes: Partial<T>): T {
  return new Proxy(object, {
    get: (target, name): unknown => {
      if (Object.hasOwn(changes, name)) return Reflect.get(changes, name);
      const value: unknown = Reflect.get(target, name, target);
      if (typeof value !== 'function') return value;
      const bound: unknown = value.bind(target);
      return bound;
    },
  });
}
