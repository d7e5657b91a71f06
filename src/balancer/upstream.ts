import { connect, type Socket } from 'node:net';
import type { LookupAddress } from 'node:dns';
import { BALANCER } from '../core/config.ts';
import { reason } from '../core/errors.ts';
import { ResponseParser } from '../core/http/parser.ts';
import { HTTP_LIMITS } from './limits.ts';
import type { Outgoing } from './outgoing.ts';

/** Who uses a connection to a backend: one request at a time, or a health check. */
export interface UpstreamUser {
  connected(): void;
  /** The bytes are lent until it returns. */
  received(bytes: Uint8Array): void;
  /** Room to write again after `send` said false. */
  writable(): void;
  /** No more will come: `reason` null after a proper close, else what broke. Called once, and nothing after it. */
  closed(reason: string | null): void;
}

/** One connection to a backend. Reads into a single buffer of its own, so a small response allocates nothing. */
export class Upstream {
  readonly parser = new ResponseParser(HTTP_LIMITS);
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
      onread: {
        buffer: Buffer.allocUnsafeSlow(BALANCER.readBytes),
        callback: (count, buffer) => {
          this.#received(buffer.subarray(0, count));
          return true;
        },
      },
    });
    this.#socket = socket;
    socket.on('connect', () => {
      this.#connected = true;
      this.#user?.connected();
    });
    socket.on('drain', () => this.#user?.writable());
    socket.on('end', () => this.#closed(null));
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
