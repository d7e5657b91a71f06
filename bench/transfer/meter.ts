/** Watches one transfer: time, CPU of both sides, first byte, peak memory of each side. */
import { readdirSync, statSync, type Dirent } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { cpuSeconds, forgetPeak, peakOf, treeOf } from './usage.ts';

export type Side = 'sender' | 'receiver';

export interface Sample {
  readonly seconds: number;
  /** Of both sides together. */
  readonly cpuSeconds: number;
  /** From the start until the folder holds a file with a byte in it; null where that was not seen. */
  readonly firstByteMs: number | null;
  /** Bytes; of several processes of a side the sum. */
  readonly peak: Readonly<Record<Side, number>>;
}

/** ms between two looks at memory: the kernel keeps the peak itself, so only the end of a process is missed. */
const MEMORY_MS = 100;
/** ms that processes of a transfer which is over have to end, so that their CPU is counted. */
const LEAVING_MS = 2_000;

export class Meter {
  readonly #roots: Readonly<Record<Side, Set<number>>>;
  readonly #folder: string;
  readonly #peaks = new Map<number, { readonly side: Side; bytes: number }>();
  #before: ReadonlySet<number> = new Set();
  #cpu = 0;
  #started = 0;
  #seconds = 0;
  #firstByteMs: number | null = null;
  #looking: NodeJS.Timeout | undefined;
  #sampling: NodeJS.Timeout | undefined;

  /** `running` are the processes that are up before the transfer; files arrive in `folder`. */
  constructor(running: Readonly<Record<Side, readonly number[]>>, folder: string) {
    this.#roots = { sender: new Set(running.sender), receiver: new Set(running.receiver) };
    this.#folder = folder;
  }

  /** A process that is started for this transfer. */
  watch(side: Side, pid: number): void {
    this.#roots[side].add(pid);
  }

  start(): void {
    this.#before = new Set(this.#all());
    for (const pid of this.#before) forgetPeak(pid);
    this.#sampling = setInterval(() => this.#sample(), MEMORY_MS);
    this.#looking = setInterval(() => this.#look(), 1);
    this.#cpu = cpuSeconds(this.#pids());
    this.#started = performance.now();
  }

  /** A time that the contender knows better than the folder. */
  firstByte(): void {
    this.#firstByteMs ??= performance.now() - this.#started;
  }

  stop(): void {
    this.#seconds = (performance.now() - this.#started) / 1000;
    this.#look();
    this.#sample();
    this.end();
  }

  /** Once stopped. */
  async sample(): Promise<Sample> {
    const end = performance.now() + LEAVING_MS;
    while (this.#all().some((pid) => !this.#before.has(pid)) && performance.now() < end) await sleep(5);
    const cpu = cpuSeconds(this.#pids()) - this.#cpu;
    const peak = { sender: 0, receiver: 0 };
    for (const { side, bytes } of this.#peaks.values()) peak[side] += bytes;
    return { seconds: this.#seconds, cpuSeconds: cpu, firstByteMs: this.#firstByteMs, peak };
  }

  /** Also after a transfer that failed. */
  end(): void {
    clearInterval(this.#sampling);
    clearInterval(this.#looking);
  }

  #pids(): readonly number[] {
    return [...this.#roots.sender, ...this.#roots.receiver];
  }

  #all(): readonly number[] {
    return this.#pids().flatMap(treeOf);
  }

  #sample(): void {
    for (const side of ['sender', 'receiver'] as const)
      for (const pid of [...this.#roots[side]].flatMap(treeOf)) {
        const peak = this.#peaks.get(pid) ?? { side, bytes: 0 };
        peak.bytes = Math.max(peak.bytes, peakOf(pid));
        this.#peaks.set(pid, peak);
      }
  }

  #look(): void {
    if (this.#firstByteMs === null && holdsBytes(this.#folder)) this.firstByte();
    if (this.#firstByteMs !== null) clearInterval(this.#looking);
  }
}

/** Blocks and not the length: some make room for the whole file before its first byte. */
function holdsBytes(folder: string): boolean {
  return entriesOf(folder).some((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? holdsBytes(path) : entry.isFile() && hasBlocks(path);
  });
}

function entriesOf(folder: string): readonly Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch {
    // Not there yet.
    return [];
  }
}

/** A file that has another name by now counts the next time. */
function hasBlocks(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.blocks ?? 0) > 0;
}
