import type { Stream } from '@libp2p/interface';
import type { TLSSocket } from 'node:tls';
import { asKelanaError } from '../../core/errors.ts';
import type { BlockFrameReader } from '../../core/wire/blocks.ts';
import { chunksOf } from '../chunks.ts';
import { lend } from '../tls/lent.ts';

/** Bytes both ways between two nodes, for the blocks protocol: a lane, or a stream of libp2p. */
export interface ByteChannel {
  readonly via: 'lane' | 'stream';
  /** False once it has ended, from either side. */
  readonly open: boolean;
  /** Begins to read, once; `ended` is told once, with the reason where it was not in order. */
  start(reader: BlockFrameReader, ended: (error: Error | null) => void): void;
  /** Sends in the order of the calls; resolves when the bytes may be overwritten, rejects when the channel has ended. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends in order: what was written is sent before. */
  close(): Promise<void>;
  abort(error: Error): void;
}

/** What the reader of a lane is told by the socket that fills its memory. */
export interface Tap {
  reader: BlockFrameReader | null;
  failed(error: Error): void;
}

/** Memory for bytes that come before anybody asked: none may. */
const NOWHERE = new Uint8Array(1);
const NOTHING = new Uint8Array(0);

/**
 * `onread` of `tls.connect`: OpenSSL's plain bytes go straight to where the reader wants them, without a Buffer for each
 * record. Node offers it only to sockets that it connects itself.
 */
export function onreadOf(tap: Tap) {
  return {
    buffer: (): Uint8Array => tap.reader?.target() ?? NOWHERE,
    callback: (bytes: number): boolean => {
      try {
        if (tap.reader === null) throw new Error('bytes before any request');
        tap.reader.advance(bytes);
        return true;
      } catch (thrown) {
        tap.failed(asKelanaError(thrown));
        return false;
      }
    },
  };
}

/** A TLS connection of its own, without a muxer. */
export class LaneChannel implements ByteChannel {
  readonly via = 'lane';
  readonly #socket: TLSSocket;
  readonly #tap: Tap | null;
  #error: Error | null = null;
  readonly #waiting: { bytes: Uint8Array; resolve: () => void; reject: (error: Error) => void }[] = [];
  #writing = false;

  /** `tap`: of a socket that was connected with `onreadOf(tap)`; others are read as chunks. */
  constructor(socket: TLSSocket, tap: Tap | null) {
    this.#socket = socket;
    this.#tap = tap;
    socket.on('error', (error) => {
      this.#error ??= error;
    });
  }

  get open(): boolean {
    return !this.#socket.destroyed && this.#socket.writable;
  }

  start(reader: BlockFrameReader, ended: (error: Error | null) => void): void {
    const socket = this.#socket;
    if (socket.closed) queueMicrotask(() => ended(this.#error));
    else socket.once('close', () => ended(this.#error));
    // The other side ends a lane as a whole; half of one is of no use.
    socket.once('end', () => socket.destroy());
    if (this.#tap !== null) {
      this.#tap.reader = reader;
      this.#tap.failed = (error) => this.abort(error);
      return;
    }
    socket.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk);
      } catch (thrown) {
        this.abort(asKelanaError(thrown));
      }
    });
  }

  /** One at a time: of several that wait a socket makes one copy first, and encrypts that. */
  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ bytes, resolve, reject });
      if (!this.#writing) this.#next();
    });
  }

  #next(): void {
    const first = this.#waiting.shift();
    this.#writing = first !== undefined;
    if (first === undefined) return;
    this.#socket.write(first.bytes, (error) => {
      if (error) first.reject(error);
      else first.resolve();
      this.#next();
    });
  }

  async close(): Promise<void> {
    const socket = this.#socket;
    if (socket.closed) return;
    const closed = new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
    });
    // Also where the other side takes nothing, so that what is being written never ends.
    const late = setTimeout(() => socket.destroy(), CLOSE_MS);
    while (this.#writing && !socket.destroyed) await this.write(NOTHING).catch(() => undefined);
    socket.destroySoon();
    await closed;
    clearTimeout(late);
  }

  abort(error: Error): void {
    this.#error ??= error;
    this.#socket.destroy();
  }
}

/** ms that the last bytes of an orderly end may take. */
const CLOSE_MS = 1_000;

/** A stream of libp2p, where no lane can be had. */
export class StreamChannel implements ByteChannel {
  readonly via = 'stream';
  readonly #stream: Stream;
  #sending: Promise<void> = Promise.resolve();
  /** The connection below says when memory that was lent to it is free again; known after the first large piece. */
  #lends = false;
  /** Ends the wait for that. */
  #broken: (error: Error) => void = () => undefined;

  constructor(stream: Stream) {
    this.#stream = stream;
    stream.addEventListener('close', () => this.#broken(new Error('the stream has ended')));
  }

  get open(): boolean {
    return this.#stream.status === 'open';
  }

  start(reader: BlockFrameReader, ended: (error: Error | null) => void): void {
    const stream = this.#stream;
    let told = false;
    const end = (error: Error | null): void => {
      if (told) return;
      told = true;
      ended(error);
    };
    stream.addEventListener('remoteCloseWrite', () => end(null));
    stream.addEventListener('close', (event) => end(event.error ?? null));
    stream.addEventListener('message', (event) => {
      try {
        for (const chunk of chunksOf(event.data)) reader.push(chunk);
      } catch (thrown) {
        this.abort(asKelanaError(thrown));
      }
    });
  }

  /** libp2p's queue has no bound of its own: each piece waits until the one before it is out of it. */
  write(bytes: Uint8Array): Promise<void> {
    const sent = this.#sending.then(() => this.#send(bytes));
    this.#sending = sent.catch(() => undefined);
    return sent;
  }

  async close(): Promise<void> {
    await this.#stream.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch(() => undefined);
  }

  abort(error: Error): void {
    this.#stream.abort(error);
  }

  /**
   * libp2p's queues, and OpenSSL's below them, keep what they are given, and the caller's memory is overwritten soon: what
   * is small, or nobody gives back, is copied.
   */
  async #send(bytes: Uint8Array): Promise<void> {
    const stream = this.#stream;
    if (this.#lends && bytes.length >= LARGE) {
      await new Promise<void>((resolve, reject) => {
        this.#broken = reject;
        lend(bytes, resolve);
        stream.send(bytes);
      });
      return;
    }
    const piece = Buffer.allocUnsafeSlow(bytes.length);
    piece.set(bytes);
    if (bytes.length >= LARGE)
      lend(piece, () => {
        this.#lends = true;
      });
    if (!stream.send(piece)) await drained(stream);
  }
}

/** Bytes of a piece that is worth no copy; smaller ones may lie in memory that others use as well. */
const LARGE = 16 * 1024;

/** ms a receiver may take nothing: it may be writing to a slow disk. */
export const PATIENCE_MS = 120_000;

/** Waits until the queue of a stream is empty. 'drain' comes when it can take more, with much still in it. */
function drained(stream: Stream): Promise<void> {
  if (stream.writeBufferLength === 0) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const end = (error: Error | null): void => {
      clearTimeout(late);
      stream.removeEventListener('idle', idle);
      stream.removeEventListener('close', closed);
      if (error === null) resolve();
      else reject(error);
    };
    const idle = (): void => end(null);
    const closed = (): void => end(new Error('the stream has ended'));
    const late = setTimeout(() => end(new Error(`nothing taken for ${PATIENCE_MS / 1000} s`)), PATIENCE_MS);
    stream.addEventListener('idle', idle);
    stream.addEventListener('close', closed);
  });
}
