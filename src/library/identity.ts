import type { BigIntStats } from 'node:fs';

/** What tells one content of a file from another without reading it: size, time of the last write, inode. */
export function identityOf(stats: BigIntStats): string {
  return `${stats.size}:${stats.mtimeNs}:${stats.ino}`;
}
