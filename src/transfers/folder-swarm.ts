import { hasBit } from '../core/bit-array.ts';
import { SWARM } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Provider } from '../core/ports.ts';
import type { BlockSession, IncomingFolder } from '../core/transfer/ports.ts';
import { listingSteps, type ListedFile } from '../core/transfer/listing.ts';
import { Candidates, type Candidate } from './candidates.ts';
import { Learning } from './learning.ts';
import { DISCARD, type Fetched, type FolderOptions, type FolderItem, type Progress } from './options.ts';
import { Pace } from './pace.ts';
import { named, nobodyHas, ofFolder, tooSlow } from './reasons.ts';
import { Rounds } from './rounds.ts';
import { bring, mayHave, Smalls, type Brought, type Small } from './smalls.ts';
import { inSteps } from './steps.ts';
import { Swarm } from './swarm.ts';
import { wantedOf } from './wanted.ts';

/** Batches of small files that one provider owes at once: one on the wire, one that follows it, one being written. */
const BATCHES = 3;

/** A provider that is open, and what it has of the listing. */
interface Open {
  readonly candidate: Candidate;
  readonly session: BlockSession;
  have: Uint8Array | null;
  /** Why it is of no use for now. */
  over: KelanaError | null;
  readonly pace: Pace;
  /** Of its batches so many wait for something to ask it for. */
  idle: number;
}

/**
 * Brings a folder from all who have it onto the disk: its listing, which is verified from the CID down; then its small
 * files, many to a batch, each batch from whichever provider is free first; then each larger one by a swarm of its own.
 * Used once. As long as it is on purpose: what may end the download, or take work from a provider, is decided here alone.
 */
export class FolderSwarm {
  readonly #options: FolderOptions;
  readonly #candidates = new Candidates();
  readonly #opens = new Map<string, Open>();
  readonly #paces = new Map<string, Pace>();
  readonly #rounds: Rounds;
  /** A search for more runs; null: there was none yet. */
  #searching: boolean | null = null;
  readonly #gave = new Map<string, { provider: Provider; bytes: number }>();
  readonly #stop = new AbortController();
  readonly #end = Promise.withResolvers<void>();
  readonly #running = new Set<Promise<void>>();
  readonly #learning = new Learning(() => this.#begun);
  #begun: Promise<void> | null = null;
  #items: readonly FolderItem[] = [];
  #folder: IncomingFolder | null = null;
  #smalls = new Smalls([], 0);
  /** Providers that are open, or being opened. */
  #drawing = 0;
  /** Files in the listing. */
  #count = 0;
  /** Resolves when files came back, or somebody has more. */
  #news = Promise.withResolvers<void>();
  #large: Promise<void> | null = null;
  /** Files of several blocks are still to come; and the swarm of the one that comes now. */
  #larging = false;
  #swarm: Swarm | null = null;
  #ended = false;
  #failure: KelanaError | null = null;
  #bytes = 0;
  #fetched = 0;
  /** Of the files that are wanted; null before the listing came. */
  #size: number | null;
  #last: Provider | null = null;
  #lastGood: number;

  constructor(options: FolderOptions) {
    this.#options = options;
    this.#lastGood = options.now();
    this.#size = options.only.length === 0 ? options.file.size : null;
    this.#rounds = new Rounds({
      file: options.file,
      together: options.together === true,
      told: (providers) => this.told(options.file.cid, providers),
      have: (peer, have) => this.#has(peer, have),
      failed: (peer, thrown) => this.#hasNone(peer, asKelanaError(thrown)),
      own: (work) => this.#own(work),
    });
  }

  get progress(): Progress {
    const fetched = this.#fetched + (this.#swarm?.progress.fetched ?? 0);
    return { bytes: this.#bytes, size: this.#size, fetched, from: this.#last };
  }

  /** Who gave how many bytes so far, most first. */
  get gave(): Fetched['from'] {
    return [...this.#gave.values()].toSorted((one, other) => other.bytes - one.bytes);
  }

  add(providers: readonly Provider[]): void {
    for (const provider of providers) this.#candidates.add(provider);
    this.#swarm?.add(providers);
    this.#openMore();
  }

  /** A provider that was lost may be back: it is tried at once. */
  linked(provider: Provider): void {
    this.#swarm?.linked(provider);
    if (!this.#ended && this.#candidates.linked(provider)) this.#openMore();
  }

  /** Others who fetch this folder or a file in it too, by hearsay. */
  told(cid: string, providers: readonly Provider[]): void {
    this.#swarm?.told(cid, providers);
    if (this.#options.together !== true || cid !== this.#options.file.cid) return;
    this.#candidates.addTold(providers);
    this.#openMore();
  }

  /** @throws as `Swarm.run` */
  async run(): Promise<Fetched> {
    const { signal, find, file } = this.#options;
    const abort = (): void => {
      this.#fail(asKelanaError(signal.reason));
    };
    signal.addEventListener('abort', abort, { once: true });
    const timer = setInterval(() => this.#tick(), SWARM.tickMs);
    try {
      if (signal.aborted) abort();
      if (find !== undefined && file.size >= SWARM.searchFromBytes) this.#own(this.#search());
      this.#settle();
      await this.#end.promise;
      const path = (await this.#folder?.finish()) ?? '';
      return { path, from: this.gave };
    } catch (thrown) {
      this.#fail(asKelanaError(thrown));
      await this.#leave();
      const fruitless = this.#bytes === 0 || signal.reason === DISCARD;
      await (fruitless ? this.#folder?.abort() : this.#folder?.suspend());
      throw signal.aborted ? signal.reason : thrown;
    } finally {
      clearInterval(timer);
      signal.removeEventListener('abort', abort);
      await this.#leave();
    }
  }

  #tick(): void {
    this.#rounds.tick(this.#options.now(), this.#count);
    this.#takeBack();
    this.#openMore();
    this.#settle();
  }

  /** From those that hold their files for too long, where somebody else is there for them. */
  #takeBack(): void {
    const at = this.#options.now();
    for (const one of this.#opens.values()) {
      if (one.over !== null) continue;
      const others = [...this.#opens.values()].filter((other) => other !== one && other.over === null);
      const { oldest } = one.pace;
      const late = others.some(
        ({ idle, pace, session, have }) =>
          idle > 0 && oldest.some((small) => mayHave(small, session.peer, have)) && one.pace.lags(pace, at),
      );
      const useful = others.length > 0 || this.#candidates.ready;
      if (!late && !(useful && one.pace.silent(at))) continue;
      one.over = tooSlow(this.#options.file, one.candidate.provider.label);
      one.session.abort('slow');
      this.#wake();
    }
  }

  #openMore(): void {
    while (!this.#ended && this.#drawing < SWARM.maxOpen) {
      const candidate = this.#candidates.next(this.#options.now());
      if (candidate === null) return;
      candidate.state = 'open';
      this.#drawing += 1;
      this.#own(this.#draw(candidate));
    }
  }

  /** Takes from one provider what there is to take, until nothing is left or it is of no use for now. Never rejects. */
  async #draw(candidate: Candidate): Promise<void> {
    const { open, onDropped, file, now } = this.#options;
    const { provider } = candidate;
    let session: BlockSession | null = null;
    const stop = (): void => session?.abort('stopped');
    this.#stop.signal.addEventListener('abort', stop, { once: true });
    try {
      const opened = await open(provider, this.#stop.signal);
      session = opened;
      this.#stop.signal.throwIfAborted();
      const asked = opened.have(file.cid);
      asked.catch(() => undefined);
      await this.#learning.learn(() => this.#learn(opened, provider.label), this.#stop.signal);
      const pace = this.#paces.get(provider.peer) ?? new Pace();
      this.#paces.set(provider.peer, pace);
      const one: Open = { candidate, session: opened, have: await asked, over: null, pace, idle: 0 };
      this.#opens.set(provider.peer, one);
      this.#rounds.joined(opened, one.have, now());
      await Promise.all(Array.from({ length: BATCHES }, () => this.#batches(one)));
      if (one.over !== null) throw one.over;
      candidate.state = 'out';
      candidate.error = null;
    } catch (thrown) {
      session?.abort('of no more use');
      if (this.#ended) return;
      const error = named(file, thrown);
      this.#failure = error;
      const { news, liar } = this.#candidates.lost(candidate, error, now());
      if (news) onDropped?.(provider, error, liar);
    } finally {
      this.#stop.signal.removeEventListener('abort', stop);
      this.#opens.delete(provider.peer);
      this.#rounds.left(provider.peer);
      this.#drawing -= 1;
      await session?.close();
      this.#openMore();
      this.#settle();
    }
  }

  async #learn(session: BlockSession, peer: string): Promise<void> {
    const { file, sha256 } = this.#options;
    const nodes = await session.manifest(file.cid);
    const { signal } = this.#stop;
    if (this.#begun === null) {
      const { files, folders } = await inSteps(listingSteps(file.cid, nodes, sha256, { peer }), signal);
      // Another one's may have been read meanwhile.
      this.#begun ??= this.#started(files, folders, nodes);
    }
    await this.#begun;
  }

  #started(
    files: readonly ListedFile[],
    folders: readonly string[],
    nodes: readonly Uint8Array[],
  ): Promise<void> {
    const begun = this.#begin(files, folders, nodes);
    this.#own(begun.catch((thrown: unknown) => void this.#fail(asKelanaError(thrown))));
    return begun;
  }

  async #begin(
    files: readonly ListedFile[],
    folders: readonly string[],
    nodes: readonly Uint8Array[],
  ): Promise<void> {
    const { file, only, incomingFolder, together = false, random, now } = this.#options;
    const { items, listed } = wantedOf(file.name, files, only);
    this.#items = items;
    if (only.length > 0) this.#size = items.reduce((sum, { size }) => sum + size, 0);
    this.#count = files.length;
    const whole = { entries: files, folders };
    const listing = { nodes, listed, count: files.length, folders: only.length === 0 ? folders : [], whole };
    const folder = await incomingFolder(file, this.#items, this.#stop.signal, listing);
    this.#folder = folder;
    const smalls: Small[] = [];
    for (const [index, { cid, size, digest }] of this.#items.entries()) {
      if (hasBit(folder.have, index)) this.#bytes += size;
      else if (digest !== null && folder.path === null)
        smalls.push({ index, listed: listed[index] ?? 0, cid, size, without: null });
    }
    this.#smalls = new Smalls(smalls, together ? Math.floor(random() * smalls.length) : 0);
    this.#lastGood = now();
    if (folder.path !== null || this.#ended) return;
    this.#larging = true;
    this.#large = this.#larger(folder);
  }

  /** Never rejects: why it ended early is in `over`. */
  async #batches(one: Open): Promise<void> {
    for (;;) {
      const folder = this.#folder;
      if (this.#ended || folder === null || one.over !== null) return;
      const batch = this.#smalls.take(one.session.peer, one.have);
      if (batch.length === 0) {
        const { left, free } = this.#smalls;
        // What others were asked for may come back, and who has a part gets more.
        if (left === 0 || (left === free && one.have === null)) return;
        one.idle += 1;
        await this.#news.promise;
        one.idle -= 1;
        continue;
      }
      const missing: Small[] = [];
      try {
        await this.#batch(one, folder, batch, missing);
      } catch (thrown) {
        one.over ??= asKelanaError(thrown);
        one.session.abort('of no more use');
      } finally {
        this.#smalls.done(batch, missing);
        this.#wake();
      }
    }
  }

  /** One slot full of files. What does not come is put to `missing`; throws where the provider is of no more use. */
  async #batch(
    { candidate, session, pace }: Open,
    folder: IncomingFolder,
    batch: readonly Small[],
    missing: Small[],
  ): Promise<void> {
    const { now } = this.#options;
    let brought: Brought;
    try {
      brought = await bring(session, folder, batch, {
        signal: this.#stop.signal,
        asked: () => pace.asked(batch, now()),
        came: () => pace.came(now()),
        ended: (whole) => pace.done(batch, now(), whole),
      });
    } catch (thrown) {
      missing.push(...batch);
      throw this.#fail(asKelanaError(thrown));
    }
    missing.push(...brought.missing);
    const { failed, wrong, came, bytes, broken } = brought;
    if (failed !== null) this.#failure = this.#about(failed.small, failed.error);
    if (came > 0) this.#came(candidate, bytes);
    if (wrong !== null) {
      const { path = '' } = this.#items[wrong.index] ?? {};
      throw new KelanaError('BAD_BLOCK', { peer: candidate.provider.label, index: 0, name: path });
    }
    if (broken !== null) throw broken;
  }

  /** The files of several blocks, one after the other, each from all who have the folder. Never rejects. */
  async #larger(folder: IncomingFolder): Promise<void> {
    for (const [index, { path, cid, size, digest }] of this.#items.entries()) {
      if (this.#ended) return;
      if (digest !== null || hasBit(folder.have, index)) continue;
      const swarm = new Swarm({
        ...this.#options,
        file: { name: path, cid, size },
        incoming: (_file, layout) => folder.file(index, layout),
        signal: this.#stop.signal,
      });
      this.#swarm = swarm;
      swarm.add([...this.#candidates.usable(), ...[...this.#gave.values()].map(({ provider }) => provider)]);
      const before = this.#bytes;
      let last = 0;
      const watch = setInterval(() => {
        const { bytes, from } = swarm.progress;
        this.#bytes = before + bytes;
        this.#last = from ?? this.#last;
        if (bytes > last) this.#lastGood = this.#options.now();
        last = bytes;
      }, SWARM.tickMs);
      try {
        const { from } = await swarm.run();
        this.#bytes = before + size;
        for (const { provider, bytes } of from) this.#gained(provider, bytes);
      } catch (thrown) {
        this.#fail(ofFolder({ name: path, cid, size }, thrown));
        return;
      } finally {
        clearInterval(watch);
        this.#swarm = null;
      }
    }
    this.#larging = false;
    this.#settle();
  }

  async #search(): Promise<void> {
    const { find, file } = this.#options;
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SWARM.searchMs)]);
    this.#searching = true;
    try {
      for await (const provider of find?.(file.cid, signal) ?? []) this.add([provider]);
    } catch {
      // Those who are known may be enough.
    }
    this.#searching = false;
    this.#settle();
  }

  #has(peer: string, have: Uint8Array | null): void {
    const one = this.#opens.get(peer);
    if (one === undefined) return;
    one.have = have;
    this.#wake();
  }

  /** It had a part, and gives nothing any more. */
  #hasNone(peer: string, error: KelanaError): void {
    const one = this.#opens.get(peer);
    if (one === undefined || error.params['refusal'] !== 'not-here') return;
    one.over ??= error;
    this.#wake();
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers();
  }

  #came(candidate: Candidate, bytes: number): void {
    const { provider } = candidate;
    candidate.gave += bytes;
    candidate.losses = 0;
    this.#lastGood = this.#options.now();
    this.#bytes += bytes;
    this.#last = provider;
    this.#gained(provider, bytes);
  }

  #gained(provider: Provider, bytes: number): void {
    const before = this.#gave.get(provider.peer)?.bytes ?? 0;
    this.#gave.set(provider.peer, { provider, bytes: before + bytes });
    this.#fetched += bytes;
  }

  #about(small: Small, error: KelanaError): KelanaError {
    const { path = small.cid } = this.#items[small.index] ?? {};
    return ofFolder({ name: path, cid: small.cid, size: small.size }, error);
  }

  /** Ends where all is there, or where nobody is left who could bring the rest. */
  #settle(): void {
    if (this.#ended) return;
    const { file, find, now } = this.#options;
    const { left, free } = this.#smalls;
    if (this.#folder !== null && left === 0) {
      if (!this.#larging) this.#finish();
      return;
    }
    // Who is busy, or has what others lack, is waited for.
    const waiting = this.#folder === null ? this.#drawing === 0 : left === free;
    const idle = waiting && now() - this.#lastGood > SWARM.starvedMs;
    if (this.#candidates.hopeful && !idle) return;
    if (this.#searching === null && find !== undefined) this.#own(this.#search());
    else if (this.#searching !== true) this.#fail(this.#failure ?? nobodyHas(file));
  }

  #finish(): void {
    this.#ended = true;
    this.#end.resolve();
  }

  #fail(error: KelanaError): KelanaError {
    if (this.#ended) return error;
    this.#ended = true;
    this.#end.reject(error);
    return error;
  }

  async #leave(): Promise<void> {
    this.#ended = true;
    this.#end.promise.catch(() => undefined);
    this.#stop.abort(new KelanaError('INTERRUPTED', { command: 'get' }));
    this.#wake();
    await Promise.allSettled([...this.#running, this.#large]);
  }

  #own(work: Promise<void>): void {
    const owned = work.finally(() => this.#running.delete(owned));
    this.#running.add(owned);
    owned.catch(() => undefined);
  }
}
