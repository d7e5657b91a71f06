import { createMethod } from '../core/balance/methods.ts';
import type { MethodName } from '../core/balance/method.ts';
import { BALANCER } from '../core/config.ts';
import { reason } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { hostPort, type BackendAddress } from './address.ts';
import { Backends } from './backends.ts';
import { ClientConnection } from './client.ts';
import { forwardingOf, type Forwarding } from './forwarding.ts';
import { listen } from './listener.ts';
import { dateSource, type Shared } from './shared.ts';

export interface BalancerOptions {
  /** `localhost` is both 127.0.0.1 and, where there is one, ::1. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly backends: readonly { readonly url: string; readonly weight?: number }[];
  readonly method: MethodName;
  /** X-Forwarded-* where it is left out, and no proxy in front is trusted. */
  readonly forwarding?: Forwarding;
  readonly emit: Emit;
  /** ms, monotonic. */
  readonly clock?: () => number;
}

export interface BalancerStats {
  /** Requests answered, and in flight. */
  readonly requests: number;
  readonly active: number;
  /** Client connections open. */
  readonly connections: number;
  readonly backends: readonly {
    readonly url: string;
    readonly label: string;
    readonly up: boolean;
    readonly active: number;
    readonly requests: number;
    readonly failures: number;
    readonly idle: number;
  }[];
}

export interface Balancer {
  readonly url: string;
  readonly port: number;
  stats(): BalancerStats;
  /** Stops accepting, lets running requests end within `BALANCER.closeMs`, then closes what is left. */
  close(): Promise<void>;
}

/** @throws KelanaError PORT_IN_USE, BAD_ADDRESS, BAD_VALUE */
export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const clock = options.clock ?? (() => performance.now());
  const addresses: BackendAddress[] = options.backends.map(({ url, weight }) => ({
    url,
    weight: weight ?? 1,
  }));
  const connections = new Set<ClientConnection>();
  const emit = options.emit;
  const shared: Shared = {
    who: 'balancer',
    backends: new Backends(addresses, () => shared.who, emit, clock),
    method: createMethod(options.method),
    forwarding: options.forwarding ?? forwardingOf(),
    emit,
    clock,
    date: dateSource(Date.now),
    stopping: false,
    requests: 0,
    active: 0,
  };
  const listener = await listen(
    options.host,
    options.port,
    (socket) => {
      connections.add(new ClientConnection(socket, shared, (gone) => connections.delete(gone)));
    },
    (thrown) => emit({ type: 'error', who: shared.who, code: 'LISTENER', detail: reason(thrown) }),
  );
  const label = hostPort(options.host, listener.port);
  shared.who = label;
  const { backends } = shared;
  // One timer for every deadline: a timer per request would cost more than the request's parsing.
  const sweeper = setInterval(() => {
    const now = clock();
    for (const connection of connections) connection.check(now);
    backends.sweep(now);
  }, BALANCER.sweepMs);
  emit({
    type: 'balancer.ready',
    who: shared.who,
    url: `http://${label}`,
    method: shared.method.name,
    backends: backends.list.map((backend) => backend.label),
  });

  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    shared.stopping = true;
    const closed = listener.close();
    for (const connection of connections) connection.stop();
    const timer = setTimeout(() => {
      for (const connection of connections) connection.destroy();
    }, BALANCER.closeMs);
    await closed;
    clearTimeout(timer);
    clearInterval(sweeper);
    backends.close();
  };

  return {
    url: `http://${label}`,
    port: listener.port,
    stats: () => ({
      requests: shared.requests,
      active: shared.active,
      connections: connections.size,
      backends: backends.list.map(({ url, label, up, active, requests, failures, pool }) => ({
        url,
        label,
        up,
        active,
        requests,
        failures,
        idle: pool.size,
      })),
    }),
    close: () => (closing ??= close()),
  };
}
