/** What a proxy costs: CPU of all its processes and threads, and its memory, from /proc. Linux. */
import { readdirSync, readFileSync } from 'node:fs';
import { treeOf } from '../transfer/usage.ts';

/** Ticks in a second: Linux shows 100 to every program (time(7)). */
const TICKS = 100;

/** CPU seconds so far of a process and of those below it that are running. */
export function treeCpuSeconds(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + ownSeconds(one), 0);
}

function ownSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch {
    return 0;
  }
}

/**
 * The same in nanoseconds' steps, of the threads that run: for short turns, of which a tick is a hundredth or more. A
 * thread that ended takes its time with it.
 */
export function treeRunSeconds(pid: number): number {
  return treeOf(pid).reduce(
    (sum, one) => sum + threadsOf(one).reduce((all, path) => all + runSeconds(path), 0),
    0,
  );
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map((thread) => `/proc/${pid}/task/${thread}`);
  } catch {
    return [];
  }
}

function runSeconds(thread: string): number {
  try {
    return Number(readFileSync(`${thread}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
  } catch {
    return 0;
  }
}

/** Bytes that would be free without it: private pages, and its share of shared ones. */
export function treeMemory(pid: number): number {
  return treeOf(pid).reduce((sum, one) => sum + memoryOf(one), 0);
}

function memoryOf(pid: number): number {
  try {
    const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+) kB$/m.exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
