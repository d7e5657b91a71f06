import { LIBRARY } from './config.ts';
import { KelanaError } from './errors.ts';
import type { Text } from './lang.ts';

/**
 * Which names may become files. A name is kept as it is or refused whole, never repaired in silence: what a
 * person asked for and what lies on the disk are always the same text.
 */

/** Everything a terminal, a log line or a reader could take for something else when it is shown as it is. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\u{115f}\u{1160}\u{3164}]/u;
const INVISIBLES = new RegExp(INVISIBLE.source, 'gu');

/** Device names of Windows, with or without an extension (Microsoft: Naming Files, Paths, and Namespaces). */
const WINDOWS_DEVICE = /^(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\.|$)/i;
const WINDOWS_CHARACTERS = /[<>:"|?*]|[. ]$/;

/** Names that begin so are kelana's own temporary files; nothing else may be stored under one. */
export const RESERVED_PREFIX = '.kelana-';

/** Why `name` cannot be one segment of a path, or null where it can. */
export function checkSegment(name: string): Text | null {
  if (name === '') return { id: 'kosong', en: 'it is empty' };
  if (name === '.' || name === '..')
    return { id: "'.' dan '..' menunjuk folder lain", en: "'.' and '..' point to another folder" };
  if (name.includes('/') || name.includes('\\'))
    return { id: "berisi '/' atau '\\'", en: "it contains '/' or '\\'" };
  for (let at = 0; at < name.length; at += 1) {
    const why = checkUnit(name.charCodeAt(at));
    if (why !== null) return why;
  }
  if (!name.isWellFormed()) return { id: 'bukan Unicode yang sah', en: 'it is not well-formed Unicode' };
  if (isLonger(name, LIBRARY.maxSegmentBytes)) {
    return {
      id: `lebih dari ${LIBRARY.maxSegmentBytes} byte`,
      en: `it is longer than ${LIBRARY.maxSegmentBytes} bytes`,
    };
  }
  return null;
}

/**
 * U+0080 to U+009F stay allowed but for U+0085 (next line): file systems hold such names and no file system call
 * minds them. They are escaped wherever a name is shown.
 */
function checkUnit(unit: number): Text | null {
  if (unit < 0x20 || unit === 0x7f || unit === 0x85)
    return { id: 'berisi karakter kendali', en: 'it contains a control character' };
  if (unit === 0x2028 || unit === 0x2029)
    return { id: 'berisi pemisah baris', en: 'it contains a line separator' };
  if ((unit >= 0x202a && unit <= 0x202e) || (unit >= 0x2066 && unit <= 0x2069))
    return { id: 'berisi pembalik arah tulisan', en: 'it contains a text direction override' };
  return null;
}

/** Why `path` (`a/b/c`, relative) cannot name a file below a shared folder, or null where it can. */
export function checkPath(path: string): Text | null {
  if (path.startsWith('/')) return { id: "diawali '/'", en: "it begins with '/'" };
  if (isLonger(path, LIBRARY.maxPathBytes)) {
    return {
      id: `lebih dari ${LIBRARY.maxPathBytes} byte`,
      en: `it is longer than ${LIBRARY.maxPathBytes} bytes`,
    };
  }
  for (const segment of path.split('/')) {
    const why = checkSegment(segment);
    if (why !== null) return why;
  }
  return null;
}

/** What a person should know of a name that is kept: it will not work on Windows, or it is not what it looks like. */
export function noteSegment(name: string): Text | null {
  if (INVISIBLE.test(name))
    return { id: 'berisi karakter yang tak terlihat', en: 'it contains characters that cannot be seen' };
  if (WINDOWS_DEVICE.test(name) || WINDOWS_CHARACTERS.test(name))
    return { id: 'tidak bisa dipakai di Windows', en: 'it cannot be used on Windows' };
  return null;
}

/** `name` with everything invisible written out as `\u{…}`, for terminals and messages; at most `max` characters. */
export function shownName(name: string, max = 120): string {
  const cut = name.length > max ? `${name.slice(0, max)}…` : name;
  return cut.replace(INVISIBLES, (one) => `\\u{${(one.codePointAt(0) ?? 0).toString(16)}}`);
}

/**
 * A name under which kelana stores a file: one segment, and none of its own temporary names.
 * @throws KelanaError BAD_NAME
 */
export function storedName(name: string): string {
  const why =
    checkSegment(name) ??
    (name.startsWith(RESERVED_PREFIX)
      ? { id: `'${RESERVED_PREFIX}' milik kelana sendiri`, en: `'${RESERVED_PREFIX}' is kelana's own` }
      : null);
  if (why !== null) throw new KelanaError('BAD_NAME', { name: `'${shownName(name)}'`, why });
  return name;
}

/**
 * The base name under which a download of `name` (a path of another node's library) is stored.
 * @throws KelanaError BAD_NAME
 */
export function safeDownloadName(name: string): string {
  const why = checkPath(name);
  if (why !== null) throw new KelanaError('BAD_NAME', { name: `'${shownName(name)}'`, why });
  return storedName(name.slice(name.lastIndexOf('/') + 1));
}

/** `report.pdf`, 2 → `report (2).pdf`; the stem is cut at a whole character where the result would be too long. */
export function numbered(name: string, n: number): string {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && name.length - dot <= 16 ? name.slice(dot) : '';
  const suffix = ` (${n})${extension}`;
  const room = LIBRARY.maxSegmentBytes - byteLength(suffix);
  let stem = '';
  let used = 0;
  for (const character of name.slice(0, name.length - extension.length)) {
    used += byteLength(character);
    if (used > room) break;
    stem += character;
  }
  return stem + suffix;
}

const encoder = new TextEncoder();
/** A UTF-16 unit takes 1 to 3 bytes: most names need not be encoded to know. */
function isLonger(text: string, bytes: number): boolean {
  if (text.length > bytes) return true;
  return text.length * 3 > bytes && byteLength(text) > bytes;
}

function byteLength(text: string): number {
  return encoder.encode(text).length;
}
