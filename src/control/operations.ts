import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { Download, Hit, Holding, OverlayPort, Query, SearchEvent } from '../core/ports.ts';

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

export interface GetOptions {
  readonly overlay: OverlayPort;
  readonly openDownload: (holding: Holding) => Promise<Download>;
  readonly emit: Emit;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** ms between two reports of progress: ten a second look smooth and cost nothing. */
const PROGRESS_MS = 100;

/** Searches, then downloads the first hit that can be fetched: the seeds' `client(nama_file)`. */
export async function* getFile(query: Query, options: GetOptions): AsyncGenerator<GetEvent> {
  const { overlay, emit, now, signal } = options;
  const started = now();
  const hits: Hit[] = [];
  const how = {
    ...(options.timeoutMs === undefined ? {} : { timeoutMs: options.timeoutMs }),
    ...(signal === undefined ? {} : { signal }),
  };
  for await (const event of overlay.search(query, how)) {
    if (event.type === 'hit') hits.push(event);
    yield event;
    if (event.type === 'verdict' && event.verdict !== 'found') return;
  }
  let failure: KelanaError | null = null;
  for (const hit of hits) {
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

async function* download(hit: Hit, options: GetOptions, started: number): AsyncGenerator<GetEvent> {
  const { overlay, emit, now, signal } = options;
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
      local: hit.hops === 0,
    };
  } finally {
    // After finish() this does nothing; after a failure or a reader that left, it removes the temporary file.
    await target.abort();
  }
}
