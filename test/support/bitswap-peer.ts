import { generateKeyPair } from '@libp2p/crypto/keys';
import type { Connection, Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import {
  BITSWAP_PROTOCOL,
  bitswapMessage,
  decodeBitswap,
  encodeBitswap,
  type BitswapMessage,
  type BitswapWant,
} from '../../src/core/wire/bitswap.ts';
import { delimit, FrameSplitter } from '../../src/core/wire/lengths.ts';
import { createHost, type Host } from '../../src/overlay/host.ts';
import { MiB } from './basics.ts';

/** A peer on 127.0.0.1 that speaks bitswap as a test wishes, right or wrong. */
export class BitswapPeer implements AsyncDisposable {
  readonly host: Host;
  /** All that it was told, in order. */
  readonly heard: BitswapMessage[] = [];
  /** Called at each message. */
  answer: (message: BitswapMessage, connection: Connection) => void = () => undefined;

  private constructor(host: Host) {
    this.host = host;
  }

  static async start(protocol = BITSWAP_PROTOCOL): Promise<BitswapPeer> {
    const key = await generateKeyPair('Ed25519');
    const peer = new BitswapPeer(await createHost({ key, host: '127.0.0.1', port: 0, flag: '' }));
    await peer.host.handle(protocol, (stream, connection) => peer.#listen(stream, connection));
    return peer;
  }

  get address(): string {
    return String(this.host.getMultiaddrs()[0]);
  }

  async dial(address: string): Promise<Connection> {
    return await this.host.dial(multiaddr(address));
  }

  /** Blocks that it was sent. */
  get blocks(): readonly Uint8Array[] {
    return this.heard.flatMap(({ blocks }) => blocks.map(({ data }) => data));
  }

  get presences(): readonly { readonly cid: Uint8Array; readonly have: boolean }[] {
    return this.heard.flatMap(({ presences }) => presences);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.stop();
  }

  #listen(stream: Stream, connection: Connection): void {
    const splitter = new FrameSplitter(5 * MiB);
    stream.addEventListener('message', (event) => {
      for (const frame of splitter.push(event.data.subarray())) {
        const message = decodeBitswap(frame);
        this.heard.push(message);
        this.answer(message, connection);
      }
    });
    stream.addEventListener('remoteCloseWrite', () => void stream.close().catch(() => undefined));
  }
}

/** Says messages, or any bytes, on a stream of their own; gives the stream. */
export async function say(
  connection: Connection,
  what: Partial<BitswapMessage> | Uint8Array,
  protocol = BITSWAP_PROTOCOL,
): Promise<Stream> {
  const stream = await connection.newStream(protocol);
  stream.send(what instanceof Uint8Array ? what : delimit(encodeBitswap(bitswapMessage(what))));
  return stream;
}

export function want(cid: Uint8Array, more: Partial<BitswapWant> = {}): BitswapWant {
  return { cid, priority: 1, cancel: false, kind: 'block', sendDontHave: true, ...more };
}

/** A CID without its digest: CIDv1, raw, sha2-256. */
export const RAW_PREFIX = Uint8Array.of(1, 0x55, 0x12, 32);
