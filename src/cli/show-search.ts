import type { GetEvent } from '../control/operations.ts';
import { EXIT, KelanaError } from '../core/errors.ts';
import type { Verdict } from '../core/events.ts';
import type { Query, SearchEvent } from '../core/ports.ts';
import { showable } from '../core/render/escape.ts';
import { parseCid } from '../core/transfer/cid.ts';
import { SEARCH } from '../core/config.ts';
import type { Context } from './context.ts';
import { bytesText, durationText, numberText } from './format.ts';

/** A CID asks for a CID; all else is a file's name. @throws KelanaError BAD_VALUE */
export function queryFrom(text: string): Query {
  const cid = parseCid(text);
  if (cid !== null) return { kind: 'cid', cid: cid.text };
  if (Buffer.byteLength(text) <= SEARCH.maxQueryBytes && text !== '') return { kind: 'name', name: text };
  throw new KelanaError('BAD_VALUE', {
    name: 'QUERY',
    value: text.length > 40 ? `${text.slice(0, 40)}…` : text,
    why: {
      id: `harus 1 sampai ${SEARCH.maxQueryBytes} byte`,
      en: `it must be 1 to ${SEARCH.maxQueryBytes} bytes`,
    },
    example: 'kelana find contoh.txt',
  });
}

export const EXIT_OF: Readonly<Record<Verdict, number>> = {
  found: EXIT.done,
  absent: EXIT.absent,
  incomplete: EXIT.incomplete,
};

/** Shows a search or a download line by line as it happens; resolves to the exit code. */
export async function showEvents(
  context: Context,
  events: AsyncIterable<SearchEvent | GetEvent>,
  name: string,
): Promise<number> {
  let code: number = EXIT.failed;
  const progress = new ProgressLine(context);
  try {
    for await (const event of events) {
      if (event.type === 'progress') {
        progress.show(event.bytes, event.size);
        continue;
      }
      progress.clear();
      if (event.type === 'failed') throw event.error;
      context.out(lineOf(context, event, showable(name)));
      if (event.type === 'verdict') code = EXIT_OF[event.verdict];
    }
  } finally {
    progress.clear();
  }
  return code;
}

function lineOf(
  context: Context,
  event: Exclude<SearchEvent | GetEvent, { type: 'progress' | 'failed' }>,
  name: string,
): string {
  const { lang } = context;
  const id = lang === 'id';
  if (event.type === 'step') {
    const label = showable(event.label);
    return id
      ? `  langkah ${event.hops}: bertanya ke node ${label}`
      : `  hop ${event.hops}: asked node ${label}`;
  }
  if (event.type === 'verdict') return verdictText(context, event, name);
  if (event.type === 'hit') {
    const size = bytesText(event.size, lang);
    const where =
      event.hops === 0 ? (id ? 'node ini sendiri' : 'this very node') : `node ${showable(event.label)}`;
    const file = showable(event.name);
    const found = id ? `'${file}' ditemukan di ${where}` : `'${file}' found at ${where}`;
    return `${found} (${size}, ${durationText(event.elapsedMs, lang)})\n  ${showable(event.cid)}`;
  }
  const rate = `${bytesText(event.bytesPerSecond, lang)}/${id ? 'dtk' : 's'}`;
  const took = durationText(event.seconds * 1000, lang);
  const size = bytesText(event.bytes, lang);
  const [path, from] = [showable(event.path), showable(event.from)];
  return id
    ? `Tersimpan di ${path}\n  ${size} dari node ${from}, terverifikasi; waktu total ${took}, throughput ${rate}`
    : `Saved as ${path}\n  ${size} from node ${from}, verified; total time ${took}, throughput ${rate}`;
}

function verdictText(
  context: Context,
  event: Extract<SearchEvent, { type: 'verdict' }>,
  name: string,
): string {
  const { lang } = context;
  const id = lang === 'id';
  const asked = numberText(event.asked, lang);
  const nodes = event.asked === 1 ? 'node' : 'nodes';
  const took = durationText(event.elapsedMs, lang);
  if (event.verdict === 'found')
    return id ? `Selesai: ${asked} node ditanya, ${took}` : `Done: ${asked} ${nodes} asked, ${took}`;
  if (event.verdict === 'absent') {
    if (event.asked === 0) {
      return id
        ? `'${name}' tidak ada di node ini, dan node ini belum punya tetangga untuk ditanya.\n  → Tambahkan: kelana peers add HOST:PORT`
        : `'${name}' is not on this node, and this node has no neighbour to ask.\n  → Add one: kelana peers add HOST:PORT`;
    }
    return id
      ? `'${name}' tidak ada: semua ${asked} node yang terjangkau sudah ditanya dan tidak ada yang memilikinya (${took})`
      : `'${name}' does not exist here: ${event.asked === 1 ? 'the one reachable node was' : `all ${asked} reachable nodes were`} asked and ${event.asked === 1 ? 'does not have' : 'none has'} it (${took})`;
  }
  const missing = event.missing.map(showable).join(', ');
  return id
    ? `Belum pasti: '${name}' tidak ditemukan pada ${asked} node yang menjawab, tetapi jawaban dari ${missing} hilang (${took})\n  → Cari lagi bila node itu kembali`
    : `Not certain: '${name}' was not found on the ${asked} nodes that answered, but the answer of ${missing} is missing (${took})\n  → Search again when it is back`;
}

/** One line, rewritten in place, on terminals only. */
class ProgressLine {
  readonly #context: Context;
  #shown = false;

  constructor(context: Context) {
    this.#context = context;
  }

  show(bytes: number, size: number): void {
    const { lang, terminal, columns } = this.#context;
    if (!terminal) return;
    const share = size === 0 ? 1 : bytes / size;
    const text = ` ${numberText(share * 100, lang)} %  ${bytesText(bytes, lang)} / ${bytesText(size, lang)}`;
    const width = Math.max(10, Math.min(40, columns - text.length - 4));
    const full = Math.round(share * width);
    this.#context.write(`\r  ${'█'.repeat(full)}${'░'.repeat(width - full)}${text}\x1b[K`);
    this.#shown = true;
  }

  clear(): void {
    if (this.#shown) this.#context.write('\r\x1b[K');
    this.#shown = false;
  }
}
