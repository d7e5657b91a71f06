import { INCOMING, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { checkPath, RESERVED_PREFIX, shownName } from '../core/names.ts';

/** A file of a folder, as the folder's manifest names it. Nothing of it is trusted. */
export interface FolderEntry {
  /** Below the folder, with `/`. */
  readonly path: string;
  readonly size: number;
  readonly cid: string;
  /** SHA-256 of the file where it is one raw block; null: it has a manifest of its own. */
  readonly digest: Uint8Array | null;
}

/** Two names of one folder that some file systems take for one (upper and lower case, Unicode forms). */
export interface Twins {
  readonly one: string;
  readonly other: string;
}

export interface CheckedEntries {
  /** Folders that the files lie in, below the root, each after those above it. */
  readonly folders: readonly string[];
  readonly twins: readonly Twins[];
}

/**
 * Looks at all names before any is used: what cannot be stored exactly as it is called refuses the whole folder.
 * @throws KelanaError BAD_NAME, TOO_LARGE
 */
export function checkEntries(entries: readonly FolderEntry[]): CheckedEntries {
  if (entries.length > INCOMING.maxFolderFiles)
    throw new KelanaError('BAD_NAME', { name: `(${entries.length})`, why: WHY_MANY });
  const files = new Set<string>();
  const folders = new Set<string>();
  for (const { path, size, digest } of entries) {
    const why =
      checkPath(path) ?? reserved(path) ?? (files.has(path) ? WHY_TWICE : null) ?? oversized(size, digest);
    if (why !== null) throw refused(path, why);
    files.add(path);
    for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1))
      folders.add(path.slice(0, end));
  }
  for (const folder of folders) if (files.has(folder)) throw refused(folder, WHY_BOTH);
  return { folders: [...folders], twins: twinsOf([...folders, ...files]) };
}

export function refused(path: string, why: Text): KelanaError {
  return new KelanaError('BAD_NAME', { name: `'${shownName(path)}'`, why });
}

function reserved(path: string): Text | null {
  if (!path.includes(RESERVED_PREFIX)) return null;
  return path.split('/').some((segment) => segment.startsWith(RESERVED_PREFIX))
    ? { id: `'${RESERVED_PREFIX}' milik kelana sendiri`, en: `'${RESERVED_PREFIX}' is kelana's own` }
    : null;
}

function oversized(size: number, digest: Uint8Array | null): Text | null {
  const most = digest === null ? TRANSFER.maxFileBytes : TRANSFER.blockBytes;
  return Number.isSafeInteger(size) && size >= 0 && size <= most
    ? null
    : { id: 'ukurannya tidak sah', en: 'its size is not valid' };
}

/** Segments, in the same folder, that fold to the same text. */
function twinsOf(paths: readonly string[]): readonly Twins[] {
  const seen = new Map<string, string>();
  const twins: Twins[] = [];
  for (const path of paths) {
    const folded = path.normalize('NFC').toLowerCase();
    const other = seen.get(folded);
    if (other === undefined) seen.set(folded, path);
    else {
      const [a, b] = [path.split('/'), other.split('/')];
      const at = a.findIndex((segment, index) => segment !== b[index]);
      twins.push({ one: a[at] ?? '', other: b[at] ?? '' });
    }
  }
  return twins;
}

export const WHY_TWINS: Text = {
  id: 'folder tujuan tidak membedakannya dari nama lain di folder itu',
  en: 'the folder it would go to cannot tell it from another name there',
};
const WHY_MANY: Text = { id: 'berkasnya terlalu banyak', en: 'it has too many files' };
const WHY_TWICE: Text = { id: 'ada dua kali', en: 'it is there twice' };
const WHY_BOTH: Text = { id: 'sekaligus berkas dan folder', en: 'it is both a file and a folder' };
