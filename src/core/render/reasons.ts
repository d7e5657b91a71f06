import { ERRORS, KelanaError, type ErrorCode } from '../errors.ts';
import type { Ejection } from '../events.ts';
import type { Lang, Text } from '../lang.ts';
import { quoted as q } from './escape.ts';
import type { BodyOf } from './fields.ts';

/** The reasons by which our own code ends a link (overlay), in words; any other is told as it is. */
const LINK_ENDS: Readonly<Record<string, Text>> = {
  'closed by the peer': { id: 'ditutup oleh node itu', en: 'closed by the peer' },
  'connection closed': { id: 'koneksi tertutup', en: 'connection closed' },
  removed: { id: 'dihapus', en: 'removed' },
  stopped: { id: 'node ini berhenti', en: 'stopped' },
  silent: { id: 'tidak ada kabar darinya', en: 'silent' },
  'send queue full': { id: 'antrean kirim penuh', en: 'send queue full' },
  'not needed': { id: 'tidak diperlukan', en: 'not needed' },
  banned: { id: 'terbukti berbohong', en: 'banned' },
  flood: { id: 'mengirim terlalu banyak', en: 'flood' },
  replaced: { id: 'diganti sambungan lain', en: 'replaced' },
};

/** What a peer was caught at (core/search and overlay say these). */
const LIES: Readonly<Record<string, Text>> = {
  'claimed a file that it does not hold': {
    id: 'mengaku punya berkas yang tidak dimilikinya',
    en: 'claimed a file that it does not hold',
  },
  'answered for groups that it was not asked about': {
    id: 'menjawab untuk kelompok yang tidak ditanyakan kepadanya',
    en: 'answered for groups that it was not asked about',
  },
  'handed on a token of the other half': {
    id: 'meneruskan token yang bukan gilirannya',
    en: 'handed on a token of the other half',
  },
  'a flood of frames': { id: 'mengirim terlalu banyak', en: 'a flood of frames' },
};

/** Why a peer is refused, in the log's language where it is known. The result still has to be escaped. */
export function lie(reason: string, lang: Lang): string {
  return Object.hasOwn(LIES, reason) ? (LIES[reason]?.[lang] ?? reason) : reason;
}

/** Why a neighbour went, in the log's language where it is known. The result still has to be escaped. */
export function linkEnd(reason: string, lang: Lang): string {
  return Object.hasOwn(LINK_ENDS, reason) ? (LINK_ENDS[reason]?.[lang] ?? reason) : reason;
}

/** What became of an offer of a file or folder. */
const OUTCOMES: Readonly<Record<string, Text>> = {
  accepted: { id: 'diterima, sedang diambil', en: 'accepted, being fetched' },
  done: { id: 'selesai', en: 'done' },
  refused: { id: 'ditolak', en: 'refused' },
  failed: { id: 'gagal', en: 'failed' },
  expired: { id: 'tidak dijawab sampai batas waktunya', en: 'not answered in time' },
};

/** What became of an offer, in the log's language where it is known. The result still has to be escaped. */
export function outcome(name: string, lang: Lang): string {
  return Object.hasOwn(OUTCOMES, name) ? (OUTCOMES[name]?.[lang] ?? name) : name;
}

const EJECTED: Readonly<Record<Ejection, Text>> = {
  'in-a-row': {
    id: 'terlalu banyak permintaan gagal berturut-turut',
    en: 'too many requests in a row failed',
  },
  rate: { id: 'bagian permintaan yang gagal terlalu besar', en: 'too large a part of its requests fails' },
  probe: { id: 'permintaan percobaan gagal', en: 'the request that tried it failed' },
};

/** Why a balancer takes a server out, in the log's language where it is known. */
export function ejection(reason: string, lang: Lang): string {
  return Object.hasOwn(EJECTED, reason) ? EJECTED[reason as Ejection][lang] : q(reason);
}

/** What an error says, in the log's language where its parameters came with it. The result still has to be escaped. */
export function errorText({ code, detail, params }: BodyOf<'error'>, lang: Lang): string {
  if (params === undefined || !isCode(code)) return detail;
  return new KelanaError(code, params).describe(lang).says;
}

function isCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code);
}
