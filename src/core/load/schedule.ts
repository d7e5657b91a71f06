/**
 * When each client sends. Times are ms from the start of the run.
 *
 * In a closed loop a client sends as soon as its last request was answered, so a server that stalls is asked less
 * while it stalls: percentiles come out too good. Gil Tene calls that coordinated omission ("How NOT to Measure
 * Latency", 2013; his wrk2 corrects it). In an open loop the sends are due at a constant rate whatever the server
 * does, and a response time counts from when its request was due, not from when it could at last be sent.
 */
export interface Schedule {
  /** When the client's `index`-th request (from 0) is due, or null for "as soon as the one before it is done". */
  due(client: number, index: number): number | null;
}

export const closedLoop: Schedule = { due: () => null };

/** `rate` requests a second in all, dealt to the clients in turn, evenly spaced. */
export function openLoop(rate: number, clients: number): Schedule {
  return { due: (client, index) => ((index * clients + client) * 1000) / rate };
}

export interface Quota {
  /** Requests of each client, or null where only the time bounds the run. */
  readonly requests: number | null;
  /** ms after which no request is begun, or null. */
  readonly durationMs: number | null;
}

/** Whether a client's `index`-th request still belongs to the run at `now`. */
export function begins(
  quota: Quota,
  schedule: Schedule,
  client: number,
  index: number,
  nowMs: number,
): boolean {
  if (quota.requests !== null && index >= quota.requests) return false;
  if (quota.durationMs === null) return true;
  return Math.max(nowMs, schedule.due(client, index) ?? 0) < quota.durationMs;
}

/**
 * The moment from which a request's times count: when it was due, unless a timer fired early.
 * Timers are exact to 1 ms, so a send may come up to 1 ms before it is due; then its own send counts.
 */
export function countsFrom(dueMs: number | null, sentMs: number): number {
  return dueMs === null ? sentMs : Math.min(dueMs, sentMs);
}

/** Requests that were due in the time but had not been sent when it ended: an open loop must not hide them. */
export function dueInAll(rate: number, durationMs: number): number {
  return Math.ceil((rate * durationMs) / 1000);
}
