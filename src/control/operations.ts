import { SEARCH } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type {
  Download,
  Hit,
  Holding,
  OverlayPort,
  Query,
  SearchEvent,
  SearchOptions,
} from '../core/ports.ts';
import { shownName } from '../core/names.ts';
import { SCORE_STEP, textOf } from '../core/search/query.ts';

/** What `get` reports while it works; the last event is `saved`, `verdict` (not found) or `failed`. */
export type GetEvent =
  | SearchEvent
  | {
      readonly type: 'progress';
      readonly bytes: number;
      readonly size: number;
      readonly name: string;
      readonly from: string;
    }
  | {
      readonly type: 'saved';
      readonly path: string;
      readonly name: string;
      readonly cid: string;
      readonly bytes: number;
      readonly from: string;
      readonly seconds: number;
      readonly bytesPerSecond: number;
      /** True where this node had the file already and nothing crossed the network. */
      readonly local: boolean;
    }
  | { readonly type: 'failed'; readonly error: KelanaError };

export interface GetOptions extends SearchOptions {
  readonly overlay: OverlayPort;
  readonly openDownload: (holding: Holding) => Promise<Download>;
  readonly emit: Emit;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
}

/** ms between two reports of progress: ten a second look smooth and cost nothing. */
const PROGRESS_MS = 100;

/** A file that was found, with everybody who has it. */
interface Found {
  readonly score: number;
  readonly hits: Hit[];
}

/**
 * Searches, then downloads from the first holder that can give the file: the seeds' `client(nama_file)`. A name or
 * CID means one file, so its first holder ends the search; words and patterns are searched whole, and where several
 * files answer equally well none is fetched (AMBIGUOUS).
 */
export async function* getFile(query: Query, options: GetOptions): AsyncGenerator<GetEvent> {
  const { overlay, emit, now, signal, timeoutMs, strategy, trace } = options;
  const started = now();
  const exact = query.kind === 'name' || query.kind === 'cid';
  const how: SearchOptions = {
    want: options.want ?? (exact ? 1 : SEARCH.want),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(trace === undefined ? {} : { trace }),
  };
  const files = new Map<string, Found>();
  for await (const event of overlay.search(query, how)) {
    gather(files, event);
    yield event;
    if (event.type === 'verdict' && event.verdict !== 'found') return;
  }
  const ranked = [...files.values()].toSorted((one, other) => other.score - one.score);
  const ambiguous = exact ? null : choiceOf(query, ranked);
  if (ambiguous !== null) {
    yield { type: 'failed', error: ambiguous };
    return;
  }
  let failure: KelanaError | null = null;
  for (const hit of (exact ? ranked : ranked.slice(0, 1)).flatMap(({ hits }) => hits)) {
    try {
      yield* download(hit, options, started);
      return;
    } catch (thrown) {
      signal?.throwIfAborted();
      failure = asKelanaError(thrown);
      const { code, message: detail, params } = failure;
      emit({ type: 'error', who: overlay.label, code, detail, params });
    }
  }
  yield { type: 'failed', error: failure ?? new KelanaError('TRANSFER_FAILED', { name: '', why: 'no hit' }) };
}

function gather(files: Map<string, Found>, event: SearchEvent): void {
  if (event.type === 'hit') {
    const { name, size, cid, kind, score, hops } = event;
    const file = { name, size, cid, hops, ...(kind === undefined ? {} : { kind }) };
    files.set(cid, { score, hits: event.providers.map((one) => ({ ...file, ...one })) });
  } else if (event.type === 'provider') {
    const first = files.get(event.cid)?.hits[0];
    if (first !== undefined)
      files.get(event.cid)?.hits.push({ ...first, ...event.provider, hops: event.hops });
  }
}

/** Files that are named in the error at most; the rest is counted. */
const MAX_NAMED = 5;

/** Why the best of several files is none to choose without a person, or null where it is. */
function choiceOf(query: Query, ranked: readonly Found[]): KelanaError | null {
  const best = ranked[0]?.score ?? 0;
  const equal = ranked
    .filter(({ score }) => best - score < SCORE_STEP)
    .flatMap(({ hits: [hit] }) => hit ?? []);
  const [first] = equal;
  if (first === undefined || equal.length === 1) return null;
  const named = equal.slice(0, MAX_NAMED).map(({ name, cid }) => `'${shownName(name)}' (${cid})`);
  const list = named.join(', ') + (equal.length > MAX_NAMED ? ', …' : '');
  return new KelanaError('AMBIGUOUS', {
    query: shownName(textOf(query)),
    count: equal.length,
    list,
    cid: first.cid,
  });
}

async function* download(hit: Hit, options: GetOptions, started: number): AsyncGenerator<GetEvent> {
  const { overlay, emit, now, signal } = options;
  if (hit.kind === 'folder') {
    const why = {
      id: 'itu folder, dan yang bisa diunduh hanya berkas',
      en: 'it is a folder, and only files can be downloaded',
    };
    throw new KelanaError('TRANSFER_FAILED', { name: shownName(hit.name), why });
  }
  const target = await options.openDownload({ name: hit.name, size: hit.size, cid: hit.cid });
  let bytes = 0;
  let index = 0;
  let reported = now();
  try {
    for await (const block of overlay.fetch(hit, undefined, signal)) {
      await target.write(index, block);
      index += 1;
      bytes += block.length;
      if (now() - reported >= PROGRESS_MS) {
        reported = now();
        yield { type: 'progress', bytes, size: hit.size, name: hit.name, from: hit.label };
      }
    }
    const path = await target.finish();
    const seconds = Math.max((now() - started) / 1000, 1e-6);
    const bytesPerSecond = bytes / seconds;
    emit({ type: 'file.downloaded', who: overlay.label, from: hit.label, name: hit.name, path, bytes });
    emit({ type: 'total', who: overlay.label, seconds, bytes, bytesPerSecond });
    yield {
      type: 'saved',
      path,
      name: hit.name,
      cid: hit.cid,
      bytes,
      from: hit.label,
      seconds,
      bytesPerSecond,
      local: hit.peer === overlay.peerId,
    };
  } finally {
    // After finish() this does nothing; after a failure or a reader that left, it removes the temporary file.
    await target.abort();
  }
}
