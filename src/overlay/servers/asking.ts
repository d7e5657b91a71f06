import { networkInterfaces } from 'node:os';
import type { Connection, Libp2p } from '@libp2p/interface';
import { isLocalHost } from '../../core/address.ts';
import { SERVER_GROUP } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import { delimit, FrameSplitter } from '../../core/wire/lengths.ts';
import { decodeServerPlace, encodeServerAsk } from '../../core/wire/server-place.ts';
import { proofOfAsk, proofOfPlace, sameProof, SERVER_PROTOCOL, type Group } from './proof.ts';

/** Bytes of an answer, with room for fields of newer peers. */
const MAX_PLACE_BYTES = 512;

export interface FoundServer {
  /** An IP address. */
  readonly host: string;
  readonly port: number;
}

/**
 * Asks the peer of a connection where it takes HTTP. Null where it is no server of this group, or can only be reached
 * from its own machine, which is another one.
 * @throws what breaks the stream; KelanaError PEER_PROTOCOL
 */
export async function askPlace(
  host: Libp2p,
  connection: Connection,
  group: Group,
  signal: AbortSignal,
): Promise<FoundServer | null> {
  const self = host.peerId.toString();
  const peer = connection.remotePeer.toString();
  const stream = await connection.newStream(SERVER_PROTOCOL, {
    signal,
    maxOutboundStreams: SERVER_GROUP.maxStreamsPerPeer,
  });
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const splitter = new FrameSplitter(MAX_PLACE_BYTES);
  stream.addEventListener('message', (event) => {
    try {
      for (const bytes of splitter.push(event.data.subarray())) resolve(bytes);
    } catch (thrown) {
      reject(thrown);
    }
  });
  stream.addEventListener('remoteCloseWrite', () => reject(new Error('no answer')));
  stream.addEventListener('close', (event) => reject(event.error ?? new Error('no answer')));
  const stop = (): void => reject(new Error('no answer in time'));
  signal.addEventListener('abort', stop, { once: true });
  try {
    stream.send(delimit(encodeServerAsk(proofOfAsk(group, self, peer))));
    const place = decodeServerPlace(await promise);
    if (!sameProof(place.proof, proofOfPlace(group, self, peer, place)))
      throw new KelanaError('PEER_PROTOCOL', { peer, why: 'not of this group' });
    return reachable(place, connection);
  } finally {
    signal.removeEventListener('abort', stop);
    stream.abort(new Error('done'));
  }
}

/** With the address at which the peer was reached where it names none; null for the loopback of another machine. */
function reachable(
  { host, port }: FoundServer,
  { remoteAddr }: Pick<Connection, 'remoteAddr'>,
): FoundServer | null {
  const [, , remote = ''] = remoteAddr.toString().split('/');
  if (host === '') return { host: remote, port };
  if (!isLocalHost(host)) return { host, port };
  return isThisMachine(remote) ? { host, port } : null;
}

function isThisMachine(address: string): boolean {
  return (
    isLocalHost(address) ||
    Object.values(networkInterfaces()).some((all) => all?.some((one) => one.address === address) ?? false)
  );
}
