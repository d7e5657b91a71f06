import type { BigIntStats } from 'node:fs';

/**
 * What tells one content of a file from another without reading it: size, time of the last write, inode, and time of
 * the last change. The last of these cannot be set, as the time of the last write can.
 */
export function identityOf(stats: BigIntStats): string {
  return `${stats.size}:${stats.mtimeNs}:${stats.ino}:${stats.ctimeNs}`;
}

/** The part that a new name, link or mode leaves as it is; so does a write after which the old time was set again. */
export function writtenAs(identity: string): string {
  return identity.split(':', 3).join(':');
}

/** Whether the content may still be the same although the file was touched: only reading it tells. */
export function isTouched(before: string, now: string): boolean {
  return before !== now && writtenAs(before) === writtenAs(now);
}

/** ms since the Unix epoch. */
export function changedAt(identity: string): number {
  return Number(BigInt(identity.split(':')[3] ?? 0) / 1_000_000n);
}

/**
 * Tells a folder from one that was made after it under the same name, whose inode may be that of the first one again: its
 * time of birth is another. 0 where a file system keeps none.
 */
export function folderIdentity({ ino, birthtimeNs }: Pick<BigIntStats, 'ino' | 'birthtimeNs'>): bigint {
  return (birthtimeNs << 64n) | ino;
}
