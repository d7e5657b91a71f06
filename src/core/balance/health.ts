/**
 * Which backends are up, as a pure step. A backend counts as up until something fails: nothing could be sent to it, or
 * `fall` checks in a row were bad. `rise` good checks in a row bring it back. Checks of a backend that is down start
 * quickly and slow down; those of one that is up come every `intervalMs`, where that is not 0.
 */
export interface HealthState {
  /** By slot; null where the slot is free. */
  readonly backends: readonly (BackendHealth | null)[];
}

export interface BackendHealth {
  readonly up: boolean;
  readonly checking: boolean;
  /** The check that runs was asked for because a request broke: if it is bad, that is enough. */
  readonly suspect: boolean;
  /** Checks in a row that speak against what it is now: bad ones while up, good ones while down. */
  readonly streak: number;
  /** Checks that were bad since it went down. */
  readonly failures: number;
  /** ms, on the caller's clock. */
  readonly nextCheckAt: number;
}

export type HealthInput =
  | { readonly type: 'added'; readonly backend: number }
  | { readonly type: 'removed'; readonly backend: number }
  /** Nothing could be sent to it: the backend is out. */
  | { readonly type: 'failed'; readonly backend: number; readonly reason: string }
  /** A connection broke under a request: maybe the backend, maybe only that request. A check tells. */
  | { readonly type: 'suspected'; readonly backend: number }
  /** A check ended; `reason` null where it was good. */
  | { readonly type: 'checked'; readonly backend: number; readonly reason: string | null }
  | { readonly type: 'tick' };

export type HealthOutput =
  | { readonly type: 'check'; readonly backend: number }
  | { readonly type: 'down'; readonly backend: number; readonly reason: string }
  | { readonly type: 'up'; readonly backend: number };

export interface HealthOptions {
  /** ms; first and longest wait between checks of a backend that is down. */
  readonly recheckMinMs: number;
  readonly recheckMs: number;
  /** ms between checks of one that is up; 0 where only failures are looked at. */
  readonly intervalMs: number;
  /** Part of `intervalMs` by which it varies, so that many balancers do not ask at once. */
  readonly jitter: number;
  readonly rise: number;
  readonly fall: number;
}

interface Step {
  readonly state: HealthState;
  readonly outputs: readonly HealthOutput[];
}

const NOTHING: readonly HealthOutput[] = [];

export function initialHealth(): HealthState {
  return { backends: [] };
}

/** @param random 0 to below 1; spreads the next check */
export function stepHealth(
  state: HealthState,
  input: HealthInput,
  now: number,
  random: number,
  options: HealthOptions,
): Step {
  if (input.type === 'tick') return tick(state, now);
  const at = input.backend;
  if (input.type === 'added') {
    // Its first check comes within one interval, not all at the start.
    const nextCheckAt = options.intervalMs === 0 ? Infinity : now + options.intervalMs * random;
    const health = { up: true, checking: false, suspect: false, streak: 0, failures: 0, nextCheckAt };
    return { state: put(state, at, health), outputs: NOTHING };
  }
  if (input.type === 'removed') return { state: put(state, at, null), outputs: NOTHING };
  const health = state.backends[at];
  if (health === undefined || health === null) return { state, outputs: NOTHING };
  if (input.type === 'failed')
    return health.up ? down(state, at, health, input.reason, now, options) : same(state);
  if (input.type === 'suspected') {
    if (!health.up) return same(state);
    const next = { ...health, checking: true, suspect: true };
    return {
      state: put(state, at, next),
      outputs: health.checking ? NOTHING : [{ type: 'check', backend: at }],
    };
  }
  return checked(state, at, health, input.reason, now, random, options);
}

function checked(
  state: HealthState,
  at: number,
  health: BackendHealth,
  reason: string | null,
  now: number,
  random: number,
  options: HealthOptions,
): Step {
  const good = reason === null;
  const ended = { ...health, checking: false, suspect: false };
  if (good === health.up) {
    const next = { ...ended, streak: 0, failures: good ? 0 : health.failures + 1 };
    const nextCheckAt = good ? nextRegular(now, random, options) : now + recheckWait(next.failures, options);
    return { state: put(state, at, { ...next, nextCheckAt }), outputs: NOTHING };
  }
  const streak = health.streak + 1;
  if (!good) {
    if (health.suspect || streak >= options.fall) return down(state, at, ended, reason, now, options);
    return {
      state: put(state, at, { ...ended, streak, nextCheckAt: now + options.recheckMinMs }),
      outputs: NOTHING,
    };
  }
  if (streak < options.rise)
    return {
      state: put(state, at, { ...ended, streak, nextCheckAt: now + options.recheckMinMs }),
      outputs: NOTHING,
    };
  const nextCheckAt = nextRegular(now, random, options);
  return {
    state: put(state, at, { ...ended, up: true, streak: 0, failures: 0, nextCheckAt }),
    outputs: [{ type: 'up', backend: at }],
  };
}

function down(
  state: HealthState,
  at: number,
  health: BackendHealth,
  reason: string,
  now: number,
  options: HealthOptions,
): Step {
  const nextCheckAt = now + options.recheckMinMs;
  return {
    state: put(state, at, { ...health, up: false, suspect: false, streak: 0, failures: 0, nextCheckAt }),
    outputs: [{ type: 'down', backend: at, reason }],
  };
}

/** Starts each check that is due. */
function tick(state: HealthState, now: number): Step {
  let outputs: HealthOutput[] | null = null;
  let next = state;
  for (const [backend, health] of state.backends.entries()) {
    if (health === null || health.checking || now < health.nextCheckAt) continue;
    next = put(next, backend, { ...health, checking: true });
    (outputs ??= []).push({ type: 'check', backend });
  }
  return { state: next, outputs: outputs ?? NOTHING };
}

function recheckWait(failures: number, options: HealthOptions): number {
  return Math.min(options.recheckMs, options.recheckMinMs * 2 ** Math.min(failures, 30));
}

function nextRegular(now: number, random: number, options: HealthOptions): number {
  if (options.intervalMs === 0) return Infinity;
  return now + options.intervalMs * (1 + options.jitter * (2 * random - 1));
}

function same(state: HealthState): Step {
  return { state, outputs: NOTHING };
}

function put(state: HealthState, slot: number, health: BackendHealth | null): HealthState {
  const backends = [...state.backends];
  while (backends.length < slot) backends.push(null);
  backends[slot] = health;
  return { backends };
}
