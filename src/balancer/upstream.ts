import { connect, type Socket } from 'node:net';
import type { LookupAddress } from 'node:dns';
import { reason } from '../core/errors.ts';
import { ResponseParser } from '../core/http/parser.ts';
import { HTTP_LIMITS, SEEN_RESPONSES } from './limits.ts';
import type { Outgoing } from './outgoing.ts';
import { readingInto } from './reading.ts';

/** Who uses a connection to a backend: one request at a time, or a health check. */
export interface UpstreamUser {
  connected(): void;
  /** The bytes are lent until it returns. */
  received(bytes: Uint8Array): void;
  /** Room to write again after `send` said false. */
  writable(): void;
  /** The backend sent its FIN. True where the connection is kept, to be written to; else `closed` follows. */
  ended?(): boolean;
  /** No more will come: `reason` null after a proper close, else what broke. Called once, and nothing after it. */
  closed(reason: string | null): void;
}

/** One connection to a backend. */
export class Upstream {
  readonly parser = new ResponseParser(HTTP_LIMITS, SEEN_RESPONSES);
  readonly #socket: Socket;
  #user: UpstreamUser | null;
  #idle: (() => void) | null = null;
  #reason: string | null = null;
  #connected = false;

  constructor(host: string, port: number, user: UpstreamUser) {
    this.#user = user;
    const socket = connect({
      host,
      port,
      noDelay: true,
      // localhost is IPv4 first, whatever the resolver says, then IPv6; other names go by "happy eyeballs".
      autoSelectFamily: true,
      ...(host === 'localhost' ? { lookup: localhost } : {}),
      // A tunnel may go on one way after the other has ended; all else is closed at the first FIN.
      allowHalfOpen: true,
      onread: readingInto((bytes) => this.#received(bytes)),
    });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#connected = true;
      this.#user?.connected();
    });
    socket.on('drain', () => this.#user?.writable());
    socket.on('end', () => {
      if (this.#user?.ended?.() !== true) this.#closed(null);
    });
    socket.on('error', (error) => {
      this.#reason ??= reason(error);
    });
    socket.on('close', () => this.#closed(this.#reason ?? (this.#connected ? 'closed' : 'not connected')));
  }

  /** Everything written has gone to the system. */
  get flushed(): boolean {
    return this.#socket.writableLength === 0;
  }

  /** Unsolicited bytes, or a close, end an idle connection: `lost` is told at once. */
  rest(lost: () => void): void {
    this.#user = null;
    this.#idle = lost;
  }

  /** Takes an idle connection into use. False where it is no longer good. */
  wake(user: UpstreamUser): boolean {
    if (this.#socket.destroyed || !this.#socket.writable || this.#socket.readableEnded) return false;
    this.#idle = null;
    this.#user = user;
    return true;
  }

  send(outgoing: Outgoing): boolean {
    return outgoing.send(this.#socket);
  }

  /** Writes a copy. False where `writable` will be called later. */
  write(bytes: Uint8Array): boolean {
    return this.#socket.write(Buffer.from(bytes));
  }

  /** Ends our side; what was written still goes. */
  end(): void {
    this.#socket.end();
  }

  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  destroy(): void {
    this.#user = null;
    this.#idle = null;
    this.#socket.destroy();
  }

  #received(bytes: Uint8Array): void {
    if (this.#user !== null) this.#user.received(bytes);
    else this.#lost();
  }

  #closed(reason: string | null): void {
    const user = this.#user;
    this.#user = null;
    if (user === null) this.#lost();
    else user.closed(reason);
  }

  #lost(): void {
    const lost = this.#idle;
    this.destroy();
    lost?.();
  }
}

type LookupAll = (error: Error | null, addresses: LookupAddress[]) => void;

function localhost(_name: string, _options: unknown, callback: unknown): void {
  (callback as LookupAll)(null, [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ]);
}
