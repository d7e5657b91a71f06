import { asKelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type {
  GetHow,
  Holding,
  IpfsFile,
  IpfsPort,
  Query,
  SearchEvent,
  StreamedDownload,
} from '../core/ports.ts';
import { matches } from '../core/search/query.ts';
import type { GetEvent } from './operations.ts';

/** What `get` needs to fetch from IPFS nodes. */
export interface IpfsSource {
  readonly port: IpfsPort;
  readonly open: (file: Holding) => Promise<StreamedDownload>;
}

export interface IpfsGetOptions extends GetHow {
  readonly source: IpfsSource;
  readonly who: string;
  readonly emit: Emit;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** When `get` began, by `now`. */
  readonly started: number;
}

type VerdictEvent = Extract<SearchEvent, { type: 'verdict' }>;

/** ms between two reports of progress, as of other downloads. */
const PROGRESS_MS = 100;

/**
 * After a search among kelana nodes that did not find a CID: asks IPFS nodes, and fetches from the first that has it. In
 * the end there is one verdict for both: `absent` only where the search proved it and every IPFS node that was asked
 * said so too; who did not answer is missing, and the verdict `incomplete`.
 */
export async function* fromIpfs(
  query: Query,
  verdict: VerdictEvent,
  options: IpfsGetOptions,
): AsyncGenerator<GetEvent> {
  if (query.kind !== 'cid') {
    yield verdict;
    return;
  }
  const { source, ipfs = [], signal, now, started } = options;
  const answer = await source.port.find(query.cid, ipfs, signal);
  try {
    const { file, missing, error } = answer;
    const also = answer.asked === 0 ? {} : { ipfs: answer.asked };
    const both = { ...verdict, ...also, elapsedMs: now() - started };
    if (file !== null && matches(query, file)) {
      const { name, size, cid, provider } = file;
      yield {
        type: 'hit',
        name,
        size,
        cid,
        hops: 1,
        score: 1,
        providers: [provider],
        elapsedMs: both.elapsedMs,
      };
      yield { ...both, verdict: 'found', ground: 'found', missing: [] };
      yield* download(file, options);
    } else if (error !== null) yield { type: 'failed', error };
    else if (missing.length === 0) yield both;
    else {
      const ground = verdict.verdict === 'incomplete' ? verdict.ground : 'lost';
      yield { ...both, verdict: 'incomplete', ground, missing: [...verdict.missing, ...missing] };
    }
  } finally {
    await answer.close();
  }
}

async function* download(file: IpfsFile, options: IpfsGetOptions): AsyncGenerator<GetEvent> {
  const { source, who, emit, now, started, signal } = options;
  const { name, size, cid, provider } = file;
  const from = provider.label;
  let target: StreamedDownload | null = null;
  try {
    target = await source.open({ name, size, cid });
    let bytes = 0;
    let reported = now();
    for await (const piece of file.bytes()) {
      await target.write(piece);
      bytes += piece.length;
      if (now() - reported < PROGRESS_MS) continue;
      reported = now();
      yield { type: 'progress', bytes, size, name, from };
    }
    const path = await target.finish();
    const seconds = Math.max((now() - started) / 1000, 1e-6);
    const bytesPerSecond = bytes / seconds;
    emit({ type: 'file.downloaded', who, from, name, path, bytes });
    emit({ type: 'total', who, seconds, bytes, bytesPerSecond });
    const fetched = bytes;
    yield { type: 'saved', path, name, cid, bytes, fetched, from, seconds, bytesPerSecond, local: false };
  } catch (thrown) {
    signal?.throwIfAborted();
    const error = asKelanaError(thrown);
    const { code, message: detail, params } = error;
    emit({ type: 'error', who, code, detail, params });
    yield { type: 'failed', error };
  } finally {
    await target?.abort();
  }
}
