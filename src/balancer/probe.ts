import { BALANCER } from '../core/config.ts';
import { Outgoing } from './outgoing.ts';
import type { Pool } from './pool.ts';
import type { Upstream, UpstreamUser } from './upstream.ts';

export interface Probe {
  /** Ends it without a verdict. */
  stop(): void;
}

/**
 * Asks a backend for `/healthz` on a connection of its own. An answer below 500 is good, so that a backend without
 * that path counts too; connecting alone is not enough, since the system accepts for a stopped process as well.
 * `done` gets null, or why the backend is not up; within `connectTimeoutMs`, once.
 */
export function probe(pool: Pool, host: string, done: (reason: string | null) => void): Probe {
  let over = false;
  let upstream: Upstream | null = null;
  const finish = (reason: string | null): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    upstream?.destroy();
    done(reason);
  };
  const timer = setTimeout(() => finish('no answer in time'), BALANCER.connectTimeoutMs);
  const user: UpstreamUser = {
    connected() {
      const outgoing = new Outgoing();
      outgoing.text(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      upstream?.send(outgoing);
    },
    received(bytes) {
      if (upstream === null) return;
      upstream.parser.push(bytes);
      for (let event = upstream.parser.next(); event !== undefined; event = upstream.parser.next()) {
        if (event.type === 'interim') continue;
        // Someone who answers nonsense is there; each request judges its own answer.
        finish(event.type === 'head' && event.head.status >= 500 ? `answered ${event.head.status}` : null);
        return;
      }
    },
    writable() {},
    closed(reason) {
      finish(reason ?? 'closed without an answer');
    },
  };
  upstream = pool.connect(user);
  upstream.parser.expect('GET');
  return {
    stop() {
      over = true;
      clearTimeout(timer);
      upstream?.destroy();
    },
  };
}
