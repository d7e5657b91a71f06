import type { Connection, Libp2p, Stream } from '@libp2p/interface';
import { SERVER_GROUP } from '../../core/config.ts';
import { delimit, FrameSplitter } from '../../core/wire/lengths.ts';
import { decodeServerAsk, encodeServerPlace, PROOF_BYTES } from '../../core/wire/server-place.ts';
import { proofOfAsk, proofOfPlace, sameProof, SERVER_PROTOCOL, type Group } from './proof.ts';

export interface Announced extends Group {
  /** Where HTTP is taken: an IP address, or empty where all of the machine's take it. */
  readonly host: string;
  readonly port: number;
}

/** Bytes of an ask: its proof, and room for fields of newer peers. */
const MAX_ASK_BYTES = PROOF_BYTES + 224;

/** Tells where this server takes HTTP, to those who prove that they have the key of its group, and to nobody else. */
export class Announcer {
  readonly #host: Libp2p;
  readonly #announced: Announced;
  readonly #refuses: (peer: string) => boolean;
  readonly #open = new Set<Stream>();

  private constructor(host: Libp2p, announced: Announced, refuses: (peer: string) => boolean) {
    this.#host = host;
    this.#announced = announced;
    this.#refuses = refuses;
  }

  static async start(
    host: Libp2p,
    announced: Announced,
    refuses: (peer: string) => boolean,
  ): Promise<Announcer> {
    const announcer = new Announcer(host, announced, refuses);
    const handler = (stream: Stream, connection: Connection): void => announcer.#accept(stream, connection);
    const most = SERVER_GROUP.maxStreamsPerPeer;
    await host.handle(SERVER_PROTOCOL, handler, { maxInboundStreams: most, maxOutboundStreams: most });
    return announcer;
  }

  async stop(): Promise<void> {
    await this.#host.unhandle(SERVER_PROTOCOL);
    for (const stream of this.#open) stream.abort(new Error('stopped'));
  }

  #accept(stream: Stream, connection: Connection): void {
    const peer = connection.remotePeer.toString();
    if (this.#refuses(peer) || this.#open.size >= SERVER_GROUP.maxStreams) {
      stream.abort(new Error('not wanted'));
      return;
    }
    this.#open.add(stream);
    const late = setTimeout(() => stream.abort(new Error('late')), SERVER_GROUP.askMs);
    late.unref();
    stream.addEventListener('close', () => {
      clearTimeout(late);
      this.#open.delete(stream);
    });
    const splitter = new FrameSplitter(MAX_ASK_BYTES);
    let answered = false;
    stream.addEventListener('message', (event) => {
      try {
        for (const bytes of splitter.push(event.data.subarray())) {
          if (answered) throw new Error('more than one ask');
          answered = true;
          stream.send(delimit(this.#answer(bytes, peer)));
          stream.close({ signal: AbortSignal.timeout(SERVER_GROUP.askMs) }).catch((thrown: unknown) => {
            stream.abort(thrown instanceof Error ? thrown : new Error('not closed'));
          });
        }
      } catch (thrown) {
        stream.abort(thrown instanceof Error ? thrown : new Error('not valid'));
      }
    });
  }

  /** @throws where the asker has not proved that it has the key */
  #answer(bytes: Uint8Array, peer: string): Uint8Array {
    const self = this.#host.peerId.toString();
    const group = this.#announced;
    if (!sameProof(decodeServerAsk(bytes), proofOfAsk(group, peer, self)))
      throw new Error('not of this group');
    const { host, port } = group;
    return encodeServerPlace({ host, port, proof: proofOfPlace(group, peer, self, { host, port }) });
  }
}
