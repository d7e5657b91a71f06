/** Contenders beside each other: the same material, one after the other in every round, so that noise hits all. */
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { Missing, type Contender, type Running } from './contender.ts';
import { digits, spreadOf, spreadText, tableOf, type Goal, type Spread } from './figures.ts';
import { check, type Material } from './material.ts';
import { Meter, type Sample, type Side } from './meter.ts';
import type { Section, Setting } from './section.ts';

export interface Comparison {
  readonly row: string;
  readonly title: string;
  readonly material: Material;
  /** The first one is what the others are compared with. */
  readonly contenders: readonly Contender[];
  /** Least ratio of the first one's speed to another's, by name. */
  readonly ratios: Readonly<Record<string, number>>;
  /** What is counted in a second, and what CPU is counted for. */
  readonly unit: {
    readonly rate: string;
    readonly amount: number;
    readonly per: string;
    readonly units: number;
  };
  /** CPU seconds of the first one, at most. */
  readonly cpuLimit?: number;
}

interface Line {
  readonly name: string;
  readonly note: string;
  readonly rate: Spread | null;
  readonly cpuSeconds: Spread | null;
  readonly firstByteMs: Spread | null;
  /** MiB. */
  readonly memory: Readonly<Record<Side, Spread | null>>;
  /** Speed of the first contender divided by this one's, round by round. */
  readonly ratio: Spread | null;
  /** CPU of the first contender divided by this one's. */
  readonly cpuRatio: Spread | null;
}

export async function compare(setting: Setting, what: Comparison): Promise<Section> {
  const { workshop, progress, runs } = setting;
  const { material, contenders } = what;
  const skipped: string[] = [];
  const running = new Map<string, Running>();
  const samples = new Map<string, Sample[]>();
  try {
    for (const contender of contenders) {
      try {
        progress(`${what.row}: starting ${contender.name}`);
        const starting = contender.start(workshop, material);
        running.set(contender.name, await limited('to start', starting));
        samples.set(contender.name, []);
      } catch (thrown) {
        skipped.push(whyNot(contender.name, thrown));
      }
    }
    // The first round compiles code, fills caches and opens connections; it is not counted.
    for (let round = 0; round <= runs; round += 1)
      for (const [name, one] of running) {
        try {
          const sample = await once(one, material);
          if (round > 0) samples.get(name)?.push(sample);
          const rate = digits(what.unit.amount / sample.seconds);
          const cpu = digits(sample.cpuSeconds / what.unit.units);
          const shown = `${rate} ${what.unit.rate}, CPU ${cpu} ${what.unit.per}`;
          progress(`${what.row}: ${round === 0 ? 'warm-up' : `run ${round}/${runs}`}, ${name}: ${shown}`);
        } catch (thrown) {
          if (name === contenders[0]?.name) throw thrown;
          skipped.push(whyNot(name, thrown));
          samples.delete(name);
          running.delete(name);
          await one.close();
        }
      }
  } finally {
    await Promise.all([...running.values()].map((one) => one.close()));
  }
  return sectionOf(what, samples, skipped, runs);
}

/** Known reasons are told in their own words. */
export function whyNot(name: string, thrown: unknown): string {
  if (thrown instanceof Missing) return `${name}: ${thrown.message}`;
  return `${name} failed: ${thrown instanceof Error ? thrown.message : String(thrown)}`;
}

/** ms for a start or a transfer: Helia takes half a minute for 1 GiB on a slow machine. */
const PATIENCE_MS = 600_000;

async function limited<T>(what: string, work: Promise<T>): Promise<T> {
  const done = new AbortController();
  const late = sleep(PATIENCE_MS, null, { signal: done.signal }).then(() => {
    throw new Error(`it took more than ${PATIENCE_MS / 1000} s ${what}`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    done.abort();
    late.catch(() => undefined);
  }
}

async function once(one: Running, material: Material): Promise<Sample> {
  await one.prepare?.();
  const meter = new Meter(one.pids, one.folder);
  try {
    const path = await limited('to transfer', one.transfer(meter));
    const sample = await meter.sample();
    await check(material, path);
    await (one.discard?.() ?? rm(path, { recursive: true }));
    return sample;
  } finally {
    meter.end();
  }
}

function sectionOf(
  what: Comparison,
  samples: ReadonlyMap<string, readonly Sample[]>,
  skipped: readonly string[],
  runs: number,
): Section {
  const [first, ...others] = what.contenders;
  const rates = (name: string): readonly number[] =>
    (samples.get(name) ?? []).map(({ seconds }) => what.unit.amount / seconds);
  const costs = (name: string): readonly number[] =>
    (samples.get(name) ?? []).map(({ cpuSeconds }) => cpuSeconds / what.unit.units);
  const own = first?.name ?? '';
  const ratio = (of: (name: string) => readonly number[], name: string): Spread | null => {
    const theirs = of(name);
    return name === own ? null : spreadOf(of(own).map((value, at) => value / (theirs[at] ?? NaN)));
  };
  const lines: Line[] = what.contenders
    .filter(({ name }) => samples.has(name))
    .map(({ name, note = '' }) => {
      const list = samples.get(name) ?? [];
      const spread = (of: (sample: Sample) => number | null): Spread | null =>
        spreadOf(list.flatMap((sample) => of(sample) ?? []));
      const memory = (side: Side): Spread | null => spread(({ peak }) => peak[side] / 1024 / 1024);
      return {
        name,
        note,
        rate: spreadOf(rates(name)),
        cpuSeconds: spreadOf(costs(name)),
        firstByteMs: spread((sample) => sample.firstByteMs),
        memory: { sender: memory('sender'), receiver: memory('receiver') },
        ratio: ratio(rates, name),
        cpuRatio: ratio(costs, name),
      };
    });
  const line = (name: string): Line | undefined => lines.find((one) => one.name === name);
  const goals: Goal[] = others.flatMap(({ name }) => {
    const limit = what.ratios[name];
    if (limit === undefined) return [];
    const value = line(name)?.ratio?.median ?? null;
    return [{ what: `${what.row}: ${first?.name} / ${name}`, value, limit, sense: 'at least', unit: '' }];
  });
  if (what.cpuLimit !== undefined)
    goals.push({
      what: `${what.row}: CPU of both sides`,
      value: line(first?.name ?? '')?.cpuSeconds?.median ?? null,
      limit: what.cpuLimit,
      sense: 'at most',
      unit: ` ${what.unit.per}`,
    });
  const title = `${what.title}; ${runs} runs in turn, median (min–max)`;
  return { row: what.row, title, table: textOf(what, lines), figures: lines, goals, skipped };
}

function textOf({ unit, contenders }: Comparison, lines: readonly Line[]): string {
  const head = ['', unit.rate, `CPU ${unit.per}`, 'first byte ms', 'sender MiB', 'receiver MiB'];
  const rows = lines.map((line) => [
    line.name,
    spreadText(line.rate),
    spreadText(line.cpuSeconds),
    spreadText(line.firstByteMs),
    spreadText(line.memory.sender),
    spreadText(line.memory.receiver),
    line.ratio === null ? '' : spreadText(line.ratio),
    line.cpuRatio === null ? '' : digits(line.cpuRatio.median),
    line.note,
  ]);
  const all = [[...head, `${contenders[0]?.name} is ×`, 'with CPU ×', ''], ...rows];
  // The last column is words.
  const notes = all.map((row) => row.at(-1) ?? '');
  return tableOf(all.map((row) => row.slice(0, -1)))
    .split('\n')
    .map((text, at) => `${text}  ${notes[at] ?? ''}`.trimEnd())
    .join('\n');
}
