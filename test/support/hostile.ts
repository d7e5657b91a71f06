import type { Libp2p, Stream } from '@libp2p/interface';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { multiaddr } from '@multiformats/multiaddr';
import type { Hit } from '../../src/core/ports.ts';
import { decodeBlockFrame, encodeBlockFrame, type BlockFrame } from '../../src/core/wire/blocks.ts';
import { decodeFrame, encodeFrame, type LinkFrame, type ReturnFrame } from '../../src/core/wire/frames.ts';
import { delimit, FrameSplitter } from '../../src/core/wire/lengths.ts';
import { createHost } from '../../src/overlay/host.ts';
import { LINK_PROTOCOL, LINK_VERSION } from '../../src/overlay/link.ts';
import { BLOCKS_PROTOCOL } from '../../src/overlay/uploads.ts';
import { until } from './basics.ts';

/** What a peer that keeps to no rule does. Left out, it says hello, answers pings, and nothing else. */
export interface Script {
  /** Each frame of a neighbour after its hello, pings apart. */
  onFrame?(frame: LinkFrame, say: Say): void;
  /** Each request on a block stream. */
  onWant?(frame: BlockFrame, stream: Stream): void;
}

/** Sends a frame, or bytes as they are. */
export type Say = (what: LinkFrame | Uint8Array) => void;

export interface OpenLink {
  readonly stream: Stream;
  readonly heard: LinkFrame[];
  readonly say: Say;
  readonly closed: () => boolean;
}

/** A libp2p host of its own that speaks kelana's protocols as its script says. */
export class Hostile implements AsyncDisposable {
  readonly host: Libp2p;
  readonly #script: Script;

  private constructor(host: Libp2p, script: Script) {
    this.host = host;
    this.#script = script;
  }

  static async start(script: Script = {}): Promise<Hostile> {
    const key = await generateKeyPair('Ed25519');
    const hostile = new Hostile(await createHost({ key, host: '127.0.0.1', port: 0, flag: '' }), script);
    await hostile.host.handle(LINK_PROTOCOL, (stream) => void hostile.#greet(stream));
    await hostile.host.handle(BLOCKS_PROTOCOL, (stream) => {
      const splitter = new FrameSplitter(1 << 20);
      stream.addEventListener('message', (event) => {
        for (const bytes of splitter.push(event.data.subarray()))
          script.onWant?.(decodeBlockFrame(bytes), stream);
      });
    });
    return hostile;
  }

  get peerId(): string {
    return this.host.peerId.toString();
  }

  get address(): string {
    const port = /\/tcp\/(\d+)/.exec(this.host.getMultiaddrs().map(String)[0] ?? '')?.[1] ?? '';
    return `127.0.0.1:${port}`;
  }

  /** Dials a node's link protocol; with `hello` both sides have greeted when it resolves. */
  async dial(address: string, hello = true): Promise<OpenLink> {
    const [host = '', port = ''] = address.split(':');
    const connection = await this.host.dial(multiaddr(`/ip4/${host}/tcp/${port}`));
    const stream = await connection.newStream(LINK_PROTOCOL);
    const link = this.#greet(stream, hello);
    if (hello) await until('hello', () => link.heard.length > 0 || link.closed());
    return link;
  }

  /** A hit that names this peer as the holder. */
  hit(more: Partial<Hit>): Hit {
    return {
      name: 'contoh.txt',
      size: 1,
      cid: 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e',
      peer: this.peerId,
      label: this.address,
      addresses: this.host.getMultiaddrs().map(String),
      hops: 1,
      ...more,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.host.stop();
  }

  #greet(stream: Stream, hello = true): OpenLink {
    const heard: LinkFrame[] = [];
    let ended = false;
    const say: Say = (what) => {
      if (!ended) stream.send(what instanceof Uint8Array ? what : delimit(encodeFrame(what)));
    };
    const splitter = new FrameSplitter(1 << 20);
    stream.addEventListener('message', (event) => {
      for (const bytes of splitter.push(event.data.subarray())) {
        const frame = decodeFrame(bytes);
        heard.push(frame);
        if (frame.type === 'ping') say({ type: 'pong', nonce: frame.nonce });
        else if (frame.type !== 'hello') this.#script.onFrame?.(frame, say);
      }
    });
    const end = (): void => {
      ended = true;
    };
    stream.addEventListener('remoteCloseWrite', end);
    stream.addEventListener('close', end);
    if (hello) say({ type: 'hello', version: LINK_VERSION, label: 'hostile', port: 1, addresses: [] });
    return { stream, heard, say, closed: () => ended };
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
    ...more,
  };
}

export function sayBlock(stream: Stream, frame: BlockFrame): void {
  stream.send(delimit(encodeBlockFrame(frame)));
}
