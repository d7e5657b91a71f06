import { hasBit } from '../core/bit-array.ts';
import { SWARM } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Provider } from '../core/ports.ts';
import type { BlockSession, IncomingFile, Slot } from '../core/transfer/ports.ts';
import { parseCid, RAW } from '../core/transfer/cid.ts';
import { blockSize, SHAPE, type Layout } from '../core/transfer/layout.ts';
import { Plan, type DropReason, type PlanInput } from '../core/transfer/plan.ts';
import { ManifestReader, verifyManifest } from '../core/transfer/verify.ts';
import { REFUSALS, type RefusalCode } from '../core/wire/blocks.ts';
import { Candidates, type Candidate } from './candidates.ts';
import { Learning } from './learning.ts';
import { DISCARD, type Fetched, type FindProviders, type Progress, type SwarmOptions } from './options.ts';
import { dropped, named, nobodyHas, otherSize } from './reasons.ts';
import { Rounds } from './rounds.ts';

/** One for all: to make it anew takes 0.1 ms of each small file. */
const ENDED = new DOMException('the download has ended', 'AbortError');

interface Open {
  readonly candidate: Candidate;
  readonly session: BlockSession;
  /** Number of the question for each block it owes; a cancelled one is taken out before it is sent. */
  readonly asks: Map<number, number>;
}

/**
 * Brings one file from all who have it onto the disk: drives the plan over real sessions. Used once. As long as it is on
 * purpose: what may end a download is decided here alone, and each step may end it.
 */
export class Swarm {
  readonly #options: SwarmOptions;
  readonly #candidates = new Candidates();
  readonly #opens = new Map<string, Open>();
  readonly #opening = new Set<string>();
  readonly #stop = new AbortController();
  readonly #end = Promise.withResolvers<void>();
  readonly #running = new Set<Promise<void>>();
  readonly #learning = new Learning(() => this.#begun);
  #ended = false;
  #begun: Promise<void> | null = null;
  #layout: Layout | null = null;
  #incoming: IncomingFile | null = null;
  #plan: Plan | null = null;
  #searching = false;
  #searched = -Infinity;
  /** Searches that found nobody since the last good block. */
  #vain = 0;
  /** When nobody was left but one whose file was moved. */
  #movedAt: number | null = null;
  readonly #rounds: Rounds;
  #questions = 0;
  #lastGood: number;
  #bytes = 0;
  #fetched = 0;
  #last: Provider | null = null;

  constructor(options: SwarmOptions) {
    this.#options = options;
    this.#lastGood = options.now();
    this.#rounds = new Rounds({
      file: options.file,
      together: options.together === true,
      told: (providers) => this.told(options.file.cid, providers),
      have: (provider, have) => this.#step({ type: 'have', provider, have }),
      failed: (peer, thrown) => this.#hasNone(peer, named(options.file, thrown)),
      own: (work) => this.#own(work),
    });
  }

  get progress(): Progress {
    const { size } = this.#options.file;
    return { bytes: this.#bytes, size, fetched: this.#fetched, from: this.#last };
  }

  add(providers: readonly Provider[]): void {
    for (const provider of providers) this.#candidates.add(provider);
    if (!this.#ended) this.#openMore();
  }

  /** A provider that was lost may be back: it is tried at once. */
  linked(provider: Provider): void {
    if (!this.#ended && this.#candidates.linked(provider)) this.#openMore();
  }

  /** Others who fetch a file too, by hearsay. */
  told(cid: string, providers: readonly Provider[]): void {
    const { file, together } = this.#options;
    if (together !== true || cid !== file.cid || this.#ended) return;
    this.#candidates.addTold(providers);
    this.#openMore();
  }

  /**
   * Resolves when the file is whole and has its name.
   * @throws KelanaError of the download folder, or why nobody gives the missing blocks; what `signal` was aborted with
   */
  async run(): Promise<Fetched> {
    const { signal } = this.#options;
    const abort = (): void => this.#fail(signal.reason);
    signal.addEventListener('abort', abort, { once: true });
    const timer = setInterval(() => this.#tick(), SWARM.tickMs);
    try {
      if (signal.aborted) abort();
      this.#beginWithoutManifest();
      this.#openMore();
      this.#settle();
      await this.#end.promise;
      const path = (await this.#incoming?.finish()) ?? '';
      const from = this.#candidates.givers().map(({ provider, gave }) => ({ provider, bytes: gave }));
      return { path, from };
    } catch (thrown) {
      this.#fail(thrown);
      await this.#leave();
      const fruitless = this.#bytes === 0 || signal.reason === DISCARD;
      await (fruitless ? this.#incoming?.abort() : this.#incoming?.suspend());
      throw thrown;
    } finally {
      clearInterval(timer);
      signal.removeEventListener('abort', abort);
      await this.#leave();
    }
  }

  /** The CID of a single block is its hash: there is nothing to ask for first. */
  #beginWithoutManifest(): void {
    const { file, sha256, shape = SHAPE } = this.#options;
    if (this.#ended || parseCid(file.cid)?.codec !== RAW) return;
    try {
      this.#start(
        verifyManifest(file.cid, [], sha256, { size: file.size, peer: this.#candidates.teller, shape }),
      );
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #start(layout: Layout): void {
    this.#begun = this.#begin(layout);
    this.#own(this.#begun.catch((thrown: unknown) => this.#fail(thrown)));
  }

  async #begin(layout: Layout): Promise<void> {
    const { file, incoming } = this.#options;
    if (layout.size !== file.size) throw otherSize(file, layout.size, this.#candidates.teller);
    const into = await incoming(file, layout, this.#stop.signal);
    this.#incoming = into;
    if (this.#ended) return await into.suspend();
    this.#layout = layout;
    const { size, blockBytes } = layout;
    const scattered = this.#options.together === true;
    this.#plan = new Plan({ size, blockBytes, have: into.have, scattered });
    for (let block = 0; block < layout.count; block += 1)
      if (hasBit(into.have, block)) this.#bytes += blockSize(size, blockBytes, block);
    if (into.path !== null) {
      this.#bytes = size;
      this.#complete();
    } else this.#step({ type: 'tick' });
  }

  #openMore(): void {
    while (!this.#ended && this.#opens.size + this.#opening.size < SWARM.maxOpen) {
      const candidate = this.#candidates.next(this.#options.now());
      if (candidate === null) return;
      candidate.state = 'open';
      this.#opening.add(candidate.provider.peer);
      this.#own(this.#serve(candidate));
    }
  }

  #own(work: Promise<void>): void {
    this.#running.add(work);
    const done = (): boolean => this.#running.delete(work);
    work.then(done, done);
  }

  async #serve(candidate: Candidate): Promise<void> {
    const { provider } = candidate;
    let session: BlockSession | null = null;
    const stop = (): void => session?.abort('stopped');
    this.#stop.signal.addEventListener('abort', stop, { once: true });
    try {
      const opened = await this.#options.open(provider, this.#stop.signal, this.#options.file.cid);
      session = opened;
      this.#stop.signal.throwIfAborted();
      const asked = opened.have(this.#options.file.cid);
      asked.catch(() => undefined);
      await this.#learning.learn(() => this.#manifestOf(opened, provider.label), this.#stop.signal);
      const have = await asked;
      if (this.#ended) return await session.close();
      this.#opening.delete(provider.peer);
      this.#opens.set(provider.peer, { candidate, session: opened, asks: new Map() });
      // Before the first blocks, which its answer would wait for.
      this.#rounds.joined(opened, have, this.#options.now());
      this.#step({ type: 'joined', provider: provider.peer, have });
    } catch (thrown) {
      session?.abort('no longer needed');
      this.#opening.delete(provider.peer);
      if (this.#ended) return;
      this.#lost(candidate, named(this.#options.file, thrown));
    } finally {
      this.#stop.signal.removeEventListener('abort', stop);
    }
  }

  async #manifestOf(session: BlockSession, peer: string): Promise<void> {
    const { file, sha256, shape = SHAPE } = this.#options;
    const reader = new ManifestReader(file.cid, sha256, { peer, shape });
    await session.nodes(file.cid, (node) => {
      // Another one's may have come meanwhile.
      if (this.#begun === null) reader.take(node);
    });
    if (this.#begun === null) this.#start(reader.end());
    await this.#begun;
  }

  /** Gives whether the bytes of a block that just came are of use. */
  #step(input: PlanInput): boolean {
    if (this.#plan === null || this.#ended) return false;
    let wanted = false;
    for (const output of this.#plan.step(input, this.#options.now(), this.#options.random)) {
      switch (output.type) {
        case 'ask': {
          const open = this.#opens.get(output.provider);
          if (open === undefined) break;
          for (const block of output.blocks) {
            this.#questions += 1;
            open.asks.set(block, this.#questions);
            this.#own(this.#fetch(open, block, this.#questions));
          }
          break;
        }
        case 'cancel':
          this.#opens.get(output.provider)?.asks.delete(output.block);
          break;
        case 'check':
          wanted = true;
          break;
        case 'drop':
          this.#drop(output.provider, output.why);
          break;
        case 'done':
          this.#complete();
          break;
        default:
        // Starved: seen to at the next look.
      }
    }
    return wanted;
  }

  async #fetch(open: Open, block: number, question: number): Promise<void> {
    const { candidate, session } = open;
    const { peer } = candidate.provider;
    const [layout, incoming] = [this.#layout, this.#incoming];
    if (layout === null || incoming === null) return;
    let slot: Slot;
    try {
      const given = incoming.slot(this.#stop.signal);
      slot = given instanceof Promise ? await given : given;
    } catch (thrown) {
      return this.#fail(thrown);
    }
    if (this.#ended || open.asks.get(block) !== question) return slot.release();
    const size = blockSize(layout.size, layout.blockBytes, block);
    this.#step({ type: 'sent', provider: peer, block });
    try {
      const bytes = (): Uint8Array => slot.bytes.subarray(0, size);
      await session.block(layout.root, block, { length: size, bytes });
    } catch (thrown) {
      slot.release();
      if (open.asks.delete(block) && !this.#ended)
        this.#refused(open, block, named(this.#options.file, thrown));
      return;
    }
    open.asks.delete(block);
    if (this.#opens.get(peer) !== open || !this.#step({ type: 'got', provider: peer, block }))
      return slot.release();
    let good: boolean;
    try {
      good = await incoming.write(block, slot);
    } catch (thrown) {
      return this.#fail(thrown);
    }
    if (good) {
      candidate.gave += size;
      candidate.losses = 0;
      this.#bytes += size;
      this.#fetched += size;
      this.#last = candidate.provider;
      this.#lastGood = this.#options.now();
      this.#vain = 0;
    } else {
      const { name } = this.#options.file;
      // Of a session that several downloads share the label may be that of an earlier one.
      const { label } = candidate.provider;
      candidate.error = new KelanaError('BAD_BLOCK', { peer: label, index: block, name });
    }
    this.#step({ type: good ? 'good' : 'bad', provider: peer, block });
  }

  /** No block but an error: what it says of the provider. */
  #refused(open: Open, block: number, error: KelanaError): void {
    const { provider } = open.candidate;
    if (this.#opens.get(provider.peer) !== open) return;
    const { peer } = provider;
    const code =
      error.code === 'SOURCE_CHANGED' ? 'changed' : REFUSALS.find((one) => one === error.params['refusal']);
    if (code !== undefined) {
      open.candidate.error = error;
      this.#step({ type: 'refused', provider: peer, block, code: code satisfies RefusalCode });
      return this.#settle();
    }
    if (error.code === 'PEER_PROTOCOL' || error.code === 'BAD_BLOCK') {
      open.candidate.error = error;
      this.#step({ type: 'breach', provider: peer });
      return;
    }
    this.#gone(open, error);
  }

  #gone(open: Open, error: KelanaError): void {
    const { peer } = open.candidate.provider;
    this.#close(peer);
    open.session.abort('lost');
    this.#step({ type: 'gone', provider: peer });
    this.#lost(open.candidate, error);
  }

  #close(peer: string): void {
    this.#opens.delete(peer);
    this.#rounds.left(peer);
  }

  #drop(peer: string, why: DropReason): void {
    const open = this.#opens.get(peer);
    if (open === undefined) return;
    this.#close(peer);
    open.session.abort(why);
    const late = why === 'silent' || why === 'slow';
    const told = late ? null : open.candidate.error;
    const error = told ?? dropped(this.#options.file, open.candidate.provider.label, why);
    this.#lost(open.candidate, error);
  }

  #lost(candidate: Candidate, error: KelanaError): void {
    const { news, liar } = this.#candidates.lost(candidate, error, this.#options.now());
    if (news) this.#options.onDropped?.(candidate.provider, error, liar);
    this.#openMore();
    this.#settle();
  }

  #tick(): void {
    if (this.#ended) return;
    this.#step({ type: 'tick' });
    this.#rounds.tick(this.#options.now(), this.#layout?.count ?? 0);
    this.#openMore();
    this.#settle();
  }

  /** A session that is broken shows it with the next block; but here it may be that it has nothing any more. */
  #hasNone(peer: string, error: KelanaError): void {
    const open = this.#opens.get(peer);
    if (open !== undefined && error.params['refusal'] === 'not-here') this.#gone(open, error);
  }

  /** Looks for more providers where they are of use, and gives up where nobody is left to hope for. */
  #settle(): void {
    if (this.#ended) return;
    const { file, find, now } = this.#options;
    const at = now();
    const starved = (this.#plan?.starved ?? 0) > 0;
    const { hopeful } = this.#candidates;
    const moved = !hopeful && find !== undefined && this.#candidates.moved && this.#vain < SWARM.changedTries;
    this.#movedAt = moved ? (this.#movedAt ?? at) : null;
    if (this.#movedAt !== null && at - this.#movedAt < SWARM.changedMs * 2 ** this.#vain) return;
    // At once, while the first is still being opened: each moment without the others costs their rate.
    const large = file.size >= SWARM.searchFromBytes;
    const due = starved || (large && this.#searched === -Infinity);
    if (find !== undefined && !this.#searching)
      if (hopeful ? due && at - this.#searched >= SWARM.searchEveryMs : moved || this.#vain === 0)
        this.#own(this.#search(find));
    if (this.#searching) return;
    // Nobody owes a block: all are left alone, since all they say is that they are busy.
    const refused = [...this.#opens.values()].every(({ asks }) => asks.size === 0);
    const idle = (starved || refused) && at - this.#lastGood > SWARM.starvedMs;
    if (!hopeful || (idle && !starved)) this.#fail(this.#candidates.failure(file));
    else if (idle) this.#fail(nobodyHas(file));
  }

  async #search(find: FindProviders): Promise<void> {
    this.#searching = true;
    this.#movedAt = null;
    this.#searched = this.#options.now();
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(SWARM.searchMs)]);
    try {
      for await (const provider of find(this.#options.file.cid, signal)) {
        if (this.#ended) break;
        this.add([provider]);
      }
    } catch {
      // A search that fails found nobody; the next one may.
    } finally {
      this.#searching = false;
      if (!this.#candidates.hopeful) this.#vain += 1;
    }
    this.#settle();
  }

  #complete(): void {
    this.#ended = true;
    this.#end.resolve();
  }

  #fail(thrown: unknown): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#end.reject(thrown);
  }

  /** Ends all sessions, and waits until nothing writes any more. */
  async #leave(): Promise<void> {
    this.#ended = true;
    this.#stop.abort(ENDED);
    for (const { session, asks } of this.#opens.values()) {
      if (asks.size > 0) session.abort('done');
      else this.#own(session.close().catch(() => undefined));
    }
    this.#opens.clear();
    while (this.#running.size > 0) await Promise.allSettled(this.#running);
  }
}
