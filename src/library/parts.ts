import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, opendir, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { RESERVED_PREFIX } from '../core/names.ts';
import { hasCode } from './files.ts';

/**
 * Temporary files: `.kelana-<tag>-<pid>-<start>-<random>.part`. The process that writes one is named by its pid and
 * start time, so that what a killed process left is told from what a living one is still writing.
 */
const PART = new RegExp(`^\\${RESERVED_PREFIX}[a-z0-9]+-(\\d+)-(\\d+)-[0-9a-f]+\\.part$`);

export interface Part {
  readonly path: string;
  readonly handle: FileHandle;
}

/** Creates an empty temporary file in `folder`. @throws what the file system throws */
export async function createPart(folder: string, tag: string): Promise<Part> {
  const random = randomBytes(8).toString('hex');
  const path = join(folder, `${RESERVED_PREFIX}${tag}-${ownMark()}-${random}.part`);
  return { path, handle: await open(path, 'wx') };
}

/** Closes and removes a temporary file; done already is fine. */
export async function dropPart(part: Part): Promise<void> {
  await part.handle.close().catch(() => undefined);
  await unlink(part.path).catch(() => undefined);
}

/** Removes the temporary files in `folder` whose process no longer lives; gives their number. */
export async function sweepParts(folder: string): Promise<number> {
  ownMark();
  if (!hasProc) return 0;
  let removed = 0;
  let entries;
  try {
    entries = await opendir(folder);
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return 0;
    throw thrown;
  }
  for await (const entry of entries) {
    const match = PART.exec(entry.name);
    if (match === null || startOf(match[1] ?? '') === match[2]) continue;
    await unlink(join(folder, entry.name)).catch(() => undefined);
    removed += 1;
  }
  return removed;
}

/** Start time of a process in clock ticks since boot (proc(5), stat, field 22), or null where there is none. */
function startOf(pid: string): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The command's name stands in parentheses and may itself hold any character.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

let mark: string | undefined;
/** Without /proc nobody can tell who lives; then nothing is ever swept. */
let hasProc = true;

function ownMark(): string {
  if (mark === undefined) {
    const start = startOf('self');
    hasProc = start !== null;
    mark =
      start === null ? '0-0' : `${readFileSync('/proc/self/stat', 'latin1').split(' ')[0] ?? '0'}-${start}`;
  }
  return mark;
}
