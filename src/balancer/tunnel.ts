import { BALANCER } from '../core/config.ts';
import type { Upstream } from './upstream.ts';

/** The client's side of a tunnel. */
export interface TunnelEnd {
  /** From now on bytes are handed on as they are; gives those that came after the request. */
  open(): Uint8Array;
  /** The bytes are lent until it returns. False where `clientWritable` will be called later. */
  write(bytes: Uint8Array): boolean;
  /** Sends a FIN after what was written. */
  end(): void;
  pause(): void;
  resume(): void;
}

/**
 * Two connections after a 101: bytes go both ways, unread and with the speed of the slower side, and each side may end
 * before the other does.
 */
export class Tunnel {
  readonly #client: TunnelEnd;
  readonly #backend: Upstream;
  readonly #idleMs: number;
  readonly #clock: () => number;
  #clientEnded = false;
  #backendEnded = false;
  /** ms, monotonic. */
  readonly openedAt: number;
  #movedAt: number;

  /** @param idleMs how long it may be silent */
  constructor(client: TunnelEnd, backend: Upstream, idleMs: number, clock: () => number) {
    this.#client = client;
    this.#backend = backend;
    this.#idleMs = idleMs;
    this.#clock = clock;
    this.openedAt = this.#movedAt = clock();
  }

  /** Both sides have ended. */
  get over(): boolean {
    return this.#clientEnded && this.#backendEnded;
  }

  fromClient(bytes: Uint8Array): void {
    this.#movedAt = this.#clock();
    if (bytes.length > 0 && !this.#backend.write(bytes)) this.#client.pause();
  }

  fromBackend(bytes: Uint8Array): void {
    this.#movedAt = this.#clock();
    if (bytes.length > 0 && !this.#client.write(bytes)) this.#backend.pause();
  }

  clientEnded(): void {
    this.#movedAt = this.#clock();
    this.#clientEnded = true;
    this.#backend.end();
  }

  backendEnded(): void {
    this.#movedAt = this.#clock();
    this.#backendEnded = true;
    this.#client.end();
  }

  clientWritable(): void {
    this.#movedAt = this.#clock();
    this.#backend.resume();
  }

  backendWritable(): void {
    this.#movedAt = this.#clock();
    this.#client.resume();
  }

  stalled(now: number): boolean {
    const half = this.#clientEnded || this.#backendEnded;
    return now - this.#movedAt > (half ? Math.min(this.#idleMs, BALANCER.tunnelHalfClosedMs) : this.#idleMs);
  }
}
