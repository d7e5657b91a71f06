import { randomBytes } from 'node:crypto';
import { lstat, open, readdir, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { INCOMING } from '../core/config.ts';
import { RESERVED_PREFIX } from '../core/names.ts';
import { readClaim } from './claims.ts';
import { hasCode } from './files.ts';
import { isAlive, markOf, ownOwner } from './owner.ts';

/**
 * Temporary files that are worth nothing without their process: `.kelana-<tag>-<pid>-<start>-<random>.part`.
 * Those that a later process goes on with are in claims.ts.
 */
const PART = new RegExp(`^\\${RESERVED_PREFIX}[a-z0-9]+-(\\d+)-(\\d+)-[0-9a-f]+\\.part$`);

export interface Part {
  readonly path: string;
  readonly handle: FileHandle;
}

/** Creates an empty temporary file in `folder`. @throws what the file system throws */
export async function createPart(folder: string, tag: string): Promise<Part> {
  const random = randomBytes(8).toString('hex');
  const path = join(folder, `${RESERVED_PREFIX}${tag}-${markOf(ownOwner())}-${random}.part`);
  return { path, handle: await open(path, 'wx') };
}

/** Closes and removes a temporary file; done already is fine. */
export async function dropPart(part: Part): Promise<void> {
  await part.handle.close().catch(() => undefined);
  await rm(part.path, { force: true }).catch(() => undefined);
}

export interface SweepOptions {
  /** CIDs that are still to be downloaded: what there is of them stays, whatever its age. */
  readonly queued?: ReadonlySet<string>;
  /** ms since the Unix epoch; the machine's clock by default. */
  readonly now?: number;
}

/**
 * Removes what nobody will ever use in `folder`: temporary files whose process no longer lives, downloads to be gone
 * on with that nobody touched for `INCOMING.keepMs`, and bitmaps without a file. Gives the number of what it removed.
 * @throws what the file system throws
 */
export async function sweepParts(folder: string, options: SweepOptions = {}): Promise<number> {
  const { queued = new Set<string>(), now = Date.now() } = options;
  let names;
  try {
    names = await readdir(folder);
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) return 0;
    throw thrown;
  }
  const ours = names.filter((name) => name.startsWith(RESERVED_PREFIX));
  const claims = ours.flatMap((name) => readClaim(name) ?? []);
  const kept = new Set<string>();
  const dead: string[] = [];
  for (const claim of claims) {
    if (claim.kind === 'have') continue;
    const used = queued.has(claim.cid) || (claim.owner !== null && isAlive(claim.owner));
    if (used || now - (await touchedAt(join(folder, claim.name))) <= INCOMING.keepMs) kept.add(claim.cid);
    else dead.push(claim.name);
  }
  for (const { kind, cid, name } of claims) if (kind === 'have' && !kept.has(cid)) dead.push(name);
  for (const name of ours) {
    const [, pid, start] = PART.exec(name) ?? [];
    if (pid !== undefined && start !== undefined && !isAlive({ pid, start })) dead.push(name);
  }
  for (const name of dead)
    await rm(join(folder, name), { recursive: true, force: true }).catch(() => undefined);
  return dead.length;
}

/** ms; the last write or change of name, which is when a process took it or let it go. */
async function touchedAt(path: string): Promise<number> {
  const stats = await lstat(path).catch(() => null);
  return stats === null ? 0 : Math.max(stats.mtimeMs, stats.ctimeMs);
}
