import { readFileSync } from 'node:fs';
import { kill, pid as ownPid } from 'node:process';
import { hasCode } from './files.ts';

/**
 * A process as file names tell it: `<pid>-<start>`, with its start in clock ticks since boot (proc(5), stat, field 22),
 * so that a pid that was given out again is told from its first holder. Without /proc the start is 0.
 */
export interface Owner {
  readonly pid: string;
  readonly start: string;
}

let own: Owner | undefined;

export function ownOwner(): Owner {
  own ??= { pid: String(ownPid), start: startOf(String(ownPid)) ?? '0' };
  return own;
}

export function markOf(owner: Owner): string {
  return `${owner.pid}-${owner.start}`;
}

/** Without /proc a pid is all there is to go by, and one that was given out again counts as alive. */
export function isAlive(owner: Owner): boolean {
  if (ownOwner().start !== '0') return startOf(owner.pid) === owner.start;
  try {
    kill(Number(owner.pid), 0);
    return true;
  } catch (thrown) {
    return !hasCode(thrown, 'ESRCH');
  }
}

function startOf(pid: string): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name stands in parentheses and may itself hold any character.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}
