import { ERRORS, KelanaError, type ErrorCode, type ErrorParams } from '../errors.ts';
import type { Text } from '../lang.ts';

/** Why a letter or offer stands as it does, as one text for the disk: a short word, or an error as JSON. */
export function whyOf(error: KelanaError): string {
  return JSON.stringify({ error: error.code, params: error.params });
}

/** The same for people, as the end of a sentence and without its stop. */
export function whyText(why: string): Text {
  const word = Object.hasOwn(WORDS, why) ? WORDS[why] : undefined;
  if (word !== undefined) return word;
  const error = parseError(why);
  if (error === null) return { id: why, en: why };
  const { why: inner } = error.params;
  // Of an unreachable peer only the reason: who it is stands before it.
  if (error.code === 'PEER_UNREACHABLE' && inner !== undefined)
    return typeof inner === 'object' ? inner : { id: String(inner), en: String(inner) };
  const says = (lang: 'id' | 'en'): string => error.describe(lang).says.replace(/\.$/, '');
  return { id: says('id'), en: says('en') };
}

function parseError(why: string): KelanaError | null {
  try {
    const { error, params } = JSON.parse(why) as { error: string; params: ErrorParams };
    return Object.hasOwn(ERRORS, error) ? new KelanaError(error as ErrorCode, params) : null;
  } catch {
    return null;
  }
}

const WORDS: Readonly<Record<string, Text>> = {
  full: { id: 'kotak masuknya penuh', en: 'its inbox is full' },
  busy: { id: 'ia sedang menerima terlalu banyak', en: 'it is being sent too much' },
  failed: { id: 'ia tidak bisa menyimpannya', en: 'it could not store it' },
  unwanted: { id: 'ia tidak menerima kiriman berkas', en: 'it takes no files' },
  bad: {
    id: 'nama, ukuran, atau isinya tidak diterima di sana',
    en: 'its name, size or content is not taken there',
  },
  unknown: { id: 'ia tidak mengenal kiriman itu', en: 'it does not know of it' },
  'old-folder': {
    id: 'ditawarkan oleh kelana yang lebih lama; pengirimnya perlu mengirimnya sekali lagi',
    en: 'it was offered by an older kelana, and has to be sent again',
  },
  refused: { id: 'ditolak penerimanya', en: 'its receiver refused it' },
  'not-stored': { id: 'penerimanya gagal mengambilnya', en: 'its receiver failed to fetch it' },
  expired: { id: 'batas waktunya lewat', en: 'its time is over' },
};
