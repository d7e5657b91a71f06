import { BALANCER } from '../config.ts';
import type { HealthOptions } from './health.ts';
import type { MethodChoice } from './method.ts';

/** How a check asks a backend whether it serves. */
export type CheckRequest =
  | { readonly kind: 'tcp' }
  | {
      readonly kind: 'http';
      readonly method: string;
      readonly path: string;
      /** Lowest and highest status that is good. */
      readonly status: readonly [number, number];
    };

/** ms, each apart from the others. */
export interface Timeouts {
  /** A request's head, from its first byte to its last. */
  readonly headMs: number;
  /** A client's connection between requests. */
  readonly idleMs: number;
  /** A body that stands still, either way. */
  readonly bodyMs: number;
  /** A connection to a backend. */
  readonly connectMs: number;
  /** The head of an answer, once the request is sent. */
  readonly responseMs: number;
  /** A tunnel (Upgrade, TCP mode) in which nothing moves. */
  readonly tunnelMs: number;
}

export interface OutlierOptions {
  /** Failures in a row that take a backend out; 0 turns this off. */
  readonly consecutive: number;
  /** Part of its answers that must fail; 0 turns this off. Looked at every `windowMs`, from `leastRequests` on. */
  readonly rate: number;
  readonly windowMs: number;
  readonly leastRequests: number;
  /** Part of all backends that may be out at once, those that are down included. */
  readonly maxShare: number;
  /** ms out: the first time, and at most. */
  readonly baseMs: number;
  readonly maxMs: number;
}

export interface RetryOptions {
  /** Retries for each request of the last `windowMs`. */
  readonly ratio: number;
  /** Retries a second that are always allowed. */
  readonly perSecond: number;
  readonly windowMs: number;
}

export interface QueueOptions {
  /** Requests that wait for room on a backend; 0 for none. */
  readonly max: number;
  /** ms a request waits at most; and while the queue has not been empty for `busyMs`. */
  readonly timeoutMs: number;
  readonly busyTimeoutMs: number;
  readonly busyMs: number;
}

/** All that can be set about choosing, health, failure and overload. */
export interface BalanceOptions {
  readonly method: MethodChoice;
  readonly check: CheckRequest & { readonly timeoutMs: number };
  readonly health: HealthOptions;
  readonly outlier: OutlierOptions;
  readonly retry: RetryOptions;
  readonly queue: QueueOptions;
  readonly timeouts: Timeouts;
  /** ms in which the weight of a backend that came up grows to its whole; 0 for at once. */
  readonly slowStartMs: number;
  /** Requests in flight in all, queued ones included; more are answered 503 at once. */
  readonly maxActive: number;
  /** ms that the requests of a backend that is removed may take. */
  readonly drainMs: number;
}

export const BALANCE_DEFAULTS: BalanceOptions = {
  method: { name: 'round-robin' },
  check: {
    kind: 'http',
    method: 'GET',
    path: BALANCER.checkPath,
    status: BALANCER.checkStatus,
    timeoutMs: BALANCER.checkTimeoutMs,
  },
  health: {
    recheckMinMs: BALANCER.recheckMinMs,
    recheckMs: BALANCER.recheckMs,
    intervalMs: BALANCER.checkIntervalMs,
    jitter: BALANCER.checkJitter,
    rise: BALANCER.checkRise,
    fall: BALANCER.checkFall,
  },
  outlier: {
    consecutive: BALANCER.outlierConsecutive,
    rate: BALANCER.outlierRate,
    windowMs: BALANCER.outlierWindowMs,
    leastRequests: BALANCER.outlierLeastRequests,
    maxShare: BALANCER.outlierMaxShare,
    baseMs: BALANCER.outlierBaseMs,
    maxMs: BALANCER.outlierMaxMs,
  },
  retry: {
    ratio: BALANCER.retryRatio,
    perSecond: BALANCER.retryPerSecond,
    windowMs: BALANCER.retryWindowMs,
  },
  queue: {
    max: BALANCER.queueMax,
    timeoutMs: BALANCER.queueTimeoutMs,
    busyTimeoutMs: BALANCER.queueBusyTimeoutMs,
    busyMs: BALANCER.queueBusyMs,
  },
  timeouts: {
    headMs: BALANCER.headTimeoutMs,
    idleMs: BALANCER.clientIdleMs,
    bodyMs: BALANCER.bodyIdleMs,
    connectMs: BALANCER.connectTimeoutMs,
    responseMs: BALANCER.responseTimeoutMs,
    tunnelMs: BALANCER.tunnelTimeoutMs,
  },
  slowStartMs: BALANCER.slowStartMs,
  maxActive: BALANCER.maxActive,
  drainMs: BALANCER.drainMs,
};
