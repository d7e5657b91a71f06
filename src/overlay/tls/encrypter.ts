import { Socket } from 'node:net';
import { connect, createSecureContext, TLSSocket, type SecureContext } from 'node:tls';
import type {
  AbortOptions,
  ComponentLogger,
  ConnectionEncrypter,
  Logger,
  MessageStream,
  PrivateKey,
  SecureConnectionOptions,
  SecuredConnection,
  Upgrader,
} from '@libp2p/interface';
import { AbstractMessageStream, type SendResult } from '@libp2p/utils';
import type { Uint8ArrayList } from 'uint8arraylist';
import { createCertificate, peerOf } from './certificate.ts';
import { giveBack } from './lent.ts';

/** The protocol of libp2p/specs, tls/tls.md. */
export const TLS_PROTOCOL = '/tls/1.0.0';
/** ALPN of a peer that settles on a muxer after the handshake ("Inlined Muxer Negotiation" of the specification). */
const NO_MUXER = 'libp2p';

/** What libp2p gives an encrypter. */
export interface EncrypterComponents {
  readonly privateKey: PrivateKey;
  readonly logger: ComponentLogger;
  readonly upgrader: Upgrader;
}

export interface EncrypterOptions {
  /** Takes the connections that are no TCP sockets (relayed, WebSocket); it has to speak the same protocol. */
  readonly fallback: (components: EncrypterComponents) => Promise<ConnectionEncrypter>;
}

/**
 * libp2p's TLS 1.3 for connections over TCP, on the socket itself: OpenSSL reads and writes the descriptor, without
 * streams of JavaScript between. It makes one certificate for a process, not one for each connection.
 * Speaks `/tls/1.0.0` with any other implementation; what is no socket goes to the fallback.
 */
export function nativeTls(
  options: EncrypterOptions,
): (components: EncrypterComponents) => ConnectionEncrypter<unknown> {
  return (components) => new NativeTls(components, options);
}

class NativeTls implements ConnectionEncrypter {
  readonly protocol = TLS_PROTOCOL;
  readonly #components: EncrypterComponents;
  readonly #options: EncrypterOptions;
  #context: Promise<SecureContext> | undefined;
  #fallback: Promise<ConnectionEncrypter> | undefined;

  constructor(components: EncrypterComponents, options: EncrypterOptions) {
    this.#components = components;
    this.#options = options;
  }

  async secureInbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    const socket = socketOf(connection);
    if (socket === null) return (await this.#other()).secureInbound(connection, options);
    const muxers = options?.skipStreamMuxerNegotiation === true ? [] : this.#muxers();
    const tls = this.#take(
      connection,
      socket,
      (raw, secureContext) =>
        new TLSSocket(raw, {
          isServer: true,
          secureContext,
          requestCert: true,
          rejectUnauthorized: false,
          ALPNCallback: ({ protocols }) =>
            protocols.find((name) => name === NO_MUXER || muxers.includes(name)),
        }),
    );
    return await this.#secure(connection, await tls, options);
  }

  async secureOutbound(
    connection: MessageStream,
    options?: SecureConnectionOptions,
  ): Promise<SecuredConnection> {
    const socket = socketOf(connection);
    if (socket === null) return (await this.#other()).secureOutbound(connection, options);
    const muxers = options?.skipStreamMuxerNegotiation === true ? [] : this.#muxers();
    const tls = this.#take(connection, socket, (raw, secureContext) =>
      connect({
        socket: raw,
        secureContext,
        rejectUnauthorized: false,
        minVersion: 'TLSv1.3',
        ALPNProtocols: [...muxers, NO_MUXER],
      }),
    );
    return await this.#secure(connection, await tls, options);
  }

  /** Takes the socket out of the hands of libp2p's connection, with what that has read of it already. */
  async #take(
    connection: MessageStream,
    socket: Socket,
    wrap: (socket: Socket, context: SecureContext) => TLSSocket,
  ): Promise<TLSSocket> {
    // Nothing may be read between here and the wrapping: it would be lost to TLS.
    socket.pause();
    const context = await (this.#context ??= contextOf(this.#components.privateKey));
    const early: Uint8Array[] = [];
    const keep = (event: { data: Uint8Array | Uint8ArrayList }): void => {
      if (event.data instanceof Uint8Array) early.push(event.data);
      else early.push(...event.data);
    };
    connection.addEventListener('message', keep);
    // What the selection of the protocol pushed back is told in the same turn.
    await nextTurn();
    connection.removeEventListener('message', keep);
    socket.removeAllListeners('data');
    if (early.length > 0) socket.unshift(Buffer.concat(early));
    const secure = wrap(socket, context);
    // Whoever waits for the socket hears of its end; without a listener at every moment an error would end the process.
    secure.on('error', () => undefined);
    // A reset of the descriptor below OpenSSL, which libp2p's abort would do, crashes Node 26 while bytes are under way.
    socket.resetAndDestroy = () => {
      secure.destroy();
      return socket;
    };
    return secure;
  }

  async #secure(
    connection: MessageStream,
    socket: TLSSocket,
    options: SecureConnectionOptions | undefined,
  ): Promise<SecuredConnection> {
    const log = connection.log.newScope('tls');
    try {
      await handshake(socket, options?.signal);
      const der = socket.getPeerX509Certificate()?.raw;
      if (der === undefined) throw new Error('the other side showed no certificate');
      const remotePeer = await peerOf(der, Date.now());
      if (options?.remotePeer?.equals(remotePeer) === false) {
        const error = new Error(`expected ${options.remotePeer.toString()}, got ${remotePeer.toString()}`);
        error.name = 'UnexpectedPeerError';
        throw error;
      }
      const stream = new SecureStream(connection, socket, log);
      const muxer = options?.skipStreamMuxerNegotiation === true ? false : socket.alpnProtocol;
      if (typeof muxer !== 'string' || muxer === NO_MUXER) return { remotePeer, connection: stream };
      const streamMuxer = this.#components.upgrader.getStreamMuxers().get(muxer);
      if (streamMuxer === undefined)
        throw new Error(`the other side chose a muxer that is not here, ${muxer}`);
      return { remotePeer, connection: stream, streamMuxer };
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      socket.destroy();
      connection.abort(error);
      throw error;
    }
  }

  #muxers(): string[] {
    return [...this.#components.upgrader.getStreamMuxers().keys()];
  }

  #other(): Promise<ConnectionEncrypter> {
    return (this.#fallback ??= this.#options.fallback(this.#components));
  }
}

/** AES-128 first: half again as fast as AES-256 where a CPU has AES, and nothing is known that breaks it. */
export const CIPHERS = 'TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_256_GCM_SHA384';

/** The certificate and key of a peer, read by OpenSSL once. */
export async function contextOf(identity: PrivateKey): Promise<SecureContext> {
  const { cert, key } = await createCertificate(identity, Date.now());
  return createSecureContext({ cert, key, minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: CIPHERS });
}

/** The TCP socket below a connection of libp2p's TCP transport, or null where it has none. */
function socketOf(connection: MessageStream): Socket | null {
  const socket: unknown = 'socket' in connection ? connection.socket : null;
  return socket instanceof Socket && !(socket instanceof TLSSocket) && !socket.destroyed ? socket : null;
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/** Waits until both sides have shown their certificates. */
export function handshake(socket: TLSSocket, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      signal?.removeEventListener('abort', aborted);
      socket.off('secure', secure).off('error', failed).off('close', closed);
      settle();
    };
    const secure = (): void => end(resolve);
    const aborted = (): void => end(() => reject(new Error('the TLS handshake took too long')));
    const failed = (error: Error): void => end(() => reject(error));
    const closed = (): void => end(() => reject(new Error('closed during the TLS handshake')));
    // 'secure' is told on both sides; 'secureConnect' only to clients.
    socket.on('secure', secure).on('error', failed).on('close', closed);
    signal?.addEventListener('abort', aborted, { once: true });
    if (signal?.aborted === true) aborted();
  });
}

/** Bytes that are copied together before they are written. */
const SMALL = 4_096;

/** The decrypted side of a connection. */
class SecureStream extends AbstractMessageStream {
  readonly #below: MessageStream;
  readonly #socket: TLSSocket;
  readonly #closed: Promise<void>;

  constructor(below: MessageStream, socket: TLSSocket, log: Logger) {
    super({
      log,
      inactivityTimeout: below.inactivityTimeout,
      maxReadBufferLength: below.maxReadBufferLength,
      direction: below.direction,
    });
    this.#below = below;
    this.#socket = socket;
    this.#closed = new Promise((resolve) => {
      if (socket.closed) resolve();
      else socket.once('close', () => resolve());
    });
    socket.on('data', (bytes: Buffer) => this.onData(bytes));
    socket.on('drain', () => this.safeDispatchEvent('drain'));
    socket.on('error', (error) => below.abort(error));
    below.addEventListener('close', (event) => {
      socket.destroy();
      // Told as it was below: a failure here, a reset from there, and an orderly end are three things.
      if (event.error === undefined) this.onTransportClosed();
      else if (event.local === true) this.abort(event.error);
      else this.onRemoteReset();
    });
  }

  async close(options?: AbortOptions): Promise<void> {
    this.#socket.destroySoon();
    await withSignal(this.#closed, options?.signal);
    await this.#below.close(options);
  }

  sendData(data: Uint8ArrayList): SendResult {
    const { byteLength } = data;
    // One copy of little costs less than a call that gathers it.
    if (byteLength <= SMALL) {
      const copy = data.slice();
      for (const piece of data) giveBack(piece);
      return { sentBytes: byteLength, canSendMore: this.#socket.write(copy) };
    }
    let canSendMore = true;
    let sentBytes = 0;
    // One record and one system call for all pieces, not one for each.
    this.#socket.cork();
    for (const piece of data) {
      sentBytes += piece.byteLength;
      canSendMore = this.#socket.write(piece, () => giveBack(piece));
    }
    this.#socket.uncork();
    return { sentBytes, canSendMore };
  }

  sendReset(error: Error): void {
    this.#socket.destroy();
    this.#below.abort(error);
  }

  sendPause(): void {
    this.#socket.pause();
  }

  sendResume(): void {
    this.#socket.resume();
  }
}

async function withSignal(done: Promise<void>, signal: AbortSignal | undefined): Promise<void> {
  if (signal === undefined) return await done;
  await new Promise<void>((resolve, reject) => {
    const aborted = (): void => reject(signal.reason instanceof Error ? signal.reason : new Error('aborted'));
    signal.addEventListener('abort', aborted, { once: true });
    void done.then(() => {
      signal.removeEventListener('abort', aborted);
      resolve();
    });
    if (signal.aborted) aborted();
  });
}
