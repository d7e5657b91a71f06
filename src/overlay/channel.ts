import type { Stream } from '@libp2p/interface';
import { TRANSFER } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import {
  decodeBlockFrame,
  encodeBlockFrame,
  encodeDataHead,
  MAX_BLOCK_FRAME_BYTES,
  type BlockFrame,
} from '../core/wire/blocks.ts';
import { delimit, FrameSplitter } from '../core/wire/lengths.ts';

/** Block frames over one stream: sends with back-pressure, receives one at a time with a bounded queue. */
export class BlockChannel {
  readonly #stream: Stream;
  readonly #peer: string;
  readonly #file: string;
  readonly #maxQueuedBytes: number;
  readonly #queue: { frame: BlockFrame; bytes: number }[] = [];
  #queuedBytes = 0;
  #ended: KelanaError | 'closed' | null = null;
  #waiting: (() => void) | null = null;

  /** `file` names the file in errors. `maxQueuedBytes`: what may lie unread; more than was asked for is a breach of the protocol. */
  constructor(stream: Stream, peer: string, file: string, maxQueuedBytes: number) {
    this.#stream = stream;
    this.#peer = peer;
    this.#file = file;
    this.#maxQueuedBytes = maxQueuedBytes;
    const splitter = new FrameSplitter(MAX_BLOCK_FRAME_BYTES);
    stream.addEventListener('message', (event) => {
      try {
        for (const chunk of chunksOf(event.data)) {
          for (const bytes of splitter.push(chunk)) this.#push(decodeBlockFrame(bytes), bytes.length);
        }
      } catch (thrown) {
        const error = asKelanaError(thrown);
        this.#end(error);
        stream.abort(error);
      }
    });
    stream.addEventListener('remoteCloseWrite', () => this.#end('closed'));
    stream.addEventListener('close', (event) =>
      this.#end(event.error === undefined ? 'closed' : this.#gone(event.error.message)),
    );
  }

  /** @throws KelanaError TRANSFER_FAILED when the other side is gone or takes nothing for too long */
  async send(frame: BlockFrame): Promise<void> {
    try {
      if (frame.type === 'data')
        this.#stream.send(encodeDataHead(frame.index, frame.last, frame.bytes.length));
      if (this.#stream.send(frame.type === 'data' ? frame.bytes : delimit(encodeBlockFrame(frame)))) return;
      await this.#stream.onDrain({ signal: AbortSignal.timeout(TRANSFER.idleTimeoutMs) });
    } catch (thrown) {
      throw this.#gone(thrown instanceof Error ? thrown.message : String(thrown));
    }
  }

  /** The next frame; null when the other side closed in order. @throws KelanaError */
  async next(timeoutMs: number, signal?: AbortSignal): Promise<BlockFrame | null> {
    if (this.#queue.length === 0 && this.#ended === null) await this.#wait(timeoutMs, signal);
    signal?.throwIfAborted();
    const head = this.#queue.shift();
    if (head !== undefined) {
      this.#queuedBytes -= head.bytes;
      return head.frame;
    }
    if (this.#ended === 'closed') return null;
    throw this.#ended ?? this.#gone(`no data for ${timeoutMs / 1000} s`);
  }

  async close(): Promise<void> {
    await this.#stream.close({ signal: AbortSignal.timeout(1000) }).catch(() => undefined);
  }

  abort(why: string): void {
    this.#stream.abort(this.#gone(why));
  }

  #push(frame: BlockFrame, bytes: number): void {
    this.#queue.push({ frame, bytes });
    this.#queuedBytes += bytes;
    if (this.#queuedBytes > this.#maxQueuedBytes || this.#queue.length > MAX_QUEUED_FRAMES) {
      throw new KelanaError('PEER_PROTOCOL', { peer: this.#peer, why: 'more data than was asked for' });
    }
    this.#waiting?.();
  }

  #end(how: KelanaError | 'closed'): void {
    this.#ended ??= how;
    this.#waiting?.();
  }

  #wait(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', go);
        this.#waiting = null;
        resolve();
      };
      const timer = setTimeout(go, timeoutMs);
      signal?.addEventListener('abort', go, { once: true });
      this.#waiting = go;
      if (signal?.aborted === true) go();
    });
  }

  #gone(why: string): KelanaError {
    return new KelanaError('TRANSFER_FAILED', { name: this.#file, why: `${this.#peer}: ${why}` });
  }
}

/** The pieces of a message as they lie, without joining them first. */
export function chunksOf(data: Uint8Array | Iterable<Uint8Array>): Iterable<Uint8Array> {
  return data instanceof Uint8Array ? [data] : data;
}

/** A manifest of the largest file is 1,025 nodes. */
const MAX_QUEUED_FRAMES = 2048;
