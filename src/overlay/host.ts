import type { Socket } from 'node:net';
import type { NoiseComponents } from '@chainsafe/libp2p-noise';
import { identify, type Identify } from '@libp2p/identify';
import type { ConnectionEncrypter, Libp2p, PrivateKey, Startable } from '@libp2p/interface';
import type { KadDHT } from '@libp2p/kad-dht';
import { ping, type Ping } from '@libp2p/ping';
import { createLibp2p } from 'libp2p';
import { BITSWAP, DHT, OVERLAY } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';
import { BoundedDatastore } from './bounded-datastore.ts';
import { createDht } from './dht-service.ts';
import { closeIdle, IDLE } from './idle.ts';
import { quietYamux } from './muxer.ts';
import { lateEncrypter } from './tls/late.ts';
import { sharedTcp } from './tls/shared-tcp.ts';
import { nativeTls, type EncrypterComponents } from './tls/encrypter.ts';

/** The services of a host beside its connections. */
export interface HostServices extends Record<string, unknown> {
  readonly identify: Identify;
  readonly ping: Ping;
  readonly idle: Startable;
  readonly dht?: KadDHT;
}

export type Host = Libp2p<HostServices>;

export interface HostOptions {
  readonly key: PrivateKey;
  /** IP or `localhost`; `0.0.0.0` is every IPv4 address of the machine. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly flag: string;
  /** Takes part in the DHT; off by default. */
  readonly dht?: boolean;
  /** Takes connections to the port that begin with TLS, lanes for blocks; without it they are ended. */
  readonly onTls?: (socket: Socket) => void;
  /** Serves IPFS nodes, which ask only whom they are connected to: idle connections are kept longer. */
  readonly ipfs?: boolean;
  /** Dials only: it listens nowhere, and is in nobody's table of the DHT. */
  readonly guest?: boolean;
}

/**
 * The libp2p host: TCP, TLS before Noise, yamux. The limits on newcomers are set on purpose: libp2p's own let ten
 * silent sockets, or one NAT with a few nodes behind it, shut a node to everybody.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS
 */
export async function createHost(options: HostOptions): Promise<Host> {
  const host = options.host === 'localhost' ? '127.0.0.1' : options.host;
  const family = host.includes(':') ? 'ip6' : /^[\d.]+$/.test(host) ? 'ip4' : 'dns4';
  try {
    return await createLibp2p<HostServices>({
      privateKey: options.key,
      nodeInfo: { userAgent: 'kelana' },
      addresses: { listen: options.guest === true ? [] : [`/${family}/${host}/tcp/${options.port}`] },
      transports: [sharedTcp(options.onTls ?? ((socket) => void socket.destroy()))],
      connectionEncrypters: [nativeTls({ fallback: streamTls }), lateNoise],
      streamMuxers: [quietYamux()],
      services: {
        identify: identify(),
        ping: ping(),
        idle: closeIdle(options.ipfs === true ? { ...IDLE, idleMs: BITSWAP.idleConnectionMs } : IDLE),
        ...(options.dht === true ? { dht: createDht({ clientMode: options.guest ?? false }) } : {}),
      },
      // libp2p's address book; its own is without bound, and strangers fill it.
      datastore: new BoundedDatastore({
        maxEntries: OVERLAY.maxKnownPeers,
        maxBytes: OVERLAY.maxKnownBytes,
        maxValueBytes: OVERLAY.maxKnownPeerBytes,
      }),
      // As long as a record of the DHT may name the peer: without its address the record is worth nothing.
      peerStore: { maxAddressAge: DHT.validityMs, maxPeerAge: DHT.validityMs },
      // Links have pings of their own; libp2p's would drop a peer whose machine is busy for 5 s.
      connectionMonitor: { enabled: false },
      connectionManager: {
        maxConnections: OVERLAY.maxConnections,
        maxIncomingPendingConnections: OVERLAY.maxPendingInbound,
        inboundConnectionThreshold: OVERLAY.inboundPerSecond,
        inboundUpgradeTimeout: OVERLAY.upgradeTimeoutMs,
        dialTimeout: OVERLAY.dialTimeoutMs,
        // Links are kept by kelana's own redialling, which knows which peers a person asked for.
        reconnectRetries: 0,
        // A stranger's /dnsaddr would make this node ask the name servers of its choice, again and again.
        resolvers: {},
      },
    });
  } catch (thrown) {
    const { host, port, flag } = options;
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    if (text.includes('EADDRINUSE'))
      throw new KelanaError('PORT_IN_USE', { host, port, flag, part: 'node' }, thrown);
    const errno = /\b(EACCES|EADDRNOTAVAIL|ENOTFOUND|EINVAL|EAI_AGAIN)\b/.exec(text)?.[1];
    throw new KelanaError('BAD_ADDRESS', { host, port, why: errno ?? reason(thrown) }, thrown);
  }
}

const lateNoise = lateEncrypter<NoiseComponents>('/noise', async () =>
  (await import('@chainsafe/libp2p-noise')).noise(),
);

/** libp2p's own encrypter, over streams: for connections that are no sockets. Loaded by the first of them. */
async function streamTls(components: EncrypterComponents): Promise<ConnectionEncrypter> {
  const { tls } = await import('@libp2p/tls');
  return tls()(components);
}
