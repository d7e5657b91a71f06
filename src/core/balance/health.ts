/**
 * Which backends are up, as a pure step. A backend counts as up until something fails; one failure takes it out at
 * once, and one good check brings it back. Checks of a backend that is down start quickly and slow down.
 */
export interface HealthState {
  readonly backends: readonly BackendHealth[];
}

export type BackendHealth =
  | { readonly up: true; readonly checking: boolean }
  | {
      readonly up: false;
      readonly checking: boolean;
      /** Checks that failed since it went down. */
      readonly failures: number;
      /** ms, on the caller's clock. */
      readonly nextCheckAt: number;
    };

export type HealthInput =
  /** Connecting failed, or a response did not come in time: the backend is out. */
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
}

const UP: BackendHealth = { up: true, checking: false };

export function initialHealth(count: number): HealthState {
  return { backends: Array.from({ length: count }, () => UP) };
}

export function stepHealth(
  state: HealthState,
  input: HealthInput,
  now: number,
  options: HealthOptions,
): { state: HealthState; outputs: readonly HealthOutput[] } {
  if (input.type === 'tick') return tick(state, now);
  const backend = state.backends[input.backend];
  if (backend === undefined) return { state, outputs: [] };
  const at = input.backend;
  if (input.type === 'failed') {
    if (!backend.up) return { state, outputs: [] };
    const { checking } = backend;
    const nextCheckAt = now + options.recheckMinMs;
    return {
      state: put(state, at, { up: false, checking, failures: 0, nextCheckAt }),
      outputs: [{ type: 'down', backend: at, reason: input.reason }],
    };
  }
  if (input.type === 'suspected') {
    if (!backend.up || backend.checking) return { state, outputs: [] };
    return { state: put(state, at, { up: true, checking: true }), outputs: [{ type: 'check', backend: at }] };
  }
  if (input.reason === null)
    return { state: put(state, at, UP), outputs: backend.up ? [] : [{ type: 'up', backend: at }] };
  const failures = backend.up ? 1 : backend.failures + 1;
  const wait = Math.min(options.recheckMs, options.recheckMinMs * 2 ** Math.min(failures, 30));
  return {
    state: put(state, at, { up: false, checking: false, failures, nextCheckAt: now + wait }),
    outputs: backend.up ? [{ type: 'down', backend: at, reason: input.reason }] : [],
  };
}

/** Starts a check of each backend that is down and due. */
function tick(state: HealthState, now: number): { state: HealthState; outputs: readonly HealthOutput[] } {
  const outputs: HealthOutput[] = [];
  let next = state;
  for (const [index, backend] of state.backends.entries()) {
    if (backend.up || backend.checking || now < backend.nextCheckAt) continue;
    next = put(next, index, { ...backend, checking: true });
    outputs.push({ type: 'check', backend: index });
  }
  return { state: next, outputs };
}

function put(state: HealthState, index: number, health: BackendHealth): HealthState {
  return { backends: state.backends.with(index, health) };
}
