import type { InboxView } from '../control/mail.ts';
import { MESSAGES } from '../core/config.ts';
import type { Lang, Text } from '../core/lang.ts';
import type { InboxItem, OutboxItem } from '../core/messages/ports.ts';
import { whyText } from '../core/messages/why.ts';
import { showable } from '../core/render/escape.ts';
import { bytesText, numberText } from './format.ts';

/** What is said of letters on the terminal. Texts and names are a stranger's: everything is made showable. */

const STATES: Readonly<Record<InboxItem['state'], Text>> = {
  unread: { id: 'baru', en: 'new' },
  read: { id: 'dibaca', en: 'read' },
  open: { id: 'menunggu keputusan', en: 'waits for you' },
  accepted: { id: 'sedang diambil', en: 'being fetched' },
  refused: { id: 'ditolak', en: 'refused' },
  done: { id: 'tersimpan', en: 'saved' },
  failed: { id: 'gagal', en: 'failed' },
};

const SENT_STATES: Readonly<Record<OutboxItem['state'], Text>> = {
  waiting: { id: 'menunggu node itu', en: 'waits for that node' },
  delivered: { id: 'sampai', en: 'delivered' },
  accepted: { id: 'diterima, sedang diambil', en: 'accepted, being fetched' },
  refused: { id: 'ditolak', en: 'refused' },
  done: { id: 'selesai', en: 'done' },
  failed: { id: 'gagal', en: 'failed' },
};

/** `'name' (1.5 MB)`, of a folder with the number of its files. */
export function offered(
  { text, size, files }: Pick<InboxItem, 'text' | 'size' | 'files'>,
  lang: Lang,
): string {
  const count = lang === 'id' ? `${numberText(files, lang)} berkas` : `${numberText(files, lang)} files`;
  return `'${showable(text)}' (${files === 0 ? '' : `folder, ${count}, `}${bytesText(size, lang)})`;
}

/** The announcement of an offer, with what to type. */
export function offerText(item: InboxItem, lang: Lang): string {
  const [what, label] = [offered(item, lang), showable(item.label)];
  return lang === 'id'
    ? `Node ${label} menawarkan ${what}.\n  → kelana inbox accept ${item.no}   atau   kelana inbox refuse ${item.no}`
    : `Node ${label} offers ${what}.\n  → kelana inbox accept ${item.no}   or   kelana inbox refuse ${item.no}`;
}

/** One item of the inbox: a head with number, time, sender and state; below it the message, or what is offered. */
export function itemText(item: InboxItem, lang: Lang, whole: boolean): string {
  const state = STATES[item.state][lang];
  const head = `${item.no}  ${timeText(item.receivedAt)}  ${showable(item.label)}  [${state}]`;
  if (item.kind === 'text') return `${head}\n${indented(item.text, whole)}`;
  const lines = [head, `  ${offered(item, lang)}`];
  if (item.state === 'open') lines.push(`  → kelana inbox accept ${item.no} | refuse ${item.no}`);
  if (item.state === 'done' && item.path !== null) lines.push(`  ${showable(item.path)}`);
  if (item.why !== null) lines.push(`  ${showable(whyText(item.why)[lang])}`);
  if (whole) lines.push(`  ${item.cid}`);
  return lines.join('\n');
}

export function sentText(item: OutboxItem, lang: Lang): string {
  const state = SENT_STATES[item.state][lang];
  const head = `${item.no}  ${timeText(item.createdAt)}  → ${showable(item.label)}  [${state}]`;
  const what = item.kind === 'text' ? indented(item.text, false) : `  ${offered(item, lang)}`;
  const until = lang === 'id' ? `sampai ${timeText(item.expiresAt)}` : `until ${timeText(item.expiresAt)}`;
  const why = item.why === null ? [] : [`  ${showable(whyText(item.why)[lang])}`];
  return [head, what, ...why, ...(item.state === 'waiting' ? [`  ${until}`] : [])].join('\n');
}

/** What the list ends with: how much there is, and what to do when there is no room left. */
export function countsText({ counts, items }: InboxView, lang: Lang): string {
  const number = (value: number): string => numberText(value, lang);
  const shown =
    lang === 'id'
      ? `${number(items.length)} dari ${number(counts.items)} ditampilkan, ${number(counts.unread)} belum dibaca atau diputuskan`
      : `${number(items.length)} of ${number(counts.items)} shown, ${number(counts.unread)} not read or decided yet`;
  const full =
    counts.items > MESSAGES.maxInbox * NEARLY || counts.bytes > MESSAGES.maxInboxBytes * NEARLY
      ? lang === 'id'
        ? '\n  → Kotak masuk hampir penuh; buang yang lama: kelana inbox remove NOMOR…'
        : '\n  → The inbox is nearly full; remove old items: kelana inbox remove NUMBER…'
      : '';
  return shown + full;
}

/** The part of the inbox from which a person is told to make room. */
const NEARLY = 0.9;

function indented(text: string, whole: boolean): string {
  const long = !whole && text.length > MESSAGES.previewChars;
  const shown = long ? `${text.slice(0, MESSAGES.previewChars).toWellFormed()}…` : text;
  return shown
    .split(/\r\n|\n|\r/)
    .map((line) => `  ${showable(line)}`)
    .join('\n');
}

/** `YYYY-MM-DD HH:MM` in local time. */
export function timeText(at: number): string {
  const date = new Date(at);
  const two = (value: number): string => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}`;
}
