/** What a proxy costs: CPU of all its processes and threads, and its memory, from /proc. Linux. */
import { readFileSync } from 'node:fs';
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
