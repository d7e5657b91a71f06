/** The rows: what each proxy is asked to do, what is read of it, and which goals that has. */
import { setTimeout as sleep } from 'node:timers/promises';
import { certificate } from '../../test/support/certificate.ts';
import { spreadOf, type Goal } from '../transfer/figures.ts';
import type { Workshop } from '../transfer/workshop.ts';
import type { Body } from './backend.ts';
import { DRIP_MS, hold } from './clients.ts';
import { treeCpuSeconds, treeMemory } from './cpu.ts';
import { logRow } from './log-row.ts';
import { startProxy, type Proxy, type ProxyName } from './proxies.ts';
import { wrk, type Heard, type Load } from './wrk.ts';

export interface Setting {
  readonly workshop: Workshop;
  readonly backend: number;
  readonly proxies: readonly ProxyName[];
  readonly rounds: number;
  readonly seconds: number;
  readonly connections: number;
  readonly progress: (text: string) => void;
}

export interface Section {
  readonly row: string;
  readonly title: string;
  readonly columns: readonly string[];
  readonly lines: readonly (readonly [name: string, ...values: number[]])[];
  readonly goals: readonly Goal[];
}

interface Turn extends Heard {
  readonly cpuSeconds: number;
}

/** One contender's figures, a turn a round. */
type Turns = Map<string, Turn[]>;

const WARM_SECONDS = 1;
const WARM_UP_SECONDS = 5;

export const ROWS: Readonly<Record<string, (setting: Setting) => Promise<Section>>> = {
  small: (setting) => plain(setting, 'small', 'Small requests on 64 kept connections', load('small', 64)),
  medium: (setting) => plain(setting, 'medium', 'Bodies of 64 KiB', load('medium', 32)),
  large: (setting) => plain(setting, 'large', 'Bodies of 10 MiB', load('large', 8)),
  new: (setting) =>
    plain(setting, 'new', 'A connection for each request', { ...load('small', 32), close: true }),
  latency: latencyRow,
  log: logRow,
  idle: idleRow,
  slow: slowRow,
  tls: (setting) =>
    plain(setting, 'tls', 'TLS, small requests on 64 kept connections', load('small', 64), true),
  handshake: (setting) =>
    plain(
      setting,
      'handshake',
      'A TLS handshake for each request',
      { ...load('small', 32), close: true },
      true,
    ),
};

type Shape = Omit<Load, 'port' | 'seconds'>;

function load(body: Body, connections: number): Shape {
  return { path: `/${body}`, connections };
}

/** Every proxy in turn, in every round, after a warm-up that does not count. */
async function inTurn(
  setting: Setting,
  proxies: readonly Proxy[],
  shape: Shape,
  what: string,
): Promise<Turns> {
  const turns: Turns = new Map();
  // What compiles while it runs has done so by then.
  for (const proxy of proxies)
    await wrk(setting.workshop, { ...shape, ...whereOf(proxy), seconds: WARM_UP_SECONDS });
  for (let round = 1; round <= setting.rounds; round += 1) {
    for (const proxy of proxies) {
      const before = treeCpuSeconds(proxy.pid);
      const heard = await wrk(setting.workshop, { ...shape, ...whereOf(proxy), seconds: setting.seconds });
      const cpuSeconds = treeCpuSeconds(proxy.pid) - before;
      turns.set(proxy.name, [...(turns.get(proxy.name) ?? []), { ...heard, cpuSeconds }]);
      setting.progress(
        `${what} ${round}: ${proxy.name} ${perRequest({ ...heard, cpuSeconds }).toFixed(2)} µs, ${heard.requests} requests, ${heard.errors} errors`,
      );
    }
  }
  return turns;
}

const whereOf = ({ port, scheme }: Proxy): Pick<Load, 'port' | 'scheme'> =>
  scheme === undefined ? { port } : { port, scheme };

/** Those that speak TLS in this bench. */
const SECURE: readonly ProxyName[] = ['kelana', 'haproxy', 'nginx'];

async function started(setting: Setting, secure = false): Promise<Proxy[]> {
  const proxies: Proxy[] = [];
  const { workshop, backend } = setting;
  const tls = secure ? { tls: await certificate(workshop.folder, 'bench', 'bench.test', '127.0.0.1') } : {};
  for (const name of setting.proxies)
    if (!secure || SECURE.includes(name)) proxies.push(await startProxy(name, workshop, { backend, ...tls }));
  return proxies;
}

const stopAll = async (proxies: readonly Proxy[]): Promise<void> => {
  for (const proxy of proxies) await proxy.stop();
};

/** µs of CPU for a request. */
function perRequest({ cpuSeconds, requests }: Turn): number {
  return (cpuSeconds * 1e6) / Math.max(1, requests);
}

function bytesPerCpu({ cpuSeconds, bytes }: Turn): number {
  return bytes / 1e6 / Math.max(1e-6, cpuSeconds);
}

const median = (values: readonly number[]): number => spreadOf(values)?.median ?? Number.NaN;

function of(turns: Turns, name: string, figure: (turn: Turn) => number): number {
  return median((turns.get(name) ?? []).map(figure));
}

/** One contender's figure divided by another's of the same round; the median of the rounds. */
function ratio(turns: Turns, one: string, other: string, figure: (turn: Turn) => number): number | null {
  const [first, second] = [turns.get(one) ?? [], turns.get(other) ?? []];
  if (first.length === 0 || second.length === 0) return null;
  return median(first.map((turn, at) => figure(turn) / figure(second[at] ?? turn)));
}

async function plain(
  setting: Setting,
  row: string,
  title: string,
  shape: Shape,
  secure = false,
): Promise<Section> {
  const proxies = await started(setting, secure);
  const turns = await inTurn(setting, proxies, shape, row);
  await stopAll(proxies);
  const against = (name: string) => ratio(turns, name, 'kelana', perRequest);
  const lines = proxies.map(({ name }): Section['lines'][number] => [
    name,
    of(turns, name, perRequest),
    1 / (against(name) ?? Number.NaN),
    of(turns, name, (turn) => turn.requests / turn.seconds),
    of(turns, name, bytesPerCpu),
    of(turns, name, ({ errors }) => errors),
  ]);
  const goals: Goal[] = [];
  const most = (name: string, limit: number): void => {
    const value = ratio(turns, 'kelana', name, perRequest);
    if (value !== null)
      goals.push({
        what: `${row}: CPU for a request beside ${name}`,
        value,
        limit,
        sense: 'at most',
        unit: ' ×',
      });
  };
  if (row === 'small') {
    for (const name of ['haproxy', 'nginx']) most(name, 1);
    for (const name of ['haproxy', 'nginx']) most(name, 1.3);
    for (const name of ['httpxy', 'undici']) most(name, 0.25);
  }
  if (row === 'large') {
    const value = ratio(turns, 'kelana', 'nginx', bytesPerCpu);
    goals.push({
      what: 'large: bytes for a CPU second beside nginx',
      value,
      limit: 0.8,
      sense: 'at least',
      unit: ' ×',
    });
  }
  return {
    row,
    title,
    columns: ['', 'CPU µs/req', 'kelana ÷', 'req/s', 'MB/CPU s', 'errors'],
    lines,
    goals,
  };
}

/** With few connections, so that what is added is work and not a queue; each beside the backend itself. */
async function latencyRow(setting: Setting): Promise<Section> {
  const proxies = await started(setting);
  const direct: Proxy = { name: 'direct', port: setting.backend, pid: 0, stop: () => Promise.resolve() };
  const turns = await inTurn(setting, [direct, ...proxies], load('small', 4), 'latency');
  await stopAll(proxies);
  const added = (name: string, figure: (turn: Turn) => number): number =>
    median(
      (turns.get(name) ?? []).map(
        (turn, at) => (figure(turn) - figure(turns.get('direct')?.[at] ?? turn)) * 1000,
      ),
    );
  return {
    row: 'latency',
    title: 'Latency added to that of the backend, small requests on 4 connections',
    columns: ['', 'p50 µs', 'p99 µs', 'p99.9 µs'],
    lines: proxies.map(({ name }) => [
      name,
      added(name, ({ p50 }) => p50),
      added(name, ({ p99 }) => p99),
      added(name, ({ p999 }) => p999),
    ]),
    goals: [],
  };
}

async function idleRow(setting: Setting): Promise<Section> {
  const lines: [string, ...number[]][] = [];
  for (const name of setting.proxies) {
    const proxy = await startProxy(name, setting.workshop, { backend: setting.backend });
    // What it allocates once, for any load, is not counted for the clients that stay.
    await wrk(setting.workshop, { path: '/small', connections: 64, port: proxy.port, seconds: WARM_SECONDS });
    const before = treeMemory(proxy.pid);
    const held = await hold(proxy.port, setting.connections, 'idle');
    const each = (treeMemory(proxy.pid) - before) / held.open / 1024;
    setting.progress(`idle: ${name} ${each.toFixed(1)} KiB for each of ${held.open}`);
    lines.push([name, each, held.open, before / 1024 / 1024]);
    held.close();
    await proxy.stop();
  }
  return {
    row: 'idle',
    title: `${setting.connections} idle clients`,
    columns: ['', 'KiB/client', 'clients', 'MiB before'],
    lines,
    goals: [
      {
        what: 'idle: memory of a client',
        value: lines.find(([name]) => name === 'kelana')?.[1] ?? null,
        limit: 12,
        sense: 'at most',
        unit: ' KiB',
      },
    ],
  };
}

/** The proxies take turns in every round, so that other work on the machine meets all of them. */
async function slowRow(setting: Setting): Promise<Section> {
  const { workshop, backend, seconds, rounds, progress } = setting;
  const contenders: { proxy: Proxy; without: number[]; beside: number[]; drip: number[] }[] = [];
  for (const name of setting.proxies.filter((one) => SECURE.includes(one))) {
    const proxy = await startProxy(name, workshop, { backend });
    await wrk(workshop, { ...load('small', 8), port: proxy.port, seconds: WARM_UP_SECONDS });
    contenders.push({ proxy, without: [], beside: [], drip: [] });
  }
  for (let round = 1; round <= rounds; round += 1) {
    for (const { proxy, without, beside, drip } of contenders) {
      const shape = { ...load('small', 8), port: proxy.port };
      without.push((await wrk(workshop, { ...shape, seconds })).p99);
      const held = await hold(proxy.port, SLOW_CLIENTS, 'slow');
      // What their opening leaves to be done is not what dripping costs.
      await wrk(workshop, { ...shape, seconds: WARM_SECONDS });
      const before = treeCpuSeconds(proxy.pid);
      await sleep(ALONE_MS);
      drip.push(((treeCpuSeconds(proxy.pid) - before) * 1e6) / ((SLOW_CLIENTS * ALONE_MS) / DRIP_MS));
      beside.push((await wrk(workshop, { ...shape, seconds })).p99);
      progress(
        `slow ${round}: ${proxy.name} p99 ${without.at(-1)?.toFixed(2)} ms, beside ${held.open} ${beside.at(-1)?.toFixed(2)} ms, ${drip.at(-1)?.toFixed(0)} µs a drip`,
      );
      held.close();
    }
  }
  await stopAll(contenders.map(({ proxy }) => proxy));
  const lines = contenders.map(({ proxy, without, beside, drip }): Section['lines'][number] => [
    proxy.name,
    median(without),
    median(beside),
    median(beside.map((value, at) => value / (without[at] ?? value))),
    median(drip),
  ]);
  return {
    row: 'slow',
    title: `p99 of others beside ${SLOW_CLIENTS} clients that drip heads and bodies`,
    columns: ['', 'p99 ms without', 'p99 ms beside', 'ratio', 'CPU µs/drip'],
    lines,
    goals: [
      {
        what: 'slow: p99 of others beside slow clients',
        value: lines.find(([name]) => name === 'kelana')?.[3] ?? null,
        limit: 2,
        sense: 'at most',
        unit: ' ×',
      },
    ],
  };
}

const SLOW_CLIENTS = 1_000;
/** ms in which they drip and nothing else is asked. */
const ALONE_MS = 2_000;
