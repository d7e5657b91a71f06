import type { Stream } from '@libp2p/interface';
import { MESSAGES } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import { delimit, FrameSplitter } from '../core/wire/lengths.ts';
import { decodeMail, encodeMail, type Letter, type ReceiptCode } from '../core/wire/messages.ts';

export interface IncomingOptions {
  readonly stream: Stream;
  readonly peer: string;
  readonly label: string;
  /** Bytes came in, or with `letters` a whole letter of them. `flood`: more than an honest sender's; `busy`: not now. */
  admit(bytes: number, letters: number): 'ok' | 'busy' | 'flood';
  take(letter: Letter): Promise<ReceiptCode>;
  /** Called once. */
  onEnd(): void;
}

/** Letters over a stream that another node opened; each gets its receipt once `take` has one. */
export class Incoming {
  readonly peer: string;
  usedAt = performance.now();
  readonly #options: IncomingOptions;
  #pending = 0;
  #pendingBytes = 0;
  #ended = false;
  #closing = false;
  #idle: NodeJS.Timeout | undefined;

  constructor(options: IncomingOptions) {
    const { stream, peer } = options;
    this.#options = options;
    this.peer = peer;
    const splitter = new FrameSplitter(MESSAGES.maxFrameBytes);
    stream.addEventListener('message', (event) => {
      try {
        const bytes = event.data.subarray();
        if (options.admit(bytes.length, 0) === 'flood') throw this.#breach('more than its share');
        for (const frame of splitter.push(bytes)) {
          if (this.#ended) return;
          this.#read(frame);
        }
      } catch (thrown) {
        this.abort(asKelanaError(thrown));
      }
    });
    stream.addEventListener('remoteCloseWrite', () => {
      this.#closing = true;
      if (this.#pending === 0) this.close();
    });
    stream.addEventListener('close', () => this.#end());
    this.#rest();
  }

  /** Answers nothing more; a sender that waits for a receipt sends again. */
  close(): void {
    if (this.#ended) return;
    this.#end();
    const { stream } = this.#options;
    stream.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch((thrown: unknown) => {
      stream.abort(thrown instanceof Error ? thrown : new Error('not closed'));
    });
  }

  abort(error: Error): void {
    this.#end();
    this.#options.stream.abort(error);
  }

  #read(bytes: Uint8Array): void {
    const letter = decodeMail(bytes);
    if (letter.type === 'receipt') throw this.#breach('a receipt for nothing');
    this.usedAt = performance.now();
    this.#rest();
    const admitted = this.#options.admit(bytes.length, 1);
    if (admitted === 'flood') throw this.#breach('more than its share');
    if (admitted === 'busy') {
      this.#answer(letter, 'busy');
      return;
    }
    this.#pending += 1;
    this.#pendingBytes += bytes.length;
    if (this.#pending > MESSAGES.maxPending || this.#pendingBytes > MESSAGES.maxPendingBytes)
      throw this.#breach('more letters than it may send at once');
    this.#options
      .take(letter)
      .catch((): ReceiptCode => 'failed')
      .then((code) => {
        this.#pending -= 1;
        this.#pendingBytes -= bytes.length;
        this.#answer(letter, code);
        if (this.#closing && this.#pending === 0) this.close();
      })
      .catch((thrown: unknown) => this.abort(asKelanaError(thrown)));
  }

  #answer({ id, type }: Letter, code: ReceiptCode): void {
    const { stream } = this.#options;
    if (this.#ended) return;
    if (stream.writeBufferLength > MAX_UNREAD_BYTES) throw this.#breach('it does not read its receipts');
    stream.send(delimit(encodeMail({ type: 'receipt', id, of: type, code })));
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), 2 * MESSAGES.idleMs);
    this.#idle.unref();
  }

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#idle);
    this.#options.onEnd();
  }

  #breach(why: string): KelanaError {
    return new KelanaError('PEER_PROTOCOL', { peer: this.#options.label, why });
  }
}

/** Bytes of receipts that may lie unread: 3,000 of them. */
const MAX_UNREAD_BYTES = 64 * 1024;
/** ms that the other side may take to close its half of a stream that we closed. */
const CLOSE_MS = 5_000;
