import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { identify } from '@libp2p/identify';
import type { Libp2p, PrivateKey } from '@libp2p/interface';
import { ping } from '@libp2p/ping';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { createLibp2p } from 'libp2p';
import { OVERLAY } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';

export interface HostOptions {
  readonly key: PrivateKey;
  /** IP or `localhost`; `0.0.0.0` is every IPv4 address of the machine. */
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  readonly flag: string;
}

/**
 * The libp2p host: TCP, TLS before Noise, yamux. The limits on newcomers are set on purpose: libp2p's own let ten
 * silent sockets, or one NAT with a few nodes behind it, shut a node to everybody.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS
 */
export async function createHost(options: HostOptions): Promise<Libp2p> {
  const host = options.host === 'localhost' ? '127.0.0.1' : options.host;
  const family = host.includes(':') ? 'ip6' : /^[\d.]+$/.test(host) ? 'ip4' : 'dns4';
  try {
    return await createLibp2p({
      privateKey: options.key,
      nodeInfo: { userAgent: 'kelana' },
      addresses: { listen: [`/${family}/${host}/tcp/${options.port}`] },
      transports: [tcp()],
      connectionEncrypters: [tls(), noise()],
      streamMuxers: [yamux()],
      services: { identify: identify(), ping: ping() },
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
