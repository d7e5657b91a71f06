import { randomInt } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { INCOMING } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { RESERVED_PREFIX } from '../core/names.ts';
import { hasCode } from './files.ts';
import { isAlive, markOf, ownOwner, type Owner } from './owner.ts';

/**
 * What a later process goes on with: `.kelana-<cid>-<pid>-<start>.part` while a process writes it, `.kelana-<cid>.part`
 * while nobody does; `.dir` for folders. To take one is to rename it, which only one of several can. Beside a file lies
 * `.kelana-<cid>.have`, its bitmap, which only the owner of the file touches.
 */
const CLAIM = new RegExp(`^\\${RESERVED_PREFIX}([a-z2-7]{50,70})(?:-(\\d+)-(\\d+))?\\.(part|dir|have)$`);

export type Kind = 'part' | 'dir';

export interface ClaimName {
  readonly name: string;
  readonly cid: string;
  readonly kind: Kind | 'have';
  /** null: nobody's. */
  readonly owner: Owner | null;
}

export function readClaim(name: string): ClaimName | null {
  const [, cid, pid, start, kind] = CLAIM.exec(name) ?? [];
  if (cid === undefined) return null;
  return {
    name,
    cid,
    kind: kind as ClaimName['kind'],
    owner: pid === undefined || start === undefined ? null : { pid, start },
  };
}

function pathOf(folder: string, cid: string, kind: Kind | 'have', owner?: Owner): string {
  const mark = owner === undefined ? '' : `-${markOf(owner)}`;
  return join(folder, `${RESERVED_PREFIX}${cid}${mark}.${kind}`);
}

export function bitmapPath(folder: string, cid: string): string {
  return pathOf(folder, cid, 'have');
}

/** What this process holds: threads and tests may have several downloads of one folder in one process. */
const held = new Set<string>();

export interface Claim {
  readonly path: string;
  /** Nothing was there before. */
  readonly fresh: boolean;
  /** Of a new file, open to read and write: whoever claims it closes it. */
  readonly handle: FileHandle | null;
  /** Leaves it for the next. */
  release(): Promise<void>;
  /** Removes it, with its bitmap. */
  remove(): Promise<void>;
  /** For what has been moved to its place: only the bitmap is left to remove. */
  moved(): Promise<void>;
}

/**
 * Takes the part of a download, or begins one. Two processes that begin at once both see each other and both step
 * back; chance then lets one go first. `listed`: what `claimsOf` gave before; only where that is nothing it is believed,
 * and what came since is seen by the second look.
 * @throws KelanaError DOWNLOAD_BUSY; what the file system throws
 */
export async function claim(
  folder: string,
  cid: string,
  kind: Kind,
  name: string,
  listed?: readonly ClaimName[],
): Promise<Claim> {
  const path = pathOf(folder, cid, kind, ownOwner());
  if (held.has(path)) throw new KelanaError('DOWNLOAD_BUSY', { name, pid: ownOwner().pid });
  held.add(path);
  let taken: Taken | null = null;
  let there = listed?.length === 0 ? listed : undefined;
  try {
    for (let tries = INCOMING.claimTries; ; tries -= 1) {
      taken = await take(folder, kind, path, name, there ?? (await claimsOf(folder, cid, kind)));
      there = undefined;
      if (taken !== null) {
        const now = await claimsOf(folder, cid, kind);
        const rival = now.find(({ owner }) => isRival(owner));
        // A new part beside one that another process left meanwhile would not go on with it.
        const missed = taken.fresh && now.some(({ name: other }) => join(folder, other) !== path);
        if (rival === undefined && !missed) return claimed(folder, cid, kind, path, taken);
        await taken.handle?.close();
        if (taken.fresh) await rm(path, { recursive: true, force: true });
        else await rename(path, pathOf(folder, cid, kind));
        taken = null;
        if (tries <= 1 && rival !== undefined) throw busy(name, rival);
      }
      if (tries <= 1) throw new KelanaError('DOWNLOAD_BUSY', { name, pid: '?' });
      await sleep(randomInt(1, INCOMING.claimWaitMs));
    }
  } catch (thrown) {
    await taken?.handle?.close().catch(() => undefined);
    held.delete(path);
    throw thrown;
  }
}

type Taken = Pick<Claim, 'fresh' | 'handle'>;

/** Names of a part that `beginNow` makes for this process. */
export function partNames(cid: string): { readonly part: string; readonly prefix: string } {
  return { part: pathOf('', cid, 'part', ownOwner()), prefix: `${RESERVED_PREFIX}${cid}` };
}

/** The claim of such a part; null where this process has one already, which is just being let go of. */
export function claimBegun(folder: string, cid: string): Claim | null {
  const path = pathOf(folder, cid, 'part', ownOwner());
  if (held.has(path)) return null;
  held.add(path);
  return claimed(folder, cid, 'part', path, { fresh: true, handle: null });
}

/** Null: someone else was faster. */
async function take(
  folder: string,
  kind: Kind,
  path: string,
  name: string,
  there: readonly ClaimName[],
): Promise<Taken | null> {
  const rival = there.find(({ owner }) => isRival(owner));
  if (rival !== undefined) throw busy(name, rival);
  const [first, ...others] = there;
  // More than one is what two processes left that stepped back at once.
  for (const other of others) await rm(join(folder, other.name), { recursive: true, force: true });
  try {
    if (first === undefined) {
      if (kind === 'part') return { fresh: true, handle: await open(path, 'wx+') };
      await mkdir(path);
      return { fresh: true, handle: null };
    }
    if (join(folder, first.name) !== path) await rename(join(folder, first.name), path);
    // The same inode under a final name: a crash came between giving it that name and removing this one.
    if (kind === 'dir' || (await lstat(path)).nlink === 1) return { fresh: false, handle: null };
    await rm(path);
    return null;
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT', 'EEXIST')) return null;
    throw thrown;
  }
}

function claimed(folder: string, cid: string, kind: Kind, path: string, { fresh, handle }: Taken): Claim {
  const forget = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } finally {
      held.delete(path);
    }
  };
  const dropBitmap = (): Promise<void> => rm(bitmapPath(folder, cid), { force: true });
  return {
    path,
    fresh,
    handle,
    release: () => forget(() => rename(path, pathOf(folder, cid, kind))),
    remove: () =>
      forget(async () => {
        await rm(path, { recursive: true, force: true });
        await dropBitmap();
      }),
    moved: () => forget(dropBitmap),
  };
}

/** Removes what is left of downloads whose file is there whole. Never what a living process writes. */
export async function dropLeftovers(folder: string, cid: string, kind: Kind): Promise<void> {
  const there = await claimsOf(folder, cid, kind);
  if (held.has(pathOf(folder, cid, kind, ownOwner())) || there.some(({ owner }) => isRival(owner))) return;
  for (const { name } of there) await rm(join(folder, name), { recursive: true, force: true });
  if (kind === 'part') await rm(bitmapPath(folder, cid), { force: true });
}

/** What there is of a download, whosever it is. @throws what the file system throws */
export async function claimsOf(folder: string, cid: string, kind: Kind): Promise<readonly ClaimName[]> {
  const names = await readdir(folder);
  return names.flatMap((name) => {
    if (!name.startsWith(RESERVED_PREFIX)) return [];
    const read = readClaim(name);
    return read !== null && read.cid === cid && read.kind === kind ? [read] : [];
  });
}

function isRival(owner: Owner | null): owner is Owner {
  return owner !== null && markOf(owner) !== markOf(ownOwner()) && isAlive(owner);
}

function busy(name: string, { owner }: ClaimName): KelanaError {
  return new KelanaError('DOWNLOAD_BUSY', { name, pid: owner?.pid ?? '?' });
}
