import { SWARM, TOGETHER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Holding, Provider } from '../core/ports.ts';
import type { DownloadEvent, DownloadsPort } from '../core/transfer/ports.ts';
import { Ahead, type BeginAhead } from './ahead.ts';
import { FolderSwarm } from './folder-swarm.ts';
import type { Fetched, FolderOptions, SwarmOptions } from './options.ts';
import { Swarm } from './swarm.ts';
import { selectionOf } from './wanted.ts';

/** ms between two reports of progress: ten a second look smooth and cost nothing. */
const PROGRESS_MS = 100;

interface Run {
  swarm: Swarm | FolderSwarm;
  /** Bytes that came by an earlier swarm of this run. */
  earlier: number;
  /** All that were named, for another swarm. */
  readonly providers: Provider[];
  readonly result: Promise<Fetched>;
  readonly stop: AbortController;
  /** What of it is fetched, as `selectionOf`. */
  readonly selection: string;
  waiting: number;
}

/** What all downloads of a node have in common. */
export interface DownloadHow extends Omit<SwarmOptions & FolderOptions, 'file' | 'signal' | 'only'> {
  /** For files of one block; by default nothing is begun ahead. */
  readonly ahead?: BeginAhead;
}

/** One swarm a file, for all who wait for it: two commands must not write the same file side by side. */
export class Downloads implements DownloadsPort {
  readonly #how: DownloadHow;
  readonly #runs = new Map<string, Run>();
  readonly #ahead: Ahead;

  constructor(how: DownloadHow) {
    this.#ahead = new Ahead(how.ahead);
    const { incoming } = how;
    this.#how = {
      ...how,
      incoming: async (file, layout, signal) =>
        (await this.#ahead.take(file)) ?? (await incoming(file, layout, signal)),
    };
  }

  expect(file: Holding): () => Promise<void> {
    const { cid } = file;
    // One that is under way has its part, and nobody else may.
    if (file.kind === 'folder' || this.#runs.has(cid)) return () => Promise.resolve();
    this.#ahead.begin(file);
    return () => this.#ahead.drop(cid);
  }

  async *fetch(
    file: Holding,
    providers: readonly Provider[],
    signal: AbortSignal,
    only: readonly string[] = [],
  ): AsyncGenerator<DownloadEvent, void, undefined> {
    signal.throwIfAborted();
    const run = await this.#runFor(file, providers, signal, only);
    const { result } = run;
    const end: { ended: Ended } = { ended: null };
    let told = -1;
    // Who joins a download is told what came for it, and not what came before.
    const before = run.earlier + run.swarm.progress.fetched;
    // One reaction for the whole of a long download, where a race in the loop would leave one behind each time.
    let wake = (): void => undefined;
    result
      .then(
        (fetched) => (end.ended = { fetched }),
        (error: unknown) => (end.ended = { error }),
      )
      .finally(() => wake());
    const abort = (): void => wake();
    signal.addEventListener('abort', abort, { once: true });
    try {
      for (;;) {
        if (end.ended === null) await sleep((resolve) => (wake = resolve));
        signal.throwIfAborted();
        const { ended } = end;
        const { bytes, from, size, fetched: all } = run.swarm.progress;
        const fetched = run.earlier + all - before;
        if (ended !== null && 'fetched' in ended) {
          yield { type: 'saved', ...ended.fetched, size: size ?? bytes, fetched };
          return;
        }
        if (bytes === told || size === null) {
          // Whoever hears of a failure has heard before how much there is.
          if (ended !== null) throw ended.error;
          continue;
        }
        told = bytes;
        yield { type: 'progress', bytes, size, fetched, from };
      }
    } finally {
      signal.removeEventListener('abort', abort);
      run.waiting -= 1;
      if (run.waiting === 0) {
        if (this.#runs.get(file.cid) === run) run.stop.abort(signal.aborted ? signal.reason : LEFT);
        await result.catch(() => undefined);
      }
    }
  }

  /** This peer is linked again: downloads that lost it go on with it now. */
  linked(provider: Provider): void {
    for (const { swarm } of this.#runs.values()) swarm.linked(provider);
  }

  /** Another node fetches this file too, and gives what it has by then. */
  told(cid: string, provider: Provider): void {
    for (const { swarm } of this.#runs.values()) swarm.told(cid, [provider]);
  }

  /**
   * The run of that file, or of that part of a folder; one that is being stopped, or fetches another part, is waited for,
   * as it holds the file.
   */
  async #runFor(
    file: Holding,
    providers: readonly Provider[],
    signal: AbortSignal,
    only: readonly string[],
  ): Promise<Run> {
    const selection = file.kind === 'folder' ? selectionOf(only) : '';
    for (;;) {
      const known = this.#runs.get(file.cid);
      if (known === undefined) break;
      if (!known.stop.signal.aborted && known.selection === selection) {
        known.waiting += 1;
        known.swarm.add(providers);
        for (const one of providers) if (known.providers.length < SWARM.maxKnown) known.providers.push(one);
        return known;
      }
      await endOf(known.result, signal);
      signal.throwIfAborted();
    }
    const stop = new AbortController();
    const together = this.#how.together === true && file.size >= TOGETHER.fromBytes;
    const how = { ...this.#how, together, file, signal: stop.signal };
    const begin = (): Swarm | FolderSwarm =>
      file.kind === 'folder' ? new FolderSwarm({ ...how, only }) : new Swarm(how);
    const swarm = begin();
    swarm.add(providers);
    const result = swarm
      .run()
      .catch(async (thrown: unknown) => {
        if (!(swarm instanceof FolderSwarm) || !isGone(thrown)) throw thrown;
        run.earlier = swarm.progress.fetched;
        run.swarm = begin();
        run.swarm.add(run.providers);
        const { path, from } = await run.swarm.run();
        return { path, from: joined(swarm.gave, from) };
      })
      .finally(() => this.#runs.delete(file.cid));
    result.catch(() => undefined);
    const run: Run = { swarm, earlier: 0, providers: [...providers], result, stop, selection, waiting: 1 };
    this.#runs.set(file.cid, run);
    return run;
  }
}

const LEFT = new KelanaError('INTERRUPTED', { command: 'get' });

/** What was on the disk before was changed while the rest came: once more, for what is missing now. */
function isGone(thrown: unknown): boolean {
  return thrown instanceof KelanaError && thrown.params['refusal'] === 'gone';
}

function joined(one: Fetched['from'], other: Fetched['from']): Fetched['from'] {
  const all = new Map(one.map((gave) => [gave.provider.peer, gave]));
  for (const { provider, bytes } of other)
    all.set(provider.peer, { provider, bytes: bytes + (all.get(provider.peer)?.bytes ?? 0) });
  return [...all.values()].toSorted((a, b) => b.bytes - a.bytes);
}

type Ended = { readonly fetched: Fetched } | { readonly error: unknown } | null;

/** Until it has ended, however it did, or `signal` is aborted. */
function endOf(result: Promise<Fetched>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done, { once: true });
    result.then(done, done);
  });
}

/** Until the next report is due, or `wake` is called. */
function sleep(onWake: (wake: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, PROGRESS_MS);
    onWake(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}
