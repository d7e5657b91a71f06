import type { Socket } from 'node:net';
import { connect, TLSSocket, type ConnectionOptions, type SecureContext } from 'node:tls';
import type { PeerId, PrivateKey } from '@libp2p/interface';
import { peerOf } from './certificate.ts';
import { contextOf, handshake } from './encrypter.ts';

/** ALPN of a lane, so that no other TLS on the port is taken for one. */
const LANE = 'kelana-lane/2.1';
/** What both sides of a lane show each other: the certificate of libp2p's TLS, so that both are known by their peer id. */
export async function laneContext(identity: PrivateKey): Promise<SecureContext> {
  return await contextOf(identity);
}

/** What reads the plain bytes; see `onreadOf`. */
export type OnRead = {
  readonly buffer: () => Uint8Array;
  readonly callback: (bytes: number) => boolean;
};

/** Dials a lane to a peer. @throws Error where nobody answers, it is no lane, or the peer is another */
export async function dialLane(
  context: SecureContext,
  { host, port }: { readonly host: string; readonly port: number },
  peer: string,
  onread: OnRead,
  signal: AbortSignal,
): Promise<TLSSocket> {
  signal.throwIfAborted();
  // @types/node has `onread` for TCP only; tls.connect passes it on.
  const options: ConnectionOptions & { onread: OnRead } = {
    host,
    port,
    secureContext: context,
    rejectUnauthorized: false,
    ALPNProtocols: [LANE],
    minVersion: 'TLSv1.3',
    onread,
  };
  const socket = connect(options);
  socket.setNoDelay(true);
  const remote = await proved(socket, signal);
  if (remote.toString() === peer) return socket;
  socket.destroy();
  throw new Error(`expected ${peer}, got ${remote.toString()}`);
}

/** Takes a lane that another node dialled, with who that is. @throws Error */
export async function takeLane(
  context: SecureContext,
  raw: Socket,
  signal: AbortSignal,
): Promise<{ socket: TLSSocket; peer: string }> {
  const socket = new TLSSocket(raw, {
    isServer: true,
    secureContext: context,
    requestCert: true,
    rejectUnauthorized: false,
    ALPNCallback: ({ protocols }) => (protocols.includes(LANE) ? LANE : undefined),
  });
  const peer = await proved(socket, signal);
  return { socket, peer: peer.toString() };
}

async function proved(socket: TLSSocket, signal: AbortSignal): Promise<PeerId> {
  // Whoever waits for the socket hears of its end; without a listener at every moment an error would end the process.
  socket.on('error', () => undefined);
  try {
    await handshake(socket, signal);
    if (socket.alpnProtocol !== LANE) throw new Error('no lane');
    const der = socket.getPeerX509Certificate()?.raw;
    if (der === undefined) throw new Error('the other side showed no certificate');
    return await peerOf(der, Date.now());
  } catch (thrown) {
    socket.destroy();
    throw thrown;
  }
}
