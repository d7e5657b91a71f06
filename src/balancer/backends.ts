import type { BackendView } from '../core/balance/method.ts';
import { initialHealth, stepHealth, type HealthInput, type HealthState } from '../core/balance/health.ts';
import { BALANCER } from '../core/config.ts';
import type { Emit } from '../core/events.ts';
import { parseBackendUrl, type BackendAddress } from './address.ts';
import { Pool } from './pool.ts';
import { probe, type Probe } from './probe.ts';

export class Backend implements BackendView {
  readonly index: number;
  readonly url: string;
  readonly label: string;
  readonly weight: number;
  readonly pool: Pool;
  up = true;
  active = 0;
  /** Requests sent, retries included, and those that failed before a whole response came. */
  requests = 0;
  failures = 0;

  constructor(index: number, address: BackendAddress) {
    const { host, port, label, url } = parseBackendUrl(address.url);
    this.index = index;
    this.url = url;
    this.label = label;
    this.weight = address.weight;
    this.pool = new Pool(host, port);
  }
}

/** The backends and what is known of their health; runs the checks that core/balance/health asks for. */
export class Backends {
  readonly list: readonly Backend[];
  readonly #who: () => string;
  readonly #emit: Emit;
  readonly #clock: () => number;
  readonly #probes = new Set<Probe>();
  #health: HealthState;
  #closed = false;

  constructor(addresses: readonly BackendAddress[], who: () => string, emit: Emit, clock: () => number) {
    this.list = addresses.map((address, index) => new Backend(index, address));
    this.#health = initialHealth(addresses.length);
    this.#who = who;
    this.#emit = emit;
    this.#clock = clock;
  }

  /** Nothing could be sent to it: out at once. */
  failed(backend: Backend, reason: string): void {
    this.#step({ type: 'failed', backend: backend.index, reason });
  }

  /** Something broke after the connection was made: a check decides. */
  suspected(backend: Backend): void {
    this.#step({ type: 'suspected', backend: backend.index });
  }

  sweep(now: number): void {
    for (const backend of this.list) backend.pool.expire(now);
    this.#step({ type: 'tick' });
  }

  close(): void {
    this.#closed = true;
    for (const running of this.#probes) running.stop();
    this.#probes.clear();
    for (const backend of this.list) backend.pool.close();
  }

  #step(input: HealthInput): void {
    if (this.#closed) return;
    const { state, outputs } = stepHealth(this.#health, input, this.#clock(), BALANCER);
    this.#health = state;
    for (const output of outputs) {
      const backend = this.list[output.backend];
      if (backend === undefined) continue;
      if (output.type === 'check') this.#check(backend);
      else if (output.type === 'up') {
        backend.up = true;
        this.#emit({ type: 'backend.up', who: this.#who(), backend: backend.label });
      } else {
        backend.up = false;
        backend.pool.clear();
        this.#emit({ type: 'backend.down', who: this.#who(), backend: backend.label, reason: output.reason });
      }
    }
  }

  #check(backend: Backend): void {
    const running = probe(backend.pool, backend.label, (reason) => {
      this.#probes.delete(running);
      this.#step({ type: 'checked', backend: backend.index, reason });
    });
    this.#probes.add(running);
  }
}
