import { SEARCH } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';
import type { Filters, Holding } from '../ports.ts';
import { fold } from './words.ts';

/** Kinds of files by extension, for `--type image`; any other word is an extension itself. */
export const TYPE_SETS = {
  image: 'jpg jpeg png gif webp avif heic heif bmp tif tiff svg ico raw psd'.split(' '),
  video: 'mp4 m4v mkv webm mov avi mpg mpeg wmv flv ogv 3gp ts m2ts mts vob divx rm rmvb asf'.split(' '),
  audio: 'mp3 m4a aac ogg oga opus flac wav wma aif aiff mid midi amr'.split(' '),
  document: 'pdf doc docx odt rtf txt md tex xls xlsx ods csv ppt pptx odp epub djvu'.split(' '),
  archive: 'zip tar gz tgz bz2 xz zst 7z rar iso cab deb rpm'.split(' '),
  code: 'c h cpp hpp cs go java js kt lua php pl py rb rs sh sql swift tsx html css json xml yaml'.split(' '),
} as const satisfies Record<string, readonly string[]>;

const SETS: ReadonlyMap<string, readonly string[]> = new Map(Object.entries(TYPE_SETS));
const EXTENSION = /^[\p{L}\p{N}_+-]+$/u;
const encoder = new TextEncoder();

/**
 * Names of sets and extensions, with or without a dot, several to an item with commas, as extensions without repeats.
 * @throws KelanaError BAD_VALUE; `name` is what the person wrote them after
 */
export function parseTypes(list: readonly string[], name = '--type'): readonly string[] {
  const types = new Set<string>();
  for (const item of list.flatMap((text) => text.split(','))) {
    const word = fold(item.trim());
    const set = SETS.get(word);
    const extension = word.startsWith('.') ? word.slice(1) : word;
    const bytes = encoder.encode(extension).length;
    if (set === undefined && (!EXTENSION.test(extension) || bytes > SEARCH.maxTypeBytes)) {
      const known = [...SETS.keys()].join(', ');
      throw bad(name, item, '--type pdf', {
        id: `harus ekstensi seperti pdf, atau salah satu dari: ${known}`,
        en: `it must be an extension such as pdf, or one of: ${known}`,
      });
    }
    for (const type of set ?? [extension]) types.add(type);
  }
  if (types.size === 0 || types.size > SEARCH.maxTypes) {
    throw bad(name, list.join(','), '--type pdf', {
      id: `harus 1 sampai ${SEARCH.maxTypes} ekstensi`,
      en: `it must be 1 to ${SEARCH.maxTypes} extensions`,
    });
  }
  return [...types];
}

const SIZE = /^(\d+(?:[.,]\d+)?)\s*(?:([kmgt])(i?)b?|b)?$/i;

/**
 * `2000`, `10MB` (decimal), `1.5 GiB` or `1,5 GiB` (binary) in bytes.
 * @throws KelanaError BAD_VALUE
 */
export function parseSize(text: string, name = '--min-size'): number {
  const match = SIZE.exec(text.trim());
  const power = 'kmgt'.indexOf((match?.[2] ?? '').toLowerCase()) + (match?.[2] === undefined ? 0 : 1);
  const unit = (match?.[3] ?? '') === '' ? 1000 : 1024;
  const bytes = Math.round(Number(match?.[1]?.replace(',', '.') ?? Number.NaN) * unit ** power);
  if (Number.isSafeInteger(bytes)) return bytes;
  throw bad(name, text, `${name} 10MB`, {
    id: 'harus ukuran dalam byte, kB, MB, GB, KiB, MiB, atau GiB',
    en: 'it must be a size in bytes, kB, MB, GB, KiB, MiB or GiB',
  });
}

/** The extension of a path, folded, without the dot; empty where it has none. */
export function extensionOf(path: string): string {
  const base = path.slice(path.lastIndexOf('/') + 1);
  const dot = base.lastIndexOf('.');
  return dot > 0 ? fold(base.slice(dot + 1)) : '';
}

export function passes({ minSize = 0, maxSize = Infinity, types }: Filters, holding: Holding): boolean {
  if (holding.size < minSize || holding.size > maxSize) return false;
  return types === undefined || types.includes(extensionOf(holding.name));
}

function bad(name: string, value: string, example: string, why: Text): KelanaError {
  const shown = value.length > 40 ? `${value.slice(0, 40)}…` : value;
  return new KelanaError('BAD_VALUE', { name, value: shown, why, example });
}
