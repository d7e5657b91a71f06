import { connect, type Socket } from 'node:net';
import type { LookupAddress } from 'node:dns';
import { reason } from '../core/errors.ts';
import { ResponseParser } from '../core/http/parser.ts';
import { HTTP_LIMITS, SEEN_RESPONSES } from './limits.ts';
import type { Outgoing } from './outgoing.ts';
import { readingInto } from './reading.ts';
import { Writer } from './writer.ts';

/** Who uses a connection to a backend: one request at a time, or a health check. */
export interface UpstreamUser {
  connected(): void;
  /** The first `count` bytes, lent until it returns. */
  received(bytes: Uint8Array, count: number): void;
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
  /** Once it is connected. */
  #writer: Writer | null = null;
  /** No FIN or error has come, nor gone out. */
  #open = true;
  #paused = false;

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
      onread: readingInto((bytes, count) => this.#received(bytes, count)),
    });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#writer = new Writer(socket, () => this.#user?.writable());
      this.#user?.connected();
    });
    socket.on('drain', () => this.#user?.writable());
    socket.on('end', () => {
      this.#open = false;
      if (this.#user?.ended?.() !== true) this.#closed(null);
    });
    socket.on('error', (error) => {
      this.#open = false;
      this.#reason ??= reason(error);
    });
    socket.on('close', () =>
      this.#closed(this.#reason ?? (this.#writer === null ? 'not connected' : 'closed')),
    );
  }

  /** Everything written has gone to the system. */
  get flushed(): boolean {
    return this.#writer?.flushed === true;
  }

  /** Unsolicited bytes, or a close, end an idle connection: `lost` is told at once. */
  rest(lost: () => void): void {
    this.#user = null;
    this.#idle = lost;
  }

  /** Takes an idle connection into use. False where it is no longer good. */
  wake(user: UpstreamUser): boolean {
    if (!this.#open) return false;
    this.#idle = null;
    this.#user = user;
    return true;
  }

  send(outgoing: Outgoing): boolean {
    return this.#writer !== null && outgoing.send(this.#socket, this.#writer);
  }

  /** Writes a copy. False where `writable` will be called later. */
  write(bytes: Uint8Array): boolean {
    return this.#socket.write(Buffer.from(bytes));
  }

  /** Ends our side; what was written still goes. */
  end(): void {
    this.#open = false;
    this.#socket.end();
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  destroy(): void {
    this.#user = null;
    this.#idle = null;
    this.#open = false;
    this.#socket.destroy();
  }

  #received(bytes: Uint8Array, count: number): void {
    if (this.#user !== null) this.#user.received(bytes, count);
    else this.#lost();
  }

  #closed(reason: string | null): void {
    this.#open = false;
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
