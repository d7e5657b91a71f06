/** What processes cost, read from proc(5): CPU seconds of whole trees, and the most memory each process had. Linux. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';

/** Ticks in a second: Linux shows 100 to every program (time(7)), whatever its own clock. */
const TICKS = 100;

/** A process, its children, theirs, and so on; those that have ended are left out. */
export function treeOf(pid: number): readonly number[] {
  const found: number[] = [];
  const look = (one: number): void => {
    if (!existsInProc(one)) return;
    found.push(one);
    for (const child of childrenOf(one)) look(child);
  };
  look(pid);
  return found;
}

function existsInProc(pid: number): boolean {
  return statOf(pid) !== null;
}

function childrenOf(pid: number): readonly number[] {
  try {
    // Each thread has its own: Go starts processes from any of them.
    return readdirSync(`/proc/${pid}/task`).flatMap((task) =>
      readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
        .split(' ')
        .filter((text) => text !== '')
        .map(Number),
    );
  } catch {
    return [];
  }
}

interface Times {
  /** Ticks of the process itself, and of its children that have ended and were waited for, with theirs. */
  readonly own: number;
  readonly ended: number;
}

function statOf(pid: number | 'self'): Times | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name of the program stands in brackets, and may hold anything.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const at = (index: number): number => Number(fields[index]);
    return { own: at(11) + at(12), ended: at(13) + at(14) };
  } catch {
    return null;
  }
}

/** CPU seconds so far of all processes below `roots`, and of all children of this process that have ended. */
export function cpuSeconds(roots: Iterable<number>): number {
  let ticks = statOf('self')?.ended ?? 0;
  for (const pid of new Set([...roots].flatMap(treeOf))) {
    const times = statOf(pid);
    if (times !== null) ticks += times.own + times.ended;
  }
  return ticks / TICKS;
}

/** Forgets the most memory that a process had until now. */
export function forgetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5');
  } catch {
    // Ended, or of another user: then the peak counts from its start.
  }
}

/** Bytes: the most that a process has had resident since `forgetPeak`; 0 where it has ended. */
export function peakOf(pid: number): number {
  return kilobytes(pid, 'VmHWM');
}

/** Bytes resident now. */
export function residentOf(pid: number): number {
  return kilobytes(pid, 'VmRSS');
}

function kilobytes(pid: number, field: string): number {
  try {
    const text = readFileSync(`/proc/${pid}/status`, 'utf8');
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}
