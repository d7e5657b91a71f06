import { KelanaError } from '../core/errors.ts';
import { compileGlob } from '../core/search/glob.ts';
import type { ListedFile } from '../core/transfer/listing.ts';
import type { FolderItem } from './options.ts';

/**
 * The files of a listing that match one of the patterns, or all where there is none, and their places in it.
 * @throws KelanaError NONE_CHOSEN where none matches
 */
export function wantedOf(
  name: string,
  files: readonly ListedFile[],
  only: readonly string[],
): {
  readonly items: readonly FolderItem[];
  readonly listed: readonly number[];
} {
  const globs = only.map((pattern) => compileGlob(pattern));
  const items: FolderItem[] = [];
  const listed: number[] = [];
  for (const [at, file] of files.entries()) {
    if (globs.length > 0 && !globs.some((glob) => glob.matches(file.path))) continue;
    items.push(file);
    listed.push(at);
  }
  if (items.length > 0 || only.length === 0) return { items, listed };
  throw new KelanaError('NONE_CHOSEN', { name, only: only.map((pattern) => `'${pattern}'`).join(' ') });
}

/** The same text for the same patterns, in whatever order. */
export function selectionOf(only: readonly string[]): string {
  return JSON.stringify([...new Set(only)].toSorted());
}
