import { Buffer } from 'node:buffer';
import type { Socket } from 'node:net';
import { reason } from '../core/errors.ts';
import { ResponseParser } from '../core/http/parser.ts';
import type { ClientFacts } from './connection.ts';
import { dial, type BackendLink } from './dial.ts';
import { HTTP_LIMITS, SEEN_RESPONSES } from './limits.ts';
import { Outgoing } from './outgoing.ts';
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

/** Where idle connections are. */
export interface Resting {
  lost(upstream: Upstream): void;
}

/** One connection to a backend. */
export class Upstream {
  readonly parser = new ResponseParser(HTTP_LIMITS, SEEN_RESPONSES);
  readonly outgoing = new Outgoing();
  readonly #socket: Socket;
  #user: UpstreamUser | null;
  #idle: Resting | null = null;
  /** When it went to rest last. */
  restsSince = 0;
  #reason: string | null = null;
  /** Once it is connected. */
  #writer: Writer | null = null;
  /** No FIN or error has come, nor gone out. */
  #open = true;
  #paused = false;

  constructor(link: BackendLink, client: ClientFacts | null, user: UpstreamUser) {
    this.#user = user;
    const socket = dial(link, {
      client: client === null || link.proxy === null ? null : { source: client, destination: client.local },
      ready: () => {
        this.#writer = new Writer(socket, () => this.#user?.writable());
        this.#user?.connected();
      },
      received: (bytes, count) => this.#received(bytes, count),
    });
    this.#socket = socket;
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

  /** Unsolicited bytes, or a close, end an idle connection: `place` is told at once. */
  rest(place: Resting, now: number): void {
    this.#user = null;
    this.#idle = place;
    this.restsSince = now;
  }

  /** Takes an idle connection into use. False where it is no longer good. */
  wake(user: UpstreamUser): boolean {
    if (!this.#open) return false;
    this.#idle = null;
    this.#user = user;
    return true;
  }

  /** Writes a short text, where nothing is gathered. False where `writable` will be called later. */
  sendText(text: string): boolean {
    return this.#writer !== null && this.#writer.write(text);
  }

  /** Writes what was gathered. False where `writable` will be called later. */
  send(): boolean {
    return this.#writer !== null && this.outgoing.send(this.#writer);
  }

  /** Writes a copy. False where `writable` will be called later. */
  write(bytes: Uint8Array): boolean {
    return (this.#writer?.usual ?? this.#socket).write(Buffer.from(bytes));
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
    const place = this.#idle;
    this.destroy();
    place?.lost(this);
  }
}
