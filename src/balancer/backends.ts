import { methodText } from '../core/balance/choice.ts';
import { type Outcome } from '../core/balance/breaker.ts';
import { initialHealth, stepHealth, type HealthInput, type HealthState } from '../core/balance/health.ts';
import { keyOf } from '../core/balance/key.ts';
import type { Ask, Method, MethodChoice } from '../core/balance/method.ts';
import { createMethod } from '../core/balance/methods.ts';
import type { BalanceOptions } from '../core/balance/options.ts';
import { mayTakeOut, rateOutliers } from '../core/balance/outlier.ts';
import { checkWeight, type BackendSpec } from '../core/balance/spec.ts';
import { BALANCER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Ejection, Emit } from '../core/events.ts';
import type { RequestHead } from '../core/http/request.ts';
import { parseBackendUrl } from './address.ts';
import { Backend, mostOf, statsOf, type BackendStats } from './backend.ts';
import { isOurs } from './descriptors.ts';
import { FormerCounts } from './former-counts.ts';
import { probe, type Probe } from './probe.ts';

export interface BackendsOptions {
  readonly balance: BalanceOptions;
  /** The balancer's label in events. */
  readonly who: () => string;
  readonly emit: Emit;
  /** ms, monotonic. */
  readonly clock: () => number;
  readonly random: () => number;
  /** How a sticky cookie names a backend. */
  readonly stickyId: (label: string) => string;
}

/**
 * The backends and what is known of them. The list may change at any time: `list` is replaced, never changed, and who
 * holds a backend that was removed ends in peace with it.
 */
export class Backends {
  readonly #options: BackendsOptions;
  readonly #probes = new Map<Backend, Probe>();
  readonly #drains = new Map<Backend, { readonly ended: Promise<void>; readonly end: () => void }>();
  readonly #former = new FormerCounts();
  #list: readonly Backend[] = [];
  #health: HealthState = initialHealth();
  #choice: MethodChoice;
  #method: Method;
  #closed = false;
  /** When the parts of requests that fail were compared last. */
  #comparedAt: number;
  /** Called where a backend may have room that had none. */
  onRoom: () => void = () => {};
  /** One for all choices: it is read before `choose` returns. */
  readonly #ask: { -readonly [K in keyof Ask]: Ask[K] };

  /** @throws KelanaError BAD_VALUE */
  constructor(specs: readonly BackendSpec[], options: BackendsOptions) {
    this.#options = options;
    this.#choice = options.balance.method;
    this.#method = createMethod(this.#choice);
    this.#ask = { key: null, random: options.random, now: 0 };
    this.#comparedAt = options.clock();
    for (const spec of specs) this.#add(spec);
  }

  /** In the order they were added. */
  get list(): readonly Backend[] {
    return this.#list;
  }

  get method(): Method {
    return this.#method;
  }

  get methodChoice(): MethodChoice {
    return this.#choice;
  }

  /** As people write it: `hash:header=x-user`. */
  get methodText(): string {
    return methodText(this.#choice);
  }

  /** In service from now on. @throws KelanaError BAD_VALUE where it is there already, or one too many */
  add(spec: BackendSpec): Backend {
    const backend = this.#add(spec);
    backend.warm(this.#options.clock(), this.#options.balance.slowStartMs);
    this.onRoom();
    return backend;
  }

  #add(spec: BackendSpec): Backend {
    const { label, url } = parseBackendUrl(spec.url);
    // One that is leaving makes way at once, and ends in peace all the same.
    const leaving = this.#list.find((other) => other.label === label && this.#drains.has(other));
    if (leaving !== undefined) this.#takeOff(leaving);
    const twice = this.#list.some((other) => other.label === label);
    if (twice || this.#list.length >= BALANCER.maxBackends)
      throw new KelanaError('BAD_VALUE', {
        value: url,
        name: '--backend',
        why: twice
          ? { id: 'server ini sudah disebut', en: 'this server was given before' }
          : {
              id: `paling banyak ${BALANCER.maxBackends} server`,
              en: `at most ${BALANCER.maxBackends} servers are taken`,
            },
        example: `--backend ${url}`,
      });
    checkWeight(spec.weight);
    const used = new Set(this.#list.map(({ index }) => index));
    let slot = 0;
    while (used.has(slot)) slot += 1;
    const { stickyId, balance } = this.#options;
    const backend = new Backend(slot, spec, stickyId, balance.outlier, this.#former.take(label));
    this.#list = [...this.#list, backend];
    this.#step({ type: 'added', backend: slot });
    return backend;
  }

  /**
   * Takes it out of service at once, and off the list when its requests have ended or `drainMs` have gone. What runs
   * even then, such as a stream without end, is left to end by itself. @throws KelanaError NO_SUCH_BACKEND
   */
  async remove(label: string): Promise<void> {
    const backend = this.#find(label);
    backend.draining = true;
    this.#relieve();
    if (backend.active > 0 && !this.#closed) await this.#drained(backend);
    this.#takeOff(backend);
  }

  /** It was removed, and its last requests run. */
  isLeaving(backend: Backend): boolean {
    return this.#drains.has(backend);
  }

  #takeOff(backend: Backend): void {
    if (backend.removed) return;
    backend.removed = true;
    this.#former.keep(backend);
    this.#list = this.#list.filter((other) => other !== backend);
    this.#probes.get(backend)?.stop();
    this.#probes.delete(backend);
    this.#step({ type: 'removed', backend: backend.index });
    backend.pool.close();
  }

  /** On: it gets no new requests, and keeps those it has. Off: in service again. @throws KelanaError NO_SUCH_BACKEND */
  drain(label: string, on: boolean): void {
    const backend = this.#find(label);
    if (this.#drains.has(backend) && !on)
      throw new KelanaError('NO_SUCH_BACKEND', { name: label, known: this.#known(backend) });
    backend.draining = on;
    if (on) this.#relieve();
    else this.onRoom();
  }

  /** @throws KelanaError NO_SUCH_BACKEND, BAD_VALUE */
  setWeight(label: string, weight: number): void {
    checkWeight(weight);
    this.#find(label).weight = weight;
  }

  /** Requests at once, 0 for no limit. @throws KelanaError NO_SUCH_BACKEND */
  setMost(label: string, maxConnections: number): void {
    this.#find(label).maxConnections = mostOf(maxConnections);
    this.onRoom();
  }

  /** Requests from now on are shared out by it. */
  setMethod(choice: MethodChoice): void {
    this.#choice = choice;
    this.#method = createMethod(choice);
  }

  stats(): BackendStats[] {
    const now = this.#options.clock();
    return this.#list.map((backend) => statsOf(backend, now));
  }

  /** The best backend for a request (null: a TCP connection) that has tried some; undefined where none is available. */
  choose(
    request: RequestHead | null,
    client: string,
    tried: readonly Backend[],
    now: number,
  ): Backend | undefined {
    const method = this.#method;
    const ask = this.#ask;
    const source = method.keySource;
    // Of a TCP connection only its source is known.
    if (source === null) ask.key = null;
    else if (request !== null) ask.key = keyOf(source, request, client);
    else ask.key = source.from === 'source' ? client : null;
    ask.now = now;
    return method.choose(this.#list, tried, ask);
  }

  /**
   * Where no backend is in service: one that refused to connect, as it may be back before its next check, and its
   * refusal costs no time; or one that a first good check has found again. Never one that hangs, nor one that says in
   * its checks that it does not serve.
   */
  lastResort(tried: readonly Backend[]): Backend | undefined {
    const some = this.#list.filter(
      (one) =>
        !one.up && one.prompt && !one.draining && one.active < one.maxConnections && !tried.includes(one),
    );
    return some[Math.floor(this.#options.random() * some.length)];
  }

  /** A request on it has ended. */
  released(backend: Backend): void {
    backend.active -= 1;
    if (backend.active === 0) this.#drains.get(backend)?.end();
    this.onRoom();
  }

  /** What a request on it came to; `probe` where it was one of a circuit that is half open. */
  judged(backend: Backend, outcome: Outcome, probe: boolean, now: number): void {
    const { breaker } = backend;
    if (breaker.ended(outcome, probe, now)) {
      this.#eject(backend, 'in-a-row', now);
    } else if (probe && outcome !== 'left') {
      if (breaker.state === 'open') this.#tellEjected(backend, 'probe', breaker.outMs);
      else this.#readmit(backend, now);
    }
  }

  /** Nothing could be sent to it: out at once. */
  failed(backend: Backend, reason: string): void {
    backend.prompt = refused(reason);
    if (!backend.removed) this.#step({ type: 'failed', backend: backend.index, reason });
  }

  /** Something broke after the connection was made: a check decides. */
  suspected(backend: Backend): void {
    if (!backend.removed) this.#step({ type: 'suspected', backend: backend.index });
  }

  /** Nothing more can be opened here: the next request needs a descriptor more than idle connections do. */
  makeRoom(): void {
    for (const { pool } of this.#list) pool.clear();
  }

  /** Closes idle connections, of those who have the most of them first, until `most` are left or none. */
  keepIdle(most: number): void {
    let idle = this.#list.reduce((sum, { pool }) => sum + pool.size, 0);
    for (; idle > Math.max(0, most); idle -= 1)
      this.#list.reduce((one, other) => (other.pool.size > one.pool.size ? other : one)).pool.closeOldest();
  }

  /** The Set-Cookie line by which a client stays with this backend; empty where it has it, or there is none to be. */
  cookieFor(request: RequestHead, backend: Backend, scheme: 'http' | 'https'): string {
    const choice = this.#choice;
    if (choice.name !== 'sticky') return '';
    const has = keyOf({ from: 'cookie', name: choice.cookie }, request, '') === backend.stickyId;
    if (has) return '';
    const secure = scheme === 'https' ? '; Secure' : '';
    return `Set-Cookie: ${choice.cookie}=${backend.stickyId}; Path=/; HttpOnly; SameSite=Lax${secure}\r\n`;
  }

  sweep(now: number): void {
    const { balance } = this.#options;
    for (const backend of this.#list) {
      backend.pool.expire(now);
      // The request that tries it should come soon, whatever its failures were taken for.
      if (backend.breaker.tick(now)) backend.score.reset(now);
      backend.refresh(now, balance.slowStartMs);
    }
    if (now - this.#comparedAt >= balance.outlier.windowMs) this.#compare(now);
    this.#step({ type: 'tick' });
  }

  close(): void {
    this.#closed = true;
    for (const running of this.#probes.values()) running.stop();
    this.#probes.clear();
    for (const { end } of this.#drains.values()) end();
    for (const backend of this.#list) backend.pool.close();
  }

  /** Resolves when its last request has ended, or after `drainMs`. */
  #drained(backend: Backend): Promise<void> {
    const waiting = this.#drains.get(backend);
    if (waiting !== undefined) return waiting.ended;
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    const end = (): void => {
      clearTimeout(timer);
      this.#drains.delete(backend);
      resolve();
    };
    const timer = setTimeout(end, this.#options.balance.drainMs);
    this.#drains.set(backend, { ended, end });
    return ended;
  }

  #find(label: string): Backend {
    const backend = this.#list.find((other) => other.label === label);
    if (backend !== undefined) return backend;
    throw new KelanaError('NO_SUCH_BACKEND', { name: label, known: this.#known() });
  }

  #known(but?: Backend): string {
    const labels = this.#list.filter((backend) => backend !== but).map(({ label }) => label);
    return labels.length === 0 ? '-' : labels.join(', ');
  }

  #step(input: HealthInput): void {
    if (this.#closed) return;
    const { balance, clock, random, who, emit } = this.#options;
    const { state, outputs } = stepHealth(this.#health, input, clock(), random(), balance.health);
    this.#health = state;
    for (const output of outputs) {
      const backend = this.#list.find(({ index }) => index === output.backend);
      if (backend === undefined) continue;
      if (output.type === 'check') this.#check(backend);
      else if (output.type === 'up') {
        backend.up = true;
        backend.warm(clock(), balance.slowStartMs);
        this.onRoom();
        emit({ type: 'backend.up', who: who(), backend: backend.label });
      } else {
        backend.up = false;
        backend.pool.clear();
        // Checks tell when it is back; what it failed until then is forgiven.
        if (backend.breaker.state !== 'closed') backend.breaker.close(clock());
        this.#relieve();
        emit({ type: 'backend.down', who: who(), backend: backend.label, reason: output.reason });
      }
    }
  }

  /** Takes out who fails much more of its requests than the others. */
  #compare(now: number): void {
    this.#comparedAt = now;
    const counted = this.#list.filter(({ breaker }) => breaker.state === 'closed');
    const found = rateOutliers(
      counted.map(({ breaker }) => breaker),
      this.#options.balance.outlier,
    );
    for (const at of found) {
      const backend = counted[at];
      if (backend !== undefined) this.#eject(backend, 'rate', now);
    }
    for (const { breaker } of counted) breaker.forget();
  }

  #eject(backend: Backend, why: Ejection, now: number): void {
    if (backend.removed) return;
    const serving = this.#list.filter(({ draining }) => !draining);
    const out = serving.filter(({ up, breaker }) => !up || breaker.state !== 'closed').length;
    if (!mayTakeOut(serving.length, out, this.#options.balance.outlier.maxShare)) return;
    this.#tellEjected(backend, why, backend.breaker.open(now));
  }

  #tellEjected(backend: Backend, why: Ejection, ms: number): void {
    const { who, emit } = this.#options;
    backend.tally.because(why);
    emit({
      type: 'backend.ejected',
      who: who(),
      backend: backend.label,
      reason: why,
      seconds: Math.round(ms / 100) / 10,
    });
  }

  #readmit(backend: Backend, now: number): void {
    const { who, emit, balance } = this.#options;
    backend.warm(now, balance.slowStartMs);
    this.onRoom();
    emit({ type: 'backend.readmitted', who: who(), backend: backend.label });
  }

  /** Where nobody else is left, a backend that fails some requests is better than none, unless all may be taken out. */
  #relieve(): void {
    const { balance, clock } = this.#options;
    if (balance.outlier.maxShare >= 1) return;
    if (this.#list.some(({ up, draining, breaker }) => up && !draining && breaker.state === 'closed')) return;
    for (const backend of this.#list) {
      if (!backend.up || backend.draining || backend.breaker.state === 'closed') continue;
      const now = clock();
      backend.breaker.close(now);
      this.#readmit(backend, now);
    }
  }

  #check(backend: Backend): void {
    const running = probe(backend.pool, backend.label, this.#options.balance.check, (why) => {
      this.#probes.delete(backend);
      // A check that could not be made says nothing: what was known stays.
      const ours = why !== null && isOurs(why);
      const reason = ours && backend.up ? null : why;
      if (!ours) backend.prompt = why === null || refused(why);
      if (!backend.removed) this.#step({ type: 'checked', backend: backend.index, reason });
    });
    this.#probes.set(backend, running);
  }
}

/** Nobody was there. One that is there and answers that it does not serve is taken at its word. */
function refused(reason: string | null): boolean {
  return reason === 'ECONNREFUSED';
}
