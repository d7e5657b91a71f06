import type { Connection, Stream } from '@libp2p/interface';
import { BITSWAP, OVERLAY } from '../../core/config.ts';
import { BITSWAP_PROTOCOL, encodeBitswap, type BitswapMessage } from '../../core/wire/bitswap.ts';
import { delimit } from '../../core/wire/lengths.ts';
import { BITSWAP_PROTOCOLS } from './inbox.ts';

/** A stream on which messages are sent to one peer, opened at the first. */
export class Outgoing {
  readonly #connection: Connection;
  #stream: Stream | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  /** Resolves once all of the message is on its way; a peer that takes longer than `sendTimeoutMs` is given up. */
  async send(message: BitswapMessage, signal?: AbortSignal): Promise<void> {
    const limit = AbortSignal.any([
      AbortSignal.timeout(BITSWAP.sendTimeoutMs),
      ...(signal === undefined ? [] : [signal]),
    ]);
    try {
      const stream = await this.#open(limit);
      // Who speaks the older protocol knows no presences.
      const told = stream.protocol === BITSWAP_PROTOCOL ? message : { ...message, presences: [] };
      stream.send(delimit(encodeBitswap(told)));
      await written(stream, limit);
    } catch (thrown) {
      this.abort();
      throw thrown;
    }
  }

  /** Says that nothing more comes. */
  async close(): Promise<void> {
    const stream = this.#stream;
    this.#stream = null;
    await stream?.close({ signal: AbortSignal.timeout(BITSWAP.sendTimeoutMs) }).catch(() => {
      stream.abort(new Error('not closed'));
    });
  }

  abort(): void {
    this.#stream?.abort(new Error('given up'));
    this.#stream = null;
  }

  async #open(signal: AbortSignal): Promise<Stream> {
    if (this.#stream?.status === 'open' && this.#stream.writeStatus === 'writable') return this.#stream;
    const within = AbortSignal.any([signal, AbortSignal.timeout(OVERLAY.dialTimeoutMs)]);
    this.#stream = await this.#connection.newStream(BITSWAP_PROTOCOLS, {
      signal: within,
      maxOutboundStreams: BITSWAP.streamsPerPeer,
    });
    return this.#stream;
  }
}

/**
 * Waits until nothing is left to be sent: the only bound of the memory of a stream is to send no more before that. The
 * end of a stream also ends the wait, with its error.
 */
function written(stream: Stream, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (error?: Error): void => {
      stream.removeEventListener('idle', look);
      stream.removeEventListener('drain', look);
      stream.removeEventListener('close', look);
      signal.removeEventListener('abort', look);
      if (error === undefined) resolve();
      else reject(error);
    };
    const look = (): void => {
      if (signal.aborted) end(new Error('not read in time'));
      else if (stream.status !== 'open') end(new Error(`stream ${stream.status}`));
      else if (stream.writeBufferLength === 0) end();
    };
    for (const event of ['idle', 'drain', 'close'] as const) stream.addEventListener(event, look);
    signal.addEventListener('abort', look);
    look();
  });
}
