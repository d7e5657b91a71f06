import { Breaker } from '../core/balance/breaker.ts';
import { Tally, type Figures } from '../core/balance/figures.ts';
import { hashText } from '../core/balance/hash.ts';
import type { BackendView } from '../core/balance/method.ts';
import type { OutlierOptions } from '../core/balance/options.ts';
import { Score } from '../core/balance/score.ts';
import { rampOf } from '../core/balance/slow-start.ts';
import type { BackendSpec } from '../core/balance/spec.ts';
import { parseBackendUrl } from './address.ts';
import { backendLink, type BackendLink } from './dial.ts';
import { Pool } from './pool.ts';

/** One backend: what is configured, what is known of it, and its idle connections. */
export class Backend implements BackendView {
  readonly index: number;
  readonly url: string;
  readonly label: string;
  readonly seed: number;
  readonly stickyId: string;
  readonly link: BackendLink;
  /** As it was added; its weight and its limit may have changed since. */
  readonly spec: BackendSpec;
  readonly pool: Pool;
  readonly score = new Score();
  readonly breaker: Breaker;
  /** Of the requests it answered. */
  readonly tally: Tally;
  /** Requests at once; Infinity for no limit. */
  maxConnections: number;
  weight: number;
  ramp = 1;
  /** Its checks are good and connecting to it works. */
  up = true;
  /** Where it is down: asking it costs no time, as it refuses connections, or its last check was good. */
  prompt = false;
  /** Gets no new requests; those that run end in peace. */
  draining = false;
  /** Taken from the list; what still runs on it ends by itself. */
  removed = false;
  active = 0;
  /** Requests sent, retries included, and those that failed before a whole response came. */
  requests = 0;
  failures = 0;
  #strain = 0;
  /** It came up then and starts slowly since; null where it has its whole weight. */
  #warmSince: number | null = null;

  constructor(
    index: number,
    spec: BackendSpec,
    stickyId: (label: string) => string,
    outlier: OutlierOptions,
    former?: Counts,
  ) {
    const { host, port, label, url } = parseBackendUrl(spec.url);
    this.index = index;
    this.url = url;
    this.label = label;
    this.seed = hashText(label);
    this.stickyId = stickyId(label);
    this.weight = spec.weight;
    this.spec = spec;
    this.maxConnections = mostOf(spec.maxConnections);
    this.tally = former?.tally ?? new Tally();
    this.requests = former?.requests ?? 0;
    this.failures = former?.failures ?? 0;
    this.link = backendLink(host, port, spec);
    this.pool = new Pool(this.link);
    this.breaker = new Breaker(outlier);
  }

  /** In service, whether or not it has room; a circuit that is half open counts, a probe may be all it takes now. */
  get usable(): boolean {
    return this.up && !this.draining && this.breaker.state !== 'open';
  }

  get available(): boolean {
    return this.up && !this.draining && this.breaker.admits && this.active < this.maxConnections;
  }

  get load(): number {
    return this.active + this.#strain;
  }

  wait(now: number): number {
    return this.score.wait(now);
  }

  /** What changes with time alone is looked at when a failure comes and at each sweep, not at each choice. */
  refresh(now: number, slowStartMs = 0): void {
    this.#strain = this.score.strain(now);
    if (this.#warmSince === null || slowStartMs === 0) return;
    this.ramp = rampOf(this.#warmSince, now, slowStartMs);
    if (this.ramp === 1) this.#warmSince = null;
  }

  /** It has come up, and is judged anew: its weight grows from now on. */
  warm(now: number, slowStartMs: number): void {
    this.score.reset(now);
    this.#strain = 0;
    if (slowStartMs === 0) return;
    this.#warmSince = now;
    this.ramp = rampOf(now, now, slowStartMs);
  }
}

/** What a backend has counted: one that goes and comes again counts on. */
export interface Counts {
  readonly tally: Tally;
  readonly requests: number;
  readonly failures: number;
}

/** A limit as it is given: 0 for none. */
export function mostOf(maxConnections: number): number {
  return maxConnections === 0 ? Infinity : maxConnections;
}

/** What is shown of a backend. */
export interface BackendStats {
  readonly url: string;
  readonly label: string;
  readonly up: boolean;
  readonly draining: boolean;
  /** Of its circuit breaker. */
  readonly circuit: 'closed' | 'open' | 'half-open';
  readonly weight: number;
  /** Part of the weight that counts now. */
  readonly ramp: number;
  /** 0 for no limit. */
  readonly maxConnections: number;
  readonly active: number;
  readonly requests: number;
  readonly failures: number;
  /** Idle connections. */
  readonly idle: number;
  /** ms that an answer takes lately (peak EWMA). */
  readonly waitMs: number;
  readonly figures: Figures;
}

export function statsOf(backend: Backend, now: number): BackendStats {
  const { url, label, up, draining, weight, ramp, active, requests, failures } = backend;
  const maxConnections = backend.maxConnections === Infinity ? 0 : backend.maxConnections;
  const [idle, waitMs] = [backend.pool.size, backend.score.wait(now)];
  return {
    url,
    label,
    up,
    draining,
    circuit: backend.breaker.state,
    weight,
    ramp,
    maxConnections,
    active,
    requests,
    failures,
    idle,
    waitMs,
    figures: backend.tally.plain(),
  };
}
