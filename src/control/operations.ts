import { setTimeout as sleep } from 'node:timers/promises';
import { SEARCH } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type {
  GetHow,
  Holding,
  OverlayPort,
  Provider,
  Query,
  SearchEvent,
  SearchOptions,
} from '../core/ports.ts';
import type { DownloadsPort, Transfer } from '../core/transfer/ports.ts';
import { formatBytes } from '../core/load/format.ts';
import { shownName } from '../core/names.ts';
import { liesIn, SCORE_STEP, textOf } from '../core/search/query.ts';
import { Early } from './early.ts';
import { fromIpfs, type IpfsSource } from './ipfs.ts';

/** What `get` reports while it works; the last event is `saved`, `queued`, `verdict` (not found) or `failed`. */
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
      /** Of what was asked for: of a folder the files that are wanted. */
      readonly bytes: number;
      /** Those of them that crossed the network now; the others were on the disk. */
      readonly fetched: number;
      /** Labels of those who gave it; '' where all was there. */
      readonly from: string;
      readonly seconds: number;
      /** Of `fetched`. */
      readonly bytesPerSecond: number;
      /** True where this node had the file already and nothing crossed the network. */
      readonly local: boolean;
    }
  /** The node fetches it by itself: `kelana transfers` shows how it goes on. */
  | { readonly type: 'queued'; readonly transfer: Transfer }
  | { readonly type: 'failed'; readonly error: KelanaError };

export interface GetOptions extends GetHow {
  readonly overlay: Pick<OverlayPort, 'peerId' | 'label' | 'search'>;
  readonly downloads: DownloadsPort;
  /** Takes the file that was found, in place of fetching it now. */
  readonly queue?: (file: Holding, providers: readonly Provider[]) => Transfer;
  /** Where a CID is looked for that no kelana node has. */
  readonly ipfsSource?: IpfsSource;
  readonly emit: Emit;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Resolves after so many ms; by default the clock's. */
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<void>;
}

/** A file that was found, with everybody who has it. */
interface Found {
  readonly score: number;
  readonly file: Holding;
  readonly providers: Provider[];
}

/**
 * Searches, then downloads from all holders that were found: the seeds' `client(nama_file)`. A name or CID means one
 * file, so its first holder ends the search, and others are looked for while it comes; words and patterns are searched
 * whole, and where several files answer equally well none is fetched (AMBIGUOUS). A file that was replaced between the
 * two is searched for once more.
 */
export async function* getFile(query: Query, options: GetOptions): AsyncGenerator<GetEvent> {
  const { wait = delay, signal, downloads, queue, only = [] } = options;
  // Where one file is meant and fetched now, who says to have it most likely does.
  const exact = (query.kind === 'name' || query.kind === 'cid') && only.length === 0;
  const early = exact && queue === undefined ? new Early(downloads, signal) : null;
  try {
    let gone = false;
    for await (const event of getOnce(query, options, early)) {
      gone = event.type === 'failed' && query.kind !== 'cid' && isGone(event.error);
      if (!gone) yield event;
    }
    if (!gone) return;
    await wait(READ_MS, signal);
    yield* getOnce(query, options, early);
  } finally {
    await early?.end();
  }
}

/** What was found was another version a moment later, and nothing of it came. */
function isGone({ code, params }: KelanaError): boolean {
  return (code === 'SOURCE_CHANGED' || params['refusal'] === 'not-here') && !('kept' in params);
}

async function* getOnce(query: Query, options: GetOptions, early: Early | null): AsyncGenerator<GetEvent> {
  const { overlay, emit, now, signal, timeoutMs, strategy, trace } = options;
  const started = now();
  const exact = query.kind === 'name' || query.kind === 'cid';
  const chosen = (options.only ?? []).length > 0;
  const how: SearchOptions = {
    // Of one name there may be files before the folder that is looked for.
    want: options.want ?? (query.kind === 'cid' || (exact && !chosen) ? 1 : SEARCH.want),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(trace === undefined ? {} : { trace }),
    ...(early === null ? {} : { claimed: early.claimed }),
    // Only a CID means one file, whoever has it.
    ...(early === null || query.kind !== 'cid' || options.want !== undefined ? {} : { proved: early.proved }),
  };
  const files = new Map<string, Found>();
  for await (const event of whenRead(query, () => overlay.search(query, how), options)) {
    if (chosen && event.type === 'hit' && event.kind !== 'folder') continue;
    if (chosen && event.type === 'provider' && !files.has(event.cid)) continue;
    gather(files, event);
    if (event.type === 'verdict' && event.verdict !== 'found') {
      const { ipfsSource: source } = options;
      if (source === undefined || chosen) yield event;
      else yield* fromIpfs(query, event, { ...options, source, who: overlay.label, started });
      return;
    }
    yield event;
  }
  const ranked = [...files.values()].toSorted((one, other) => other.score - one.score);
  if (chosen && ranked.length === 0) {
    yield { type: 'failed', error: new KelanaError('NO_FOLDER_FOUND', { query: shownName(textOf(query)) }) };
    return;
  }
  const ambiguous = exact ? null : choiceOf(query, ranked);
  if (ambiguous !== null) {
    yield { type: 'failed', error: ambiguous };
    return;
  }
  let failure: KelanaError | null = null;
  for (const found of exact ? ranked : ranked.slice(0, 1)) {
    if (options.queue !== undefined) {
      yield { type: 'queued', transfer: options.queue(found.file, found.providers) };
      return;
    }
    try {
      yield* download(found, options, started, early);
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

/** Times that a search is repeated where somebody was just reading what it shares, and ms before each. */
const READ_AGAIN = 3;
const READ_MS = 700;

/**
 * A file that somebody copied into a shared folder a moment ago is there in another moment: where nothing else is missing
 * to a verdict, the search is repeated.
 */
async function* whenRead(
  query: Query,
  search: () => AsyncIterable<SearchEvent>,
  { signal, only = [], wait = delay }: GetOptions,
): AsyncGenerator<SearchEvent> {
  for (let again = READ_AGAIN; ; again -= 1) {
    let reading = false;
    let folders = false;
    let within = false;
    for await (const event of search()) {
      if (event.type === 'hit') {
        folders ||= event.kind === 'folder';
        within ||= query.kind === 'words' && liesIn(query.words, event);
      }
      // A folder has its CID a moment after its files.
      const early = !folders && (within || (only.length > 0 && again === READ_AGAIN));
      const found = event.type === 'verdict' && event.verdict === 'found';
      reading = again > 0 && event.type === 'verdict' && (event.ground === 'scanning' || (found && early));
      if (!reading) yield event;
    }
    if (!reading) return;
    await wait(READ_MS, signal);
  }
}

/** Resolves after so many ms. @throws what `signal` is aborted with */
async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  await sleep(ms, undefined, signal === undefined ? {} : { signal }).catch(() => signal?.throwIfAborted());
}

function gather(files: Map<string, Found>, event: SearchEvent): void {
  if (event.type === 'hit') {
    const { name, size, cid, kind, files: count, score } = event;
    const file = {
      name,
      size,
      cid,
      ...(kind === undefined ? {} : { kind }),
      ...(count === undefined ? {} : { files: count }),
    };
    files.set(cid, { score, file, providers: [...event.providers] });
  } else if (event.type === 'provider') files.get(event.cid)?.providers.push(event.provider);
}

/** Files that are named in the error at most; the rest is counted. */
const MAX_NAMED = 5;

/** Why the best of several files is none to choose without a person, or null where it is. */
function choiceOf(query: Query, ranked: readonly Found[]): KelanaError | null {
  const best = ranked[0]?.score ?? 0;
  const equal = ranked.filter(({ score }) => best - score < SCORE_STEP).map(({ file }) => file);
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

async function* download(
  { file, providers }: Found,
  options: GetOptions,
  started: number,
  early: Early | null,
): AsyncGenerator<GetEvent> {
  const { overlay, emit, now, signal = new AbortController().signal } = options;
  const { name, cid } = file;
  const first = providers[0]?.label ?? '';
  let kept = { bytes: 0, size: 0 };
  try {
    const begun = early?.take(cid, providers) ?? null;
    for await (const event of begun ?? options.downloads.fetch(file, providers, signal, options.only)) {
      if (event.type === 'progress') {
        kept = event;
        yield {
          type: 'progress',
          bytes: event.bytes,
          size: event.size,
          name,
          from: event.from?.label ?? first,
        };
        continue;
      }
      const { path, size: bytes } = event;
      const givers = event.from.map(({ provider }) => provider);
      // Nobody gave what was all there; only an empty file comes from somebody without a byte.
      const there = givers.length === 0 && bytes > 0;
      const from = there ? '' : labelsOf(givers) || first;
      const seconds = Math.max((now() - started) / 1000, 1e-6);
      const local = there || (givers.length > 0 && givers.every(({ peer }) => peer === overlay.peerId));
      const fetched = local ? 0 : event.fetched;
      const bytesPerSecond = fetched / seconds;
      if (!there) {
        emit({ type: 'file.downloaded', who: overlay.label, from, name, path, bytes });
        emit({ type: 'total', who: overlay.label, seconds, bytes: fetched, bytesPerSecond });
      }
      yield { type: 'saved', path, name, cid, bytes, fetched, from, seconds, bytesPerSecond, local };
    }
  } catch (thrown) {
    signal.throwIfAborted();
    throw kept.bytes === 0 ? thrown : resumable(asKelanaError(thrown), kept, againText(cid, options.only));
  }
}

/** What stands after `kelana get` to go on with it. By its CID: the name may mean another file by then. */
export function againText(cid: string, only: readonly string[] = []): string {
  return [cid, ...only.map((pattern) => `--only '${shownName(pattern)}'`)].join(' ');
}

/** The same error, which also says what is kept and how to go on with it. */
function resumable(
  { code, params, cause }: KelanaError,
  { bytes, size }: { readonly bytes: number; readonly size: number },
  again: string,
): KelanaError {
  const text = (value: number) => ({ id: formatBytes(value, 'id'), en: formatBytes(value, 'en') });
  return new KelanaError(code, { ...params, kept: text(bytes), of: text(size), again }, cause);
}

/** Providers that are named at most; the rest is counted. */
const MAX_LABELS = 4;

function labelsOf(providers: readonly Provider[]): string {
  const named = providers.slice(0, MAX_LABELS).map(({ label }) => label);
  const more = providers.length - named.length;
  return named.join(', ') + (more > 0 ? ` (+${more})` : '');
}
