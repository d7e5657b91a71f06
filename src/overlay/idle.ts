import type { Connection, Startable } from '@libp2p/interface';
import { OVERLAY } from '../core/config.ts';

interface Components {
  readonly connectionManager: {
    getConnections(): readonly Pick<Connection, 'status' | 'streams' | 'close' | 'abort'>[];
  };
}
type Closable = ReturnType<Components['connectionManager']['getConnections']>[number];

export interface IdleSettings {
  /** ms between looks. */
  readonly sweepMs: number;
  /** ms after which an idle connection is closed. */
  readonly idleMs: number;
  /** Idle connections that are kept at most. */
  readonly most: number;
}

export const IDLE: IdleSettings = {
  sweepMs: 2_000,
  idleMs: OVERLAY.idleConnectionMs,
  most: OVERLAY.maxIdleConnections,
};
/** Looks in a row that find a connection idle before it may be closed at all: whoever dialled is about to open a stream. */
const LEAST_LOOKS = 3;

/**
 * Closes connections that carry no stream any more. The DHT dials whom a look-up leads to and guests come and go;
 * libp2p keeps each such connection (about 0.6 MiB for both ends) until there are 256. Links, transfers and guests
 * have a stream for as long as they last, so what has none is not in use.
 */
export function closeIdle({ sweepMs, idleMs, most } = IDLE): (components: Components) => Startable {
  return ({ connectionManager }) => {
    /** Looks in a row at which a connection had no stream, those that are idle for longest first. */
    let idle = new Map<Closable, number>();
    let timer: NodeJS.Timeout | undefined;

    const sweep = (): void => {
      const next = new Map<Closable, number>();
      const free = connectionManager
        .getConnections()
        .filter((connection) => connection.status === 'open' && connection.streams.length === 0);
      for (const connection of free) next.set(connection, (idle.get(connection) ?? 0) + 1);
      const longest = [...next].sort(([, a], [, b]) => b - a);
      const surplus = longest.length - most;
      for (const [at, [connection, looks]] of longest.entries()) {
        const late = looks * sweepMs >= idleMs;
        if (!late && (at >= surplus || looks < LEAST_LOOKS)) break;
        next.delete(connection);
        connection.close({ signal: AbortSignal.timeout(sweepMs) }).catch((thrown: unknown) => {
          connection.abort(thrown instanceof Error ? thrown : new Error('not closed'));
        });
      }
      idle = next;
    };
    return {
      start: () => {
        timer = setInterval(sweep, sweepMs);
        timer.unref();
      },
      stop: () => clearInterval(timer),
    };
  };
}
