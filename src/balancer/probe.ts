import type { CheckRequest } from '../core/balance/options.ts';
import type { Pool } from './pool.ts';
import type { Upstream, UpstreamUser } from './upstream.ts';

export interface Probe {
  /** Ends it without a verdict. */
  stop(): void;
}

/**
 * Asks a backend whether it serves, on a connection of its own. Over HTTP a status in the given range is good, and so
 * is nonsense: someone is there, and each request judges its own answer. Over TCP a connection is enough, though the
 * system accepts for a stopped process as well. `done` gets null, or why the backend is not up; within `timeoutMs`, once.
 */
export function probe(
  pool: Pool,
  host: string,
  check: CheckRequest & { readonly timeoutMs: number },
  done: (reason: string | null) => void,
): Probe {
  let over = false;
  let upstream: Upstream | null = null;
  const finish = (reason: string | null): void => {
    if (over) return;
    over = true;
    clearTimeout(timer);
    upstream?.destroy();
    done(reason);
  };
  const timer = setTimeout(() => finish('no answer in time'), check.timeoutMs);
  const user: UpstreamUser = {
    connected() {
      if (check.kind === 'tcp') {
        finish(null);
        return;
      }
      upstream?.outgoing.text(
        `${check.method} ${check.path} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`,
      );
      upstream?.send();
    },
    received(bytes, count) {
      if (upstream === null || check.kind === 'tcp') return;
      upstream.parser.push(bytes, count);
      for (let event = upstream.parser.next(); event !== undefined; event = upstream.parser.next()) {
        if (event.type === 'interim') continue;
        const status = event.type === 'head' ? event.head.status : null;
        const [low, high] = check.status;
        finish(status === null || (status >= low && status <= high) ? null : `answered ${status}`);
        return;
      }
    },
    writable() {},
    closed(reason) {
      finish(reason ?? 'closed without an answer');
    },
  };
  upstream = pool.connect(user, null);
  if (check.kind === 'http') upstream.parser.expect(check.method);
  return {
    stop() {
      over = true;
      clearTimeout(timer);
      upstream?.destroy();
    },
  };
}
