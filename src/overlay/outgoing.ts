import type { Stream } from '@libp2p/interface';
import { MESSAGES } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { delimit, FrameSplitter } from '../core/wire/lengths.ts';
import { decodeMail, encodeMail, type Letter, type ReceiptCode } from '../core/wire/messages.ts';

interface Waiting {
  readonly resolve: (code: ReceiptCode) => void;
  readonly reject: (error: KelanaError) => void;
}

/** Bytes of a receipt: an id, two small numbers, and room for fields of newer peers. */
const MAX_RECEIPT_BYTES = 1024;

/** Letters over a stream that this node opened, each until its receipt. A stream that breaks fails all that wait. */
export class Outgoing {
  readonly #stream: Stream;
  readonly #label: string;
  readonly #onEnd: () => void;
  readonly #waiting = new Map<string, Waiting>();
  #late: NodeJS.Timeout | undefined;
  #idle: NodeJS.Timeout | undefined;
  #ended: KelanaError | null = null;

  constructor(stream: Stream, label: string, onEnd: () => void) {
    this.#stream = stream;
    this.#label = label;
    this.#onEnd = onEnd;
    const splitter = new FrameSplitter(MAX_RECEIPT_BYTES);
    stream.addEventListener('message', (event) => {
      try {
        for (const bytes of splitter.push(event.data.subarray())) this.#take(bytes);
      } catch (thrown) {
        const error = asKelanaError(thrown);
        this.#fail(new KelanaError(error.code, { ...error.params, peer: label }, thrown));
      }
    });
    stream.addEventListener('remoteCloseWrite', () => this.#end(this.#gone(CLOSED)));
    stream.addEventListener('close', () => this.#end(this.#gone(CLOSED)));
    this.#rest();
  }

  /**
   * Resolves with the receipt. The caller keeps to `MESSAGES.window` letters at once.
   * @throws KelanaError PEER_UNREACHABLE (no receipt: it may have been stored or not), PEER_PROTOCOL
   */
  send(letter: Letter): Promise<ReceiptCode> {
    const key = keyOf(letter.type, letter.id);
    return new Promise((resolve, reject) => {
      if (this.#ended !== null) {
        reject(this.#ended);
        return;
      }
      if (this.#waiting.has(key)) {
        reject(this.#gone({ id: 'sudah sedang dikirim', en: 'it is under way already' }));
        return;
      }
      this.#waiting.set(key, { resolve, reject });
      this.#await();
      try {
        this.#stream.send(delimit(encodeMail(letter)));
      } catch {
        // Only a stream that is closed already refuses.
        this.#end(this.#gone(CLOSED));
      }
    });
  }

  /** Says no more; letters without a receipt fail. */
  close(): void {
    if (this.#ended !== null) return;
    this.#end(this.#gone(CLOSED));
    this.#stream.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch((thrown: unknown) => {
      this.#stream.abort(thrown instanceof Error ? thrown : new Error('not closed'));
    });
  }

  abort(why: string): void {
    this.#fail(this.#gone(why));
  }

  #take(bytes: Uint8Array): void {
    const frame = decodeMail(bytes);
    if (frame.type !== 'receipt') throw this.#breach(`a ${frame.type} in place of a receipt`);
    const key = keyOf(frame.of, frame.id);
    const waiting = this.#waiting.get(key);
    if (waiting === undefined) throw this.#breach('a receipt for nothing');
    this.#waiting.delete(key);
    waiting.resolve(frame.code);
    clearTimeout(this.#late);
    this.#late = undefined;
    if (this.#waiting.size > 0) this.#await();
    else this.#rest();
  }

  /** Receipts come in a steady flow: the time for the next one begins with the last. */
  #await(): void {
    clearTimeout(this.#idle);
    const none = { id: 'tidak ada tanda terima', en: 'no receipt came' };
    this.#late ??= setTimeout(() => this.#fail(this.#gone(none)), MESSAGES.receiptMs);
  }

  #rest(): void {
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.close(), MESSAGES.idleMs);
    this.#idle.unref();
  }

  #fail(error: KelanaError): void {
    this.#end(error);
    this.#stream.abort(error);
  }

  #end(error: KelanaError): void {
    if (this.#ended !== null) return;
    this.#ended = error;
    clearTimeout(this.#late);
    clearTimeout(this.#idle);
    this.#onEnd();
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  #gone(why: string | Text): KelanaError {
    return new KelanaError('PEER_UNREACHABLE', { peer: this.#label, why });
  }

  #breach(why: string): KelanaError {
    return new KelanaError('PEER_PROTOCOL', { peer: this.#label, why });
  }
}

const keyOf = (type: string, id: string): string => `${type} ${id}`;
const CLOSED = { id: 'ia menutup sambungannya', en: 'it closed the connection' };
/** ms that the other side may take to close its half of a stream that we closed. */
const CLOSE_MS = 5_000;
