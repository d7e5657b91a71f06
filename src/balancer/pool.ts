import { BALANCER } from '../core/config.ts';
import type { ClientFacts } from './connection.ts';
import type { BackendLink } from './dial.ts';
import { Upstream, type Resting, type UpstreamUser } from './upstream.ts';

/** The idle connections to one backend, newest last: the warmest is used first and the others age out. */
export class Pool implements Resting {
  readonly #link: BackendLink;
  #idle: Upstream[] = [];
  #closed = false;

  constructor(link: BackendLink) {
    this.#link = link;
  }

  get size(): number {
    return this.#idle.length;
  }

  /** An idle connection that is still open, or null. */
  take(user: UpstreamUser): Upstream | null {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.wake(user)) return idle;
      idle.destroy();
    }
    return null;
  }

  /** `client` is whom a PROXY header names; null where the balancer speaks for itself. */
  connect(user: UpstreamUser, client: ClientFacts | null): Upstream {
    return new Upstream(this.#link, client, user);
  }

  put(upstream: Upstream, now: number): void {
    // One that named a client by a PROXY header is that client's alone.
    if (this.#closed || this.#link.proxy !== null || this.#idle.length >= BALANCER.maxIdlePerBackend) {
      upstream.destroy();
      return;
    }
    this.#idle.push(upstream);
    upstream.rest(this, now);
  }

  lost(upstream: Upstream): void {
    this.#idle = this.#idle.filter((idle) => idle !== upstream);
  }

  /** Closes what has idled too long; the oldest come first. */
  expire(now: number): void {
    while (this.#idle[0] !== undefined && now - this.#idle[0].restsSince > BALANCER.upstreamIdleMs)
      this.#idle.shift()?.destroy();
  }

  closeOldest(): void {
    this.#idle.shift()?.destroy();
  }

  /** Drops all idle connections: their backend is down. */
  clear(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const upstream of idle) upstream.destroy();
  }

  close(): void {
    this.#closed = true;
    this.clear();
  }
}
