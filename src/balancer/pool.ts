import { BALANCER } from '../core/config.ts';
import { Upstream, type UpstreamUser } from './upstream.ts';

interface Idle {
  readonly upstream: Upstream;
  readonly since: number;
}

/** The idle connections to one backend, newest last: the warmest is used first and the others age out. */
export class Pool {
  readonly #host: string;
  readonly #port: number;
  #idle: Idle[] = [];
  #closed = false;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  get size(): number {
    return this.#idle.length;
  }

  /** An idle connection that is still open, or null. */
  take(user: UpstreamUser): Upstream | null {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.upstream.wake(user)) return idle.upstream;
      idle.upstream.destroy();
    }
    return null;
  }

  connect(user: UpstreamUser): Upstream {
    return new Upstream(this.#host, this.#port, user);
  }

  put(upstream: Upstream, now: number): void {
    if (this.#closed || this.#idle.length >= BALANCER.maxIdlePerBackend) {
      upstream.destroy();
      return;
    }
    this.#idle.push({ upstream, since: now });
    upstream.rest(() => {
      this.#idle = this.#idle.filter((idle) => idle.upstream !== upstream);
    });
  }

  /** Closes what has idled too long; the oldest come first. */
  expire(now: number): void {
    while (this.#idle[0] !== undefined && now - this.#idle[0].since > BALANCER.upstreamIdleMs)
      this.#idle.shift()?.upstream.destroy();
  }

  /** Drops all idle connections: their backend is down. */
  clear(): void {
    const idle = this.#idle;
    this.#idle = [];
    for (const { upstream } of idle) upstream.destroy();
  }

  close(): void {
    this.#closed = true;
    this.clear();
  }
}
