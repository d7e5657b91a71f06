import { discovered, namesOf, NOTHING_DISCOVERED } from '../core/balance/discovery.ts';
import type { Given, GivenBackend } from '../core/balance/changes.ts';
import { scaledWeight, type Found, type Source } from '../core/balance/source.ts';
import { WEIGHTS } from '../core/balance/spec.ts';
import { BALANCER, BALANCER_DISCOVERY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { hostPort, parseBackend, parseBackendUrl } from './address.ts';
import type { Answer } from './resolving.ts';

/** What is given, and the names among it. */
export interface Named {
  readonly given: Given;
  readonly sources?: readonly Source[];
}

export interface DiscoveryOptions {
  readonly resolve: (source: Source) => Promise<Answer>;
  readonly who: () => string;
  readonly emit: Emit;
  /** Addresses of the balancer itself: it must not ask itself. */
  readonly isOwn: (host: string, port: number) => boolean;
}

/** One name that is asked for again and again. */
interface Watch {
  readonly source: Source;
  /** The first answer is there, or was waited for in vain. */
  readonly first: Promise<void>;
  state: typeof NOTHING_DISCOVERED;
  backends: readonly GivenBackend[];
  /** ms until a name that was not found is asked for again. */
  retryMs: number;
  /** It is known that there is no answer, and was told. */
  lost: boolean;
  timer: NodeJS.Timeout | null;
  over: boolean;
}

/** Keeps asking which backends names stand for, and says when that changed. */
export class Discovery {
  readonly #options: DiscoveryOptions;
  #watches: readonly Watch[] = [];
  /** Called with the name where the backends of one have changed. */
  onChange: (source: string, backends: number) => void = () => {};

  constructor(options: DiscoveryOptions) {
    this.#options = options;
  }

  /** Asks for these too. Resolves when each has its first answer, or after `firstMs`; then it goes on by itself. */
  async follow(sources: readonly Source[]): Promise<void> {
    const known = new Set(this.#watches.map(({ source }) => source.text));
    const fresh = sources.filter(({ text }) => !known.has(text)).map((source) => this.#watch(source));
    this.#watches = [...this.#watches, ...fresh];
    if (fresh.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, BALANCER_DISCOVERY.firstMs);
    });
    await Promise.race([Promise.all(fresh.map(({ first }) => first)), late]);
    clearTimeout(timer);
  }

  /** Asks for no others any more. */
  keep(sources: readonly Source[]): void {
    const wanted = new Set(sources.map(({ text }) => text));
    for (const watch of this.#watches) if (!wanted.has(watch.source.text)) end(watch);
    this.#watches = this.#watches.filter(({ over }) => !over);
  }

  /**
   * What is given, with what the names stand for now. A server that is given or was added by command is not there twice.
   */
  expand({ given, sources = [] }: Named, added: readonly GivenBackend[]): Given {
    if (sources.length === 0) return given;
    const there = new Set([...given.backends, ...added].map(({ name }) => name));
    const room = Math.max(0, BALANCER.maxBackends - there.size);
    const found = sources.flatMap(
      ({ text }) => this.#watches.find(({ source }) => source.text === text) ?? [],
    );
    const fresh = new Map<string, GivenBackend>();
    for (const backend of found.flatMap(({ backends }) => backends))
      if (!there.has(backend.name) && !fresh.has(backend.name)) fresh.set(backend.name, backend);
    const backends = [...given.backends, ...[...fresh.values()].slice(0, room)];
    return { ...given, backends, open: true };
  }

  close(): void {
    this.keep([]);
  }

  #watch(source: Source): Watch {
    const { promise: first, resolve } = Promise.withResolvers<void>();
    const watch: Watch = {
      source,
      first,
      state: NOTHING_DISCOVERED,
      backends: [],
      retryMs: BALANCER_DISCOVERY.retryMinMs,
      lost: false,
      timer: null,
      over: false,
    };
    void this.#ask(watch).finally(resolve);
    return watch;
  }

  async #ask(watch: Watch): Promise<void> {
    const answer = await this.#options.resolve(watch.source);
    if (watch.over) return;
    const waitMs = this.#heard(watch, answer);
    watch.timer = setTimeout(() => void this.#ask(watch), waitMs);
  }

  /** Gives the ms until it is asked again. */
  #heard(watch: Watch, { found, whole, ttlMs, why }: Answer): number {
    const { emit, who, isOwn } = this.#options;
    const servers = found.filter(({ host, port }) => !isOwn(host, port));
    if (servers.length === 0) {
      if (!watch.lost) {
        const error = new KelanaError('NO_ADDRESS', { name: watch.source.text, why: why ?? 'no address' });
        emit({ type: 'error', who: who(), code: error.code, detail: error.message, params: error.params });
      }
      watch.lost = true;
      const waitMs = watch.retryMs;
      watch.retryMs = Math.min(2 * waitMs, BALANCER_DISCOVERY.retryMaxMs);
      return waitMs;
    }
    watch.lost = false;
    watch.retryMs = BALANCER_DISCOVERY.retryMinMs;
    this.#take(watch, servers, whole);
    // What an answer left out is asked for soon, so that it goes before long.
    const gone = watch.state.backends.some(({ missed }) => missed > 0);
    return gone ? BALANCER_DISCOVERY.minMs : ttlMs;
  }

  #take(watch: Watch, servers: readonly Found[], whole: boolean): void {
    const byName = new Map(servers.map((server) => [nameOf(server), server]));
    // Half an answer takes nobody away.
    const names = [...byName.keys(), ...(whole ? [] : namesOf(watch.state))];
    watch.state = discovered(watch.state, names, BALANCER_DISCOVERY);
    const before = new Map(watch.backends.map((backend) => [backend.name, backend]));
    const largest = Math.max(...servers.map(({ weight }) => weight));
    const backends = namesOf(watch.state).flatMap((name) => {
      const server = byName.get(name);
      const backend =
        server === undefined ? before.get(name) : backendOf(watch.source, name, server, largest);
      return backend === undefined ? [] : [backend];
    });
    const same =
      backends.length === watch.backends.length &&
      backends.every(({ name, spec }) => before.get(name)?.spec === spec);
    watch.backends = backends;
    if (!same) this.onChange(watch.source.text, backends.length);
  }
}

/** As the backend will be called, however the resolver writes the address. */
function nameOf({ host, port }: Found): string {
  return parseBackendUrl(`http://${hostPort(host, port)}`).label;
}

function backendOf(
  { kind, options, weighted, text }: Source,
  name: string,
  { weight }: Found,
  largest: number,
): GivenBackend {
  const own = kind !== 'srv' || weighted ? '' : `,weight=${scaledWeight(weight, largest, WEIGHTS.most)}`;
  const spec = `http://${name}${options}${own}`;
  return { name, spec, weight: parseBackend(spec).weight, from: text };
}

function end(watch: Watch): void {
  watch.over = true;
  if (watch.timer !== null) clearTimeout(watch.timer);
}
