import { QUEUE } from '../core/config.ts';
import { asKelanaError, KelanaError, type ErrorCode } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { Holding, Provider } from '../core/ports.ts';
import type { DownloadsPort, QueuePort, Transfer } from '../core/transfer/ports.ts';
import type { Random } from '../core/random.ts';
import { DISCARD } from './options.ts';
import type { TransferStore } from './store.ts';
import { selectionOf } from './wanted.ts';

export interface QueueOptions {
  readonly store: TransferStore;
  readonly downloads: DownloadsPort;
  /** Removes what was fetched of a file that no download holds open. */
  readonly discard: (file: Holding) => Promise<void>;
  /** ms since the Unix epoch: waits outlive the process. */
  readonly wall: () => number;
  readonly random: Random;
  readonly emit: Emit;
  /** Label of the node, for the log. */
  readonly who: string;
}

interface Running {
  readonly stop: AbortController;
  readonly work: Promise<void>;
}

const STOPPED = new KelanaError('INTERRUPTED', { command: 'transfers' });
/** ms: the longest sleep; a clock that was set is noticed after it. */
const MAX_SLEEP_MS = 60_000;

/**
 * The downloads that a node does by itself: what was asked for is on disk before it is promised, runs up to
 * `QUEUE.concurrent` at once by priority, and is tried again until it is there, a person stops it, or it makes no sense.
 */
export class TransferQueue implements QueuePort {
  readonly #options: QueueOptions;
  readonly #all = new Map<number, Transfer>();
  readonly #running = new Map<number, Running>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** Takes up what the last process left, however it ended. @throws KelanaError DATABASE */
  constructor(options: QueueOptions) {
    this.#options = options;
    for (const transfer of options.store.load())
      this.#all.set(transfer.id, transfer.state === 'running' ? { ...transfer, state: 'queued' } : transfer);
    this.#pump();
  }

  list(): readonly Transfer[] {
    return [...this.#all.values()];
  }

  add(file: Holding, providers: readonly Provider[], only: readonly string[] = []): Transfer {
    const wanted = selectionOf(only);
    const known = this.list().find((one) => one.cid === file.cid && selectionOf(one.only) === wanted);
    if (known !== undefined) {
      const more = providers.filter(({ peer }) => known.providers.every((one) => one.peer !== peer));
      const kept = [...providers, ...known.providers].slice(0, QUEUE.maxProviders);
      const changed = more.length === 0 ? known : this.#set(known, { providers: kept });
      if (changed.state === 'running' || changed.state === 'queued') return changed;
      return this.#again(changed);
    }
    this.#prune();
    if (this.#all.size >= QUEUE.maxTransfers)
      throw new KelanaError('BUSY', { most: QUEUE.maxTransfers, what: 'transfers' });
    const now = this.#options.wall();
    const { name, size, cid } = file;
    const transfer = this.#options.store.insert({
      name,
      size,
      cid,
      kind: file.kind ?? 'file',
      only,
      priority: QUEUE.priority,
      state: 'queued',
      retryAt: null,
      tries: 0,
      error: null,
      providers: providers.slice(0, QUEUE.maxProviders),
      addedAt: now,
      progressAt: now,
      bytes: 0,
      wanted: only.length === 0 ? size : null,
      path: null,
    });
    this.#all.set(transfer.id, transfer);
    this.#pump();
    return this.#find(transfer.id);
  }

  pause(id: number): Transfer {
    const transfer = this.#find(id);
    if (transfer.state === 'done' || transfer.state === 'failed') return transfer;
    const paused = this.#set(transfer, { state: 'paused', retryAt: null });
    this.#running.get(id)?.stop.abort(STOPPED);
    return paused;
  }

  resume(id: number): Transfer {
    const transfer = this.#find(id);
    if (transfer.state === 'done' || transfer.state === 'running') return transfer;
    return this.#again(transfer);
  }

  async cancel(id: number): Promise<void> {
    const transfer = this.#find(id);
    this.#options.store.remove(id);
    this.#all.delete(id);
    const shared = this.#shares(transfer.cid);
    const running = this.#running.get(id);
    if (shared && transfer.state !== 'done') this.#options.store.leave(transfer.cid);
    running?.stop.abort(shared ? STOPPED : DISCARD);
    await running?.work;
    if (transfer.state !== 'done') await this.#discard(transfer);
  }

  /** Other files of the same folder may be on their way, into the same part, or wait to go on with it. */
  #shares(folder: string): boolean {
    return this.list().some(({ cid, state }) => cid === folder && state !== 'done');
  }

  /** Removes what was fetched, unless another transfer has its files there too: then with the last of them. */
  async #discard(transfer: Transfer): Promise<void> {
    if (this.#shares(transfer.cid)) return;
    await this.#options.discard(transfer);
    this.#options.store.left(transfer.cid);
  }

  /** One has ended: what was cancelled of the same folder may go now. Never rejects. */
  async #tidy(ended: Transfer): Promise<void> {
    try {
      if (this.#options.store.leaves(ended.cid)) await this.#discard(ended);
    } catch (thrown) {
      this.#tell(asKelanaError(thrown));
    }
  }

  /** This peer is there again: what waits for it is tried now, where it is now. Never throws. */
  heard(provider: Provider): void {
    if (this.#closed) return;
    let woken = false;
    for (const transfer of this.list()) {
      const { state, error, providers } = transfer;
      const mine = providers.some(({ peer }) => peer === provider.peer);
      if (state !== 'waiting' || !mine || (error !== null && !AWAY.has(error.code))) continue;
      const others = providers.filter(({ peer }) => peer !== provider.peer);
      // Not saved: a start of the run does that, and a restart tries it again in any case.
      this.#all.set(transfer.id, { ...transfer, retryAt: null, providers: [provider, ...others] });
      woken = true;
    }
    if (woken) this.#pump();
  }

  prioritise(id: number, priority: number): Transfer {
    const changed = this.#set(this.#find(id), { priority });
    this.#pump();
    return changed;
  }

  /** Stops all that runs; it goes on with the next process. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { stop } of this.#running.values()) stop.abort(STOPPED);
    await Promise.all([...this.#running.values()].map(({ work }) => work));
    this.#options.store.close();
  }

  #find(id: number): Transfer {
    const transfer = this.#all.get(id);
    if (transfer === undefined) throw new KelanaError('NO_TRANSFER', { id });
    return transfer;
  }

  #set(transfer: Transfer, change: Partial<Transfer>): Transfer {
    const changed = { ...transfer, ...change };
    this.#options.store.save(changed);
    this.#all.set(changed.id, changed);
    return changed;
  }

  /** Only for people, so a disk that does not take it stops no download: it is told at the next change of state. */
  #remember(transfer: Transfer): void {
    try {
      this.#options.store.save(transfer);
    } catch {
      // See above.
    }
  }

  #again(transfer: Transfer): Transfer {
    const progressAt = this.#options.wall();
    this.#set(transfer, { state: 'queued', retryAt: null, tries: 0, error: null, progressAt, path: null });
    this.#pump();
    return this.#find(transfer.id);
  }

  /** Starts what is due, and sleeps until the next is. */
  #pump(): void {
    if (this.#closed) return;
    const now = this.#options.wall();
    const due = this.list()
      .filter(({ state, retryAt }) => state === 'queued' || (state === 'waiting' && dueBy(retryAt, now)))
      // One that was stopped a moment ago still holds its file.
      .filter(({ id }) => !this.#running.has(id))
      .sort((one, other) => other.priority - one.priority || one.id - other.id);
    for (const transfer of due) {
      if (this.#running.size >= QUEUE.concurrent) break;
      this.#start(transfer);
    }
    clearTimeout(this.#timer);
    const next = Math.min(
      ...this.list().flatMap(({ state, retryAt }) => (state === 'waiting' ? [(retryAt ?? now) - now] : [])),
    );
    if (next === Infinity || this.#running.size >= QUEUE.concurrent) return;
    this.#timer = setTimeout(() => this.#pump(), Math.max(1, Math.min(next, MAX_SLEEP_MS)));
    this.#timer.unref();
  }

  #start(transfer: Transfer): void {
    const stop = new AbortController();
    const work = this.#run(transfer.id, stop.signal).finally(() => {
      this.#running.delete(transfer.id);
      this.#pump();
    });
    this.#running.set(transfer.id, { stop, work });
  }

  /** Never rejects: what goes wrong with the disk of the queue itself is told, and the next change is tried again. */
  async #run(id: number, signal: AbortSignal): Promise<void> {
    const { downloads, wall, emit, who } = this.#options;
    const started = wall();
    const before = this.#find(id);
    let first: number | null = null;
    let savedAt = started;
    try {
      this.#set(before, { state: 'running', retryAt: null });
      for await (const event of downloads.fetch(before, before.providers, signal, before.only)) {
        const now = this.#all.get(id);
        if (now === undefined) continue;
        if (event.type === 'progress') {
          // Not looked at yet: what was known before is still the best guess.
          if (event.bytes === 0 && now.bytes > 0) continue;
          first ??= event.bytes;
          const progressAt = event.bytes > now.bytes ? wall() : now.progressAt;
          const changed = { ...now, bytes: event.bytes, wanted: event.size, progressAt };
          this.#all.set(id, changed);
          if (Math.abs(wall() - savedAt) < QUEUE.saveMs) continue;
          savedAt = wall();
          this.#remember(changed);
          continue;
        }
        const { path, from, size: bytes, fetched } = event;
        const ended = { path, bytes, wanted: bytes, progressAt: wall() };
        this.#set(now, { state: 'done', error: null, tries: 0, ...ended });
        // All was there: nobody gave anything, and a log that says so would name nobody.
        if (from.length === 0) continue;
        const seconds = Math.max((wall() - started) / 1000, 1e-3);
        const givers = from.map(({ provider }) => provider.label).join(', ');
        emit({ type: 'file.downloaded', who, from: givers, name: before.name, path, bytes });
        emit({ type: 'total', who, seconds, bytes: fetched, bytesPerSecond: fetched / seconds });
      }
      await this.#tidy(before);
    } catch (thrown) {
      const now = this.#all.get(id);
      if (now === undefined) return;
      try {
        // Whoever stopped it said what it is now; only its progress is news.
        if (signal.aborted) this.#set(now, {});
        else this.#failed(now, asKelanaError(thrown), first !== null && now.bytes > first);
      } catch (broken) {
        this.#tell(asKelanaError(broken));
        const retryAt = wall() + QUEUE.maxRetryMs;
        if (!signal.aborted) this.#all.set(id, { ...now, state: 'waiting', retryAt });
      }
    }
  }

  #failed(transfer: Transfer, error: KelanaError, gained: boolean): void {
    this.#tell(error);
    const { wall, random } = this.#options;
    const tries = gained ? 0 : transfer.tries + 1;
    const reason = { code: error.code, params: error.params };
    const late = wall() - transfer.progressAt > QUEUE.giveUpMs;
    if (!worthAgain(error) || late) {
      this.#set(transfer, { state: 'failed', error: reason, tries });
      return;
    }
    const wait = Math.min(QUEUE.retryMs * 2 ** Math.max(0, tries - 1), QUEUE.maxRetryMs);
    const retryAt = wall() + wait * (1 + QUEUE.retryJitter * (2 * random() - 1));
    this.#set(transfer, { state: 'waiting', error: reason, tries, retryAt });
  }

  #tell({ code, message: detail, params }: KelanaError): void {
    this.#options.emit({ type: 'error', who: this.#options.who, code, detail, params });
  }

  /** Forgets the oldest of those that ended. */
  #prune(): void {
    const ended = this.list().filter(({ state }) => state === 'done' || state === 'failed');
    for (const transfer of ended.slice(0, Math.max(0, ended.length - QUEUE.maxFinished + 1))) {
      this.#options.store.remove(transfer.id);
      this.#all.delete(transfer.id);
      void this.#tidy(transfer);
    }
  }
}

/** What is over when a peer links again: it was away, or had nothing to give. */
const AWAY: ReadonlySet<ErrorCode> = new Set(['PEER_UNREACHABLE', 'TRANSFER_FAILED', 'TIMEOUT']);

/** A clock that was set back must not make a wait longer than any there is. */
function dueBy(retryAt: number | null, now: number): boolean {
  return retryAt === null || retryAt <= now || retryAt - now > 2 * QUEUE.maxRetryMs;
}

/** Peers come and go, full disks are emptied, and a file that was renamed or touched is the same one a moment later. */
function worthAgain(error: KelanaError): boolean {
  return error.row.retryable || error.row.source === 'peer';
}
