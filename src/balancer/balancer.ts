import { randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { AccessLog } from '../core/balance/access-log.ts';
import { Tally, type Figures } from '../core/balance/figures.ts';
import { BALANCE_DEFAULTS, type BalanceOptions } from '../core/balance/options.ts';
import type { BackendSpec } from '../core/balance/spec.ts';
import { RateTable, type Spent } from '../core/balance/rate.ts';
import { BALANCER, BALANCER_CHANGE, EDGE } from '../core/config.ts';
import { reason, type KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { hostPort } from './address.ts';
import type { BackendStats } from './backend.ts';
import { Backends } from './backends.ts';
import { descriptorLimit, fitting, tellFewer } from './descriptors.ts';
import { Edge, type Door } from './edge.ts';
import { CertificateKeeper, edgeRules, schemeOf, type EdgeOptions } from './edge-options.ts';
import { forwardingOf, type Forwarding } from './forwarding.ts';
import { socketsOf, type Place } from './hand-over.ts';
import type { Bound } from './handles.ts';
import { listen, type Listener } from './listener.ts';
import { dateSource, timeSource, type Shared } from './shared.ts';
import { SharedRate } from './shared-rate.ts';
import { stickyIds } from './sticky-key.ts';
import { Turns } from './turns.ts';
import { tellUnverified } from './unverified.ts';

export interface BalancerOptions {
  /** `localhost` is both 127.0.0.1 and, where there is one, ::1. */
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** X-Forwarded-* where it is left out, and no proxy in front is trusted. */
  readonly forwarding?: Forwarding;
  /** TLS, HTTP/2, PROXY, TCP mode, limits of each source; none of it where left out. */
  readonly edges?: EdgeOptions;
  readonly backends: readonly (Partial<BackendSpec> & { readonly url: string })[];
  /** The defaults, where nothing is said. */
  readonly balance?: Partial<BalanceOptions>;
  readonly emit: Emit;
  /** Part of the requests that are told of one by one, 0 to 1; all of them where it is left out. */
  readonly accessLog?: number;
  /** Files that this process may have open, and null where nobody knows; as the system says where it is left out. */
  readonly descriptors?: number | null;
  /** Sockets that another process has bound; then it listens on them, and on nothing else. */
  readonly sockets?: readonly Bound[];
  /** What hides which backend a sticky cookie names; one of its own where none is given. */
  readonly stickyKey?: Uint8Array;
  /** ms, monotonic. */
  readonly clock?: () => number;
  /** 0 to below 1. */
  readonly random?: () => number;
}

export interface BalancerStats {
  /** Requests answered, and in flight. */
  readonly requests: number;
  readonly active: number;
  /** Of those, waiting for room; and answered 503 so far because there was too much to do. */
  readonly queued: number;
  readonly shed: number;
  /** Client connections open. */
  readonly connections: number;
  /** Of the requests that no backend answered. */
  readonly own: Figures;
  readonly backends: readonly BackendStats[];
}

export interface Balancer {
  readonly url: string;
  readonly port: number;
  /** All that it listens on, the first one first; the redirect comes last. */
  readonly urls: readonly string[];
  /** Of all addresses: the first, the further ones, the redirect. */
  readonly ports: readonly number[];
  /** To be changed while it runs: add, drain, remove, weight, method. */
  readonly backends: Backends;
  stats(): BalancerStats;
  /**
   * Keeps its rate limit together with others, `workers` in all: `tell` is given what was taken here, `spend` takes what
   * the others tell.
   */
  shareRate(workers: number, tell: (spent: Spent) => void): void;
  spend(spent: Spent): void;
  /** Its sockets, for another process to accept from. */
  bound(): readonly Bound[];
  /**
   * Stops accepting, and says so to each client with its next response. A connection between two requests stays open
   * until then, or until it idled too long: closed sooner, it could lose a request that is on its way (RFC 9112 section
   * 9.6). Resolves when all connections are gone, after `BALANCER_CHANGE.drainMs` at the latest.
   */
  drain(): Promise<void>;
  /**
   * Reads all certificates again, for new connections. Gives what is wrong with those that stay as they were; both is
   * also reported as events.
   */
  reloadCertificates(): readonly KelanaError[];
  /** Stops accepting, lets running requests end within `BALANCER.closeMs`, then closes what is left. */
  close(): Promise<void>;
}

/** @throws KelanaError PORT_IN_USE, BAD_ADDRESS, BAD_VALUE */
export async function startBalancer(options: BalancerOptions): Promise<Balancer> {
  const clock = options.clock ?? (() => performance.now());
  const asked = { ...BALANCE_DEFAULTS, ...options.balance };
  const specs = options.backends.map((spec) => ({ weight: 1, maxConnections: 0, ...spec }));
  const edges = options.edges ?? {};
  const { descriptors = descriptorLimit() } = options;
  const wanted = { connections: edges.maxConnections ?? BALANCER.maxConnections, active: asked.maxActive };
  const fit = fitting(wanted, descriptors);
  const balance = { ...asked, maxActive: fit.active };
  const rules = edgeRules(edges, clock(), fit.connections);
  const emit = options.emit;
  const random = options.random ?? Math.random;
  const backends = new Backends(specs, {
    balance,
    who: () => shared.who,
    emit,
    clock,
    random,
    stickyId: stickyIds(options.stickyKey ?? randomBytes(BALANCER.keyBytes)),
  });
  const shared: Shared = {
    who: 'balancer',
    forwarding: options.forwarding ?? forwardingOf(),
    backends,
    turns: new Turns(backends, balance, { active: () => shared.active, clock, maxOpen: fit.upstreams }),
    balance,
    rate: edges.rate === undefined ? null : new RateTable(edges.rate, EDGE.maxSources),
    emit,
    access: new AccessLog(options.accessLog ?? 1, random),
    own: new Tally(),
    clock,
    time: timeSource(Date.now, clock),
    date: dateSource(Date.now),
    stopping: false,
    closing: false,
    requests: 0,
    active: 0,
  };
  const edge = new Edge(rules, shared);
  const keeper = new CertificateKeeper(rules.certificates, () => shared.who, emit, clock());
  const usual = rules.certificates === null ? 'http' : 'https';
  const listeners: Listener[] = [];
  const scheme = edges.scheme ?? usual;
  const places: readonly Place[] = [
    { host: options.host, port: options.port, scheme, redirect: false },
    ...(edges.listen ?? []).map((address) => ({ ...address, redirect: false })),
    ...(edges.redirect === undefined ? [] : [{ ...edges.redirect, scheme: 'http' as const, redirect: true }]),
  ];
  const given = options.sockets ?? [];
  const sockets = given.length === 0 ? [] : socketsOf(places, given);
  const open = async ({ host, port, scheme = usual, redirect }: Place, at: number): Promise<void> => {
    const door: Door = { scheme, redirect: redirect ? (listeners[0]?.port ?? 0) : null };
    const listener = await listen(
      host,
      port,
      (socket) => edge.accept(socket, door),
      (thrown) => emit({ type: 'error', who: shared.who, code: 'LISTENER', detail: reason(thrown) }),
      sockets[at],
    );
    listeners.push(listener);
  };
  try {
    for (const [at, place] of places.entries()) await open(place, at);
  } catch (thrown) {
    await Promise.all(listeners.map((one) => one.close()));
    throw thrown;
  }
  const port = listeners[0]?.port ?? options.port;
  const label = hostPort(options.host, port);
  shared.who = label;
  const urls = places.map(
    (place, at) =>
      `${schemeOf(rules.mode, rules.certificates !== null, place.scheme)}://${hostPort(place.host, listeners[at]?.port ?? place.port)}`,
  );
  const url = urls[0] ?? '';
  const sharedRate = new SharedRate(shared.rate, clock);
  // One timer for every deadline: a timer per request would cost more than the request's parsing.
  const sweeper = setInterval(() => {
    const now = clock();
    edge.check();
    keeper.sweep(now);
    backends.sweep(now);
    shared.turns.sweep(now);
    sharedRate.tell();
  }, BALANCER.sweepMs);
  emit({
    type: 'balancer.ready',
    who: shared.who,
    url,
    method: backends.methodText,
    backends: backends.list.map((backend) => backend.label),
  });

  keeper.announce();
  // Over HTTP/1.1 and TCP no client has more than one request at once, so that a bound above that takes nothing from anyone.
  const many = rules.certificates !== null && rules.mode === 'http';
  const missed = many ? wanted : { ...wanted, active: Math.min(wanted.active, wanted.connections) };
  tellFewer(emit, shared.who, missed, fit, descriptors);
  const unverified = backends.list.filter(({ link }) => link.tls?.verify === false);
  tellUnverified(
    emit,
    shared.who,
    unverified.map((backend) => backend.label),
  );

  let over: Promise<void> | null = null;
  const end = (): Promise<void> =>
    (over ??= Promise.all(listeners.map((one) => one.close())).then(() => {
      clearInterval(sweeper);
      sharedRate.close();
      backends.close();
    }));
  /** Ends with the last connection, or, after so long, ends them. */
  const within = async (ms: number): Promise<void> => {
    const timer = setTimeout(() => {
      for (const connection of edge.open) connection.destroy();
    }, ms);
    await end();
    clearTimeout(timer);
  };

  return {
    url,
    urls,
    port,
    ports: listeners.map(({ port }) => port),
    backends,
    stats: () => ({
      requests: shared.requests,
      active: shared.active,
      queued: shared.turns.queued,
      shed: shared.turns.shed,
      connections: edge.open.size,
      own: shared.own.plain(),
      backends: backends.stats(),
    }),
    shareRate: (workers, tell) => sharedRate.share(workers, tell),
    spend: (spent) => shared.rate?.spend(spent, clock()),
    bound: () =>
      listeners.flatMap((one, at) =>
        one.bound().map((socket) => ({ ...socket, at, redirect: places[at]?.redirect === true })),
      ),
    drain: () => {
      shared.stopping = true;
      return within(BALANCER_CHANGE.drainMs);
    },
    reloadCertificates: () => keeper.reload(),
    close: () => {
      shared.stopping = true;
      shared.closing = true;
      for (const connection of edge.open) connection.stop();
      return within(BALANCER.closeMs);
    },
  };
}
