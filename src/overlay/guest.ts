import type { Connection, Stream } from '@libp2p/interface';
import { labelOf } from '../core/address.ts';
import { OVERLAY } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import { decodeFrame, encodeFrame, type LinkFrame } from '../core/wire/frames.ts';
import { delimit, FrameSplitter } from '../core/wire/lengths.ts';
import { isSearchFrame, type SearchFrame } from '../core/wire/search-frames.ts';

/** What may be said to a peer without being its neighbour. */
export type AskFrame = SearchFrame | Extract<LinkFrame, { type: 'sync' }>;

function isAskFrame(frame: LinkFrame): frame is AskFrame {
  return isSearchFrame(frame.type) || frame.type === 'sync';
}

/** ms that the other side may take to close its half of a stream that we closed. */
const CLOSE_MS = 5_000;

export interface GuestOptions {
  readonly stream: Stream;
  readonly connection: Connection;
  readonly now: () => number;
  /** Whether so many further bytes and frames may be taken from this peer now. */
  admit(peer: string, bytes: number, frames: number): boolean;
  onFrame(guest: Guest, frame: AskFrame): void;
  /** Called once, at the first of: closed by us, half-closed or closed by the peer, broken. */
  onEnd(guest: Guest): void;
  /** Frames of a stream that broke before the peer ever answered: nobody may have read them. */
  onLost(guest: Guest, frames: readonly AskFrame[]): void;
}

/** One stream of search frames to a peer that is no neighbour. No hello: the connection says who it is. */
export class Guest {
  readonly peer: string;
  readonly label: string;
  readonly direction: 'inbound' | 'outbound';
  usedAt: number;
  readonly #options: GuestOptions;
  /** Sent while the peer was not heard yet; null once it was. */
  #unproved: AskFrame[] | null = [];
  #ended = false;
  #aborted = false;

  constructor(options: GuestOptions) {
    const { stream, connection, now } = options;
    this.#options = options;
    this.peer = connection.remotePeer.toString();
    const [, , host = '', , port = ''] = connection.remoteAddr.toString().split('/');
    this.label = labelOf(host, Number(port));
    this.direction = stream.direction;
    this.usedAt = now();
    const splitter = new FrameSplitter(OVERLAY.maxFrameBytes);
    stream.addEventListener('message', (event) => {
      try {
        const bytes = event.data.subarray();
        this.#admit(bytes.length, 0);
        for (const frame of splitter.push(bytes)) {
          if (this.#aborted) return;
          this.#take(decodeFrame(frame));
        }
      } catch (thrown) {
        this.abort(asKelanaError(thrown));
      }
    });
    stream.addEventListener('remoteCloseWrite', () => this.close());
    stream.addEventListener('close', (event) => {
      this.#end();
      const lost = this.#unproved ?? [];
      this.#unproved = null;
      if (event.error !== undefined && lost.length > 0) options.onLost(this, lost);
    });
  }

  /** False where the stream takes no more; the frame is then not sent. */
  send(frame: AskFrame): boolean {
    const { stream, now } = this.#options;
    if (this.#ended) return false;
    if (stream.writeBufferLength > OVERLAY.maxGuestQueueBytes) {
      this.abort(new KelanaError('PEER_UNREACHABLE', { peer: this.label, why: 'send queue full' }));
      return false;
    }
    try {
      stream.send(delimit(encodeFrame(frame)));
    } catch {
      // Only a stream that is closed already refuses.
      this.#end();
      return false;
    }
    this.usedAt = now();
    if (this.#unproved !== null && this.#unproved.length < OVERLAY.maxGuestFrames) this.#unproved.push(frame);
    return true;
  }

  /** Says no more; what the peer has on its way is still taken. */
  close(): void {
    const { stream } = this.#options;
    if (this.#ended) return;
    this.#end();
    const late = setTimeout(() => stream.abort(new Error('not closed')), CLOSE_MS);
    late.unref();
    stream.addEventListener('close', () => clearTimeout(late));
    stream.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch((thrown: unknown) => {
      stream.abort(thrown instanceof Error ? thrown : new Error('not closed'));
    });
  }

  abort(error: Error): void {
    this.#aborted = true;
    this.#end();
    this.#options.stream.abort(error);
  }

  #take(frame: LinkFrame): void {
    if (!isAskFrame(frame)) throw this.#breach(`${frame.type} from a guest`);
    this.#admit(0, 1);
    this.#unproved = null;
    this.usedAt = this.#options.now();
    this.#options.onFrame(this, frame);
  }

  #admit(bytes: number, frames: number): void {
    if (!this.#options.admit(this.peer, bytes, frames)) throw this.#breach('more than its share');
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#options.onEnd(this);
  }

  #breach(why: string): KelanaError {
    return new KelanaError('PEER_PROTOCOL', { peer: this.label, why });
  }
}
