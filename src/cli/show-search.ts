import { SEARCH } from '../core/config.ts';
import type { GetEvent } from '../control/operations.ts';
import { EXIT } from '../core/errors.ts';
import type { Verdict } from '../core/events.ts';
import type { Query, SearchEvent, StrategyName } from '../core/ports.ts';
import { showable } from '../core/render/escape.ts';
import { parseQuery } from '../core/search/query.ts';
import type { Context } from './context.ts';
import { bytesText, durationText, numberText } from './format.ts';
import { ProgressLine } from './progress-line.ts';
import { verdictText } from './verdict-text.ts';

/** What a person typed where there are no options. @throws KelanaError BAD_VALUE */
export function queryFrom(text: string): Query {
  return parseQuery(text);
}

export const EXIT_OF: Readonly<Record<Verdict, number>> = {
  found: EXIT.done,
  absent: EXIT.absent,
  incomplete: EXIT.incomplete,
};

export interface ShowOptions {
  /** Each node with the time at which it was asked. */
  readonly trace?: boolean;
  /** The strategy that was asked for: a walk is shown step by step, as the seeds' is. */
  readonly strategy?: StrategyName;
}

/** Shows a search or a download line by line as it happens; resolves to the exit code. */
export async function showEvents(
  context: Context,
  events: AsyncIterable<SearchEvent | GetEvent>,
  name: string,
  { trace = false, strategy = 'auto' }: ShowOptions = {},
): Promise<number> {
  let code: number = EXIT.failed;
  /** Files of each holder, by its peer id. */
  const files = new Map<string, number>();
  const progress = new ProgressLine(context);
  try {
    for await (const event of events) {
      if (event.type === 'progress') {
        progress.show(event.bytes, event.size);
        continue;
      }
      progress.clear();
      if (event.type === 'failed') throw event.error;
      if (event.type === 'step' && trace) context.out(traceLine(context, event));
      else if (event.type !== 'step' || strategy === 'walk') context.out(lineOf(context, event, name));
      if (event.type === 'hit')
        for (const { peer } of event.providers) files.set(peer, (files.get(peer) ?? 0) + 1);
      if (event.type !== 'verdict') continue;
      code = EXIT_OF[event.verdict];
      if ([...files.values()].some((count) => count >= SEARCH.maxHits)) context.out(moreText(context));
    }
  } finally {
    progress.clear();
  }
  return code;
}

function moreText({ lang }: Context): string {
  return lang === 'id'
    ? `  → Satu node menyebut paling banyak ${SEARCH.maxHits} berkas, yang paling cocok; tambahkan kata, --type, atau ukuran untuk melihat yang lain`
    : `  → A node names ${SEARCH.maxHits} files at most, those that answer best; add a word, --type or a size to see others`;
}

/** `  +12.3 ms  hop 2  node localhost:5002`. */
function traceLine({ lang }: Context, event: Extract<SearchEvent, { type: 'step' }>): string {
  const at = `+${numberText(event.elapsedMs, lang, 1)} ms`.padStart(10);
  return `${at}  ${lang === 'id' ? 'langkah' : 'hop'} ${event.hops}  node ${showable(event.label)}`;
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
  if (event.type === 'verdict') return verdictText(event, name, lang);
  if (event.type === 'hit') return hitText(context, event);
  if (event.type === 'provider') {
    const [file, at] = [showable(event.name), showable(event.provider.label)];
    const took = durationText(event.elapsedMs, lang);
    return id ? `'${file}' juga ada di node ${at} (${took})` : `'${file}' also at node ${at} (${took})`;
  }
  if (event.type === 'queued') {
    const { id: number, name: file } = event.transfer;
    return id
      ? `'${showable(file)}' masuk antrean sebagai transfer ${number}\n  → Lihat jalannya: kelana transfers`
      : `'${showable(file)}' is queued as transfer ${number}\n  → See how it goes on: kelana transfers`;
  }
  const rate = `${bytesText(event.bytesPerSecond, lang)}/${id ? 'dtk' : 's'}`;
  const took = durationText(event.seconds * 1000, lang);
  const size = bytesText(event.bytes, lang);
  const [path, from] = [showable(event.path), showable(event.from)];
  const saved = id ? `Tersimpan di ${path}\n  ${size}` : `Saved as ${path}\n  ${size}`;
  if (event.from === '')
    return id
      ? `${saved} sudah ada di sana, terverifikasi; waktu total ${took}`
      : `${saved} were there already, verified; total time ${took}`;
  // What was fetched by an earlier try, or what this node shares itself, did not cross the network now.
  const part = bytesText(event.fetched, lang);
  const now =
    event.local || event.fetched >= event.bytes
      ? ''
      : id
        ? `, ${part} di antaranya sekarang`
        : `, ${part} of it now`;
  const how = event.local ? '' : `, throughput ${rate}`;
  return id
    ? `${saved}${now} dari node ${from}, terverifikasi; waktu total ${took}${how}`
    : `${saved}${now} from node ${from}, verified; total time ${took}${how}`;
}

function hitText({ lang }: Context, event: Extract<SearchEvent, { type: 'hit' }>): string {
  const id = lang === 'id';
  const [size, took] = [bytesText(event.size, lang), durationText(event.elapsedMs, lang)];
  const labels = event.providers.map(({ label }) => showable(label));
  // The one holder that no link leads to is this node.
  const here = event.hops === 0 && labels.length === 1;
  const nodes = `${labels.length > 1 && !id ? 'nodes' : 'node'} ${labels.join(', ')}`;
  const where = here ? (id ? 'node ini sendiri' : 'this very node') : nodes;
  const file = showable(event.name);
  const found = id ? `'${file}' ditemukan di ${where}` : `'${file}' found at ${where}`;
  const count = numberText(event.files ?? 0, lang);
  const folder =
    event.kind === 'folder' ? (id ? `folder, ${count} berkas, ` : `folder, ${count} files, `) : '';
  const hops = here ? '' : `, ${event.hops} ${id ? 'langkah' : event.hops === 1 ? 'hop' : 'hops'}`;
  return `${found} (${folder}${size}${hops}, ${took})\n  ${showable(event.cid)}`;
}
