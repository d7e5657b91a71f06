/**
 * The row `log`: what an event of log for each request costs. A goal of 15 % is less than what two turns of one build
 * differ by on a machine with other work, so all settings run in slices of a quarter of a second in place of turns, there are several processes
 * of each, all warmed alike, and a second group without a log shows, beside the first, what the row makes of nothing.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { digits, spreadOf, type Goal } from '../transfer/figures.ts';
import { treeRunSeconds } from './cpu.ts';
import { startProxy, type Log, type Proxy } from './proxies.ts';
import type { Section, Setting } from './rows.ts';
import { wrkInSlices } from './wrk.ts';

/** Processes of each setting of ours: what one has compiled and where its memory lies stays as it is. */
const PROCESSES = 2;
/** Requests before anything counts: from there on the code of ours is compiled for good. */
const WARM_REQUESTS = 150_000;
/** Or so many seconds of each process, where other work leaves too little for those requests. */
const WARM_MOST_SECONDS = 10;
/** ms after a round in which what it queued for the log is written, and counts. */
const SETTLE_MS = 300;

interface Group {
  readonly name: string;
  readonly log: Log;
  readonly proxies: Proxy[];
  /** µs of CPU for a request: of each process in each round, and of all of them together. */
  readonly each: number[][];
  readonly rounds: number[];
}

const OURS: readonly (readonly [name: string, log: Log])[] = [
  ['kelana, log off', 'off'],
  ['kelana, log off again', 'off'],
  ['kelana, log file', 'file'],
  ['kelana, log default', 'default'],
];
const NGINX: readonly (readonly [name: string, log: Log])[] = [
  ['nginx, log off', 'off'],
  ['nginx, log file', 'file'],
];

/** `rounds` times `seconds` rounds, in each of which each process has a second. */
export async function logRow(setting: Setting): Promise<Section> {
  const ours = await startGroups(setting, 'kelana', OURS, PROCESSES);
  const theirs = setting.proxies.includes('nginx') ? await startGroups(setting, 'nginx', NGINX, 1) : [];
  const groups = [...ours, ...theirs];
  await warm(setting, ours);
  const rounds = setting.rounds * setting.seconds;
  for (let round = 1; round <= rounds; round += 1) {
    await oneRound(setting, groups);
    setting.progress(
      `log ${round} of ${rounds}: ${groups.map(({ name, rounds: all }) => `${name} ${digits(all.at(-1) ?? 0)}`).join(', ')} µs`,
    );
  }
  for (const { proxies } of groups) for (const proxy of proxies) await proxy.stop();
  return sectionOf(ours, theirs);
}

async function startGroups(
  { workshop, backend }: Setting,
  program: 'kelana' | 'nginx',
  settings: typeof OURS,
  processes: number,
): Promise<Group[]> {
  const groups = settings.map(([name, log]): Group => ({ name, log, proxies: [], each: [], rounds: [] }));
  // One of each after the other, so that no setting has all that were started first.
  for (let at = 0; at < processes; at += 1) {
    for (const group of groups) {
      group.proxies.push(await startProxy(program, workshop, { backend, log: group.log }));
      group.each.push([]);
    }
  }
  return groups;
}

/** In slices too, as a process that waits for long lets the thread of its log go. */
async function warm(setting: Setting, groups: readonly Group[]): Promise<void> {
  const proxies = groups.flatMap((group) => group.proxies);
  const left = new Map(proxies.map((proxy) => [proxy, WARM_REQUESTS]));
  for (let seconds = 0; left.size > 0 && seconds < WARM_MOST_SECONDS; seconds += 2) {
    const heard = await measure(setting, [...left.keys()], 2);
    for (const { proxy, requests } of heard) {
      const rest = (left.get(proxy) ?? 0) - requests;
      if (rest > 0) left.set(proxy, rest);
      else left.delete(proxy);
    }
    const most = Math.max(0, ...left.values());
    setting.progress(`log: warming, ${most} requests left of ${WARM_REQUESTS}`);
  }
}

async function oneRound(setting: Setting, groups: readonly Group[]): Promise<void> {
  const most = Math.max(...groups.map(({ proxies }) => proxies.length));
  const order: Proxy[] = [];
  for (let at = 0; at < most; at += 1)
    order.push(...groups.flatMap(({ proxies }) => proxies.slice(at, at + 1)));
  const heard = await measure(setting, order, 1);
  for (const { each, proxies, rounds } of groups) {
    const own = heard.filter(({ proxy }) => proxies.includes(proxy));
    for (const [at, costs] of each.entries()) costs.push(perRequest(own.slice(at, at + 1)));
    rounds.push(perRequest(own));
  }
}

interface Cost {
  readonly proxy: Proxy;
  /** Seconds, with what is written after the last request. */
  readonly cpu: number;
  readonly requests: number;
}

function perRequest(costs: readonly Cost[]): number {
  const sum = (figure: (cost: Cost) => number): number => costs.reduce((all, one) => all + figure(one), 0);
  return (
    (sum(({ cpu }) => cpu) * 1e6) /
    Math.max(
      1,
      sum(({ requests }) => requests),
    )
  );
}

async function measure({ workshop }: Setting, proxies: readonly Proxy[], seconds: number): Promise<Cost[]> {
  const before = proxies.map(({ pid }) => treeRunSeconds(pid));
  const shape = { path: '/small', connections: 64, seconds };
  const heard = await wrkInSlices(
    workshop,
    proxies.map(({ port }) => ({ ...shape, port })),
  );
  await sleep(SETTLE_MS);
  return proxies.map((proxy, at) => ({
    proxy,
    cpu: treeRunSeconds(proxy.pid) - (before[at] ?? 0),
    requests: heard[at]?.requests ?? 0,
  }));
}

function sectionOf(ours: readonly Group[], theirs: readonly Group[]): Section {
  const [off, again] = ours;
  // Both groups without a log together are what the others are beside; each alone is what the other is beside.
  const offs = (off?.rounds ?? []).map((value, at) => (value + (again?.rounds[at] ?? value)) / 2);
  const beside = (group: Group): readonly number[] => {
    const base =
      group === off
        ? undefined
        : group === again
          ? off?.rounds
          : theirs.includes(group)
            ? theirs[0]?.rounds
            : offs;
    return group.rounds.map((value, at) => value / (base?.[at] ?? value));
  };
  const goals = ours
    .filter(({ log }) => log !== 'off')
    .map((group): Goal => ({
      what: `log: CPU for a request with the log (${group.log}) beside without`,
      value: spreadOf(beside(group))?.median ?? null,
      limit: 1.15,
      sense: 'at most',
      unit: ' ×',
    }));
  return {
    row: 'log',
    title: 'A line of log for each request: into a file, or, as by default, into a file and SQLite',
    columns: [
      '',
      'CPU µs/req',
      '÷ off',
      'quartiles',
      '',
      ...(off?.proxies.map((_, at) => `process ${at + 1}`) ?? []),
    ],
    lines: [...ours, ...theirs].map((group) => {
      const [low, high] = quartiles(beside(group));
      return [
        group.name,
        spreadOf(group.rounds)?.median ?? Number.NaN,
        spreadOf(beside(group))?.median ?? Number.NaN,
        low,
        high,
        ...group.each.map((values) => spreadOf(values)?.median ?? Number.NaN),
      ];
    }),
    goals,
  };
}

function quartiles(values: readonly number[]): readonly [number, number] {
  const sorted = values.toSorted((one, other) => one - other);
  const last = sorted.length - 1;
  return [sorted[Math.round(last / 4)] ?? Number.NaN, sorted[Math.round((last * 3) / 4)] ?? Number.NaN];
}
