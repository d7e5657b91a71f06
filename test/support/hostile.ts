import type { Connection, Libp2p, PrivateKey, Stream } from '@libp2p/interface';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import type { Hit } from '../../src/core/ports.ts';
import { decodeFrame, encodeFrame, type LinkFrame, type ReturnFrame } from '../../src/core/wire/frames.ts';
import { delimit, FrameSplitter } from '../../src/core/wire/lengths.ts';
import { ASK_PROTOCOL } from '../../src/overlay/courier.ts';
import { createHost } from '../../src/overlay/host.ts';
import { LINK_PROTOCOL, LINK_VERSION } from '../../src/overlay/link.ts';
import { BLOCKS_PROTOCOL } from '../../src/overlay/blocks/blocks.ts';
import { until } from './basics.ts';
import { onBlockFrames, type BlockFrame } from './block-frames.ts';

export { sayBlock } from './block-frames.ts';

type Hello = Extract<LinkFrame, { type: 'hello' }>;

/** What a peer that keeps to no rule does. Left out, it says hello, answers pings, and nothing else. */
export interface Script {
  /** Each frame of a neighbour after its hello, pings apart, and each of a peer that is none. */
  onFrame?(frame: LinkFrame, say: Say, from: string): void;
  /** The hello of a neighbour. */
  onHello?(link: OpenLink, hello: Hello): void;
  /** Each request on a block stream. */
  onWant?(frame: BlockFrame, stream: Stream): void;
}

export interface HostileOptions {
  readonly key?: PrivateKey;
  /** log2 of the groups that it says to count with. */
  readonly bits?: number;
  /** Takes part in the DHT. */
  readonly dht?: boolean;
}

/** Sends a frame, or bytes as they are. */
export type Say = (what: LinkFrame | Uint8Array) => void;

export interface OpenLink {
  readonly peer: string;
  readonly stream: Stream;
  readonly heard: LinkFrame[];
  readonly say: Say;
  readonly closed: () => boolean;
}

/** A libp2p host of its own that speaks kelana's protocols as its script says. */
export class Hostile implements AsyncDisposable {
  readonly host: Libp2p;
  readonly key: PrivateKey;
  /** Every link and guest stream there was, the newest last. */
  readonly links: OpenLink[] = [];
  readonly #script: Script;
  readonly #bits: number;

  private constructor(host: Libp2p, key: PrivateKey, script: Script, bits: number) {
    this.host = host;
    this.key = key;
    this.#script = script;
    this.#bits = bits;
  }

  static async start(script: Script = {}, options: HostileOptions = {}): Promise<Hostile> {
    const { bits = 0, dht = false } = options;
    const key = options.key ?? (await generateKeyPair('Ed25519'));
    const host = await createHost({ key, host: '127.0.0.1', port: 0, flag: '', dht });
    const hostile = new Hostile(host, key, script, bits);
    await host.handle(LINK_PROTOCOL, (stream, connection) => void hostile.#greet(stream, connection));
    await host.handle(ASK_PROTOCOL, (stream, connection) => void hostile.#talk(stream, connection));
    await host.handle(BLOCKS_PROTOCOL, (stream) => {
      onBlockFrames(stream, (frame) => script.onWant?.(frame, stream));
    });
    return hostile;
  }

  get peerId(): string {
    return this.host.peerId.toString();
  }

  get addresses(): readonly string[] {
    return this.host.getMultiaddrs().map(String);
  }

  get address(): string {
    const port = /\/tcp\/(\d+)/.exec(this.addresses[0] ?? '')?.[1] ?? '';
    return `127.0.0.1:${port}`;
  }

  /** Dials a node's link protocol; with `hello` both sides have greeted when it resolves. */
  async dial(address: string, hello = true): Promise<OpenLink> {
    const connection = await this.#connect(address);
    const link = this.#greet(await connection.newStream(LINK_PROTOCOL), connection, hello);
    if (hello) await until('hello', () => link.heard.length > 0 || link.closed());
    return link;
  }

  /** Speaks to a node without being its neighbour. */
  async ask(address: string): Promise<OpenLink> {
    const connection = await this.#connect(address);
    return this.#talk(await connection.newStream(ASK_PROTOCOL), connection);
  }

  /** A hit that names this peer as the holder. */
  hit(more: Partial<Hit>): Hit {
    return {
      name: 'contoh.txt',
      size: 1,
      cid: 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e',
      peer: this.peerId,
      label: this.address,
      addresses: this.addresses,
      hops: 1,
      ...more,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.stop();
  }

  #connect(address: string): Promise<Connection> {
    const [host = '', port = ''] = address.split(':');
    return this.host.dial(multiaddr(`/ip4/${host}/tcp/${port}`));
  }

  #greet(stream: Stream, connection: Connection, hello = true): OpenLink {
    const link = this.#talk(stream, connection);
    const said = { version: LINK_VERSION, label: 'hostile', port: 1, addresses: this.addresses };
    if (hello) link.say({ type: 'hello', ...said, bits: this.#bits });
    return link;
  }

  #talk(stream: Stream, connection: Connection): OpenLink {
    const heard: LinkFrame[] = [];
    const peer = connection.remotePeer.toString();
    let ended = false;
    const say: Say = (what) => {
      if (ended) return;
      try {
        stream.send(what instanceof Uint8Array ? what : delimit(encodeFrame(what)));
      } catch {
        // Cut off, as a liar should be.
        ended = true;
      }
    };
    const link: OpenLink = { peer, stream, heard, say, closed: () => ended };
    const splitter = new FrameSplitter(1 << 20);
    stream.addEventListener('message', (event) => {
      for (const bytes of splitter.push(event.data.subarray())) {
        const frame = decodeFrame(bytes);
        heard.push(frame);
        if (frame.type === 'ping') say({ type: 'pong', nonce: frame.nonce });
        else if (frame.type === 'hello') this.#script.onHello?.(link, frame);
        else this.#script.onFrame?.(frame, say, peer);
      }
    });
    const end = (): void => {
      ended = true;
    };
    stream.addEventListener('remoteCloseWrite', end);
    stream.addEventListener('close', end);
    this.links.push(link);
    return link;
  }
}

/** A token's way back, as a peer would send it that asked nobody; `more` is the lie. */
export function returned(id: string, more: Partial<ReturnFrame> = {}): ReturnFrame {
  return {
    type: 'return',
    id,
    seen: false,
    asked: 1,
    messages: 1,
    missingCount: 0,
    missing: [],
    hits: [],
    trail: [],
    debt: 0,
    ...more,
  };
}
