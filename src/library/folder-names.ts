import { INCOMING, LIBRARY, TRANSFER } from '../core/config.ts';
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
 * Looks at all names before any is used, of `more` folders too, which may be empty: what cannot be stored exactly as it is called refuses the whole folder.
 * @throws KelanaError BAD_NAME, TOO_LARGE
 */
export function checkEntries(entries: readonly FolderEntry[], more: readonly string[] = []): CheckedEntries {
  if (entries.length + more.length > INCOMING.maxFolderFiles)
    throw new KelanaError('BAD_NAME', { name: `(${entries.length})`, why: WHY_MANY });
  const files = new Set<string>();
  const folders = new Map<string, string>([['', '']]);
  const twins = new Map<string, string>();
  const found: Twins[] = [];
  // Most folders have nothing to fold: then names that differ stay different.
  const folds = !entries.every(({ path }) => LOWER.test(path)) || !more.every((path) => LOWER.test(path));
  const place = (above: string, name: string): string => {
    if (!folds) return '';
    const folded = `${folders.get(above) ?? ''}/${fold(name)}`;
    const other = twins.get(folded);
    if (other === undefined) twins.set(folded, name);
    // The same name twice lies in two folders, which are twins themselves.
    else if (other !== name) found.push({ one: name, other });
    return folded;
  };
  const placeAbove = (path: string): void => {
    for (let begin = 0, end = path.indexOf('/'); end >= 0; begin = end + 1, end = path.indexOf('/', begin)) {
      const folder = path.slice(0, end);
      if (folders.has(folder)) continue;
      const higher = path.slice(0, Math.max(0, begin - 1));
      folders.set(folder, place(higher, path.slice(begin, end)));
    }
  };
  for (const { path, size, digest } of entries) {
    const cut = path.lastIndexOf('/');
    const above = path.slice(0, Math.max(0, cut));
    const name = path.slice(cut + 1);
    // What stands above was looked at with its first file; most names are plain.
    const known = path.length <= SHORT && cut !== 0 && folders.has(above);
    const why =
      (known && PLAIN.test(name) ? null : (checkPath(path) ?? reserved(path))) ??
      (files.has(path) ? WHY_TWICE : null) ??
      oversized(size, digest);
    if (why !== null) throw refused(path, why);
    files.add(path);
    placeAbove(path);
    place(above, name);
  }
  for (const path of more) {
    const why = folders.has(path) ? null : (checkPath(path) ?? reserved(path));
    if (why !== null) throw refused(path, why);
    placeAbove(`${path}/`);
  }
  folders.delete('');
  for (const folder of folders.keys()) if (files.has(folder)) throw refused(folder, WHY_BOTH);
  return { folders: [...folders.keys()], twins: found };
}

/** Names that need no closer look, and paths that cannot be too long whatever is in them. */
const PLAIN = /^\w[\w .()+,=@~-]{0,200}$/;
const SHORT = LIBRARY.maxPathBytes / 4;
const LOWER = /^[\d_a-z .()+,=@~/-]*$/;

function fold(name: string): string {
  return LOWER.test(name) ? name : name.normalize('NFC').toLowerCase();
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

export const WHY_TWINS: Text = {
  id: 'folder tujuan tidak membedakannya dari nama lain di folder itu',
  en: 'the folder it would go to cannot tell it from another name there',
};
const WHY_MANY: Text = { id: 'berkasnya terlalu banyak', en: 'it has too many files' };
const WHY_TWICE: Text = { id: 'ada dua kali', en: 'it is there twice' };
const WHY_BOTH: Text = { id: 'sekaligus berkas dan folder', en: 'it is both a file and a folder' };
