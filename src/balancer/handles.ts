import type { SendHandle } from 'node:child_process';
import type { Server } from 'node:net';

/**
 * A bound socket that this process does not accept from. It is what `node:cluster` passes between processes too: Node's
 * own TCP handle, which `server.listen` takes. A `net.Server` would not do, since it accepts wherever it arrives.
 */
export type BoundHandle = SendHandle;

export interface BoundSocket {
  /** As it was asked for: `127.0.0.1`, not a name. */
  readonly host: string;
  readonly port: number;
  readonly handle: BoundHandle;
}

/** One of a balancer's sockets. */
export interface Bound extends BoundSocket {
  /** Of its addresses: 0 the first, then the further ones, then the redirect. Two sockets of `localhost` have the same. */
  readonly at: number;
  /** Whether all that is done there is to redirect; an older version does not say it. */
  readonly redirect?: boolean | undefined;
}

/** The handle of a server that listens; it is lent, and ends with the server. */
export function handleOf(server: Server): BoundHandle | null {
  const { _handle } = server as unknown as { readonly _handle?: BoundHandle | null };
  return _handle ?? null;
}

export function release(handle: BoundHandle): void {
  (handle as unknown as { close(): void }).close();
}
