import { hasBit } from '../core/bit-array.ts';
import { INCOMING, SWARM, TRANSFER } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Provider } from '../core/ports.ts';
import type { BlockSession, FilePiece, IncomingFolder } from '../core/transfer/ports.ts';
import { compileGlob } from '../core/search/glob.ts';
import { parseCid, RAW } from '../core/transfer/cid.ts';
import { verifyListing } from '../core/transfer/listing.ts';
import { DISCARD, type Fetched, type FolderOptions, type FolderItem } from './options.ts';
import { named, nobodyHas } from './reasons.ts';
import { Swarm } from './swarm.ts';

/** A file of the folder that is one block, and is still to come. */
interface Small {
  readonly index: number;
  readonly cid: string;
  readonly size: number;
  /** Peers that said they do not have it. */
  readonly without: Set<string>;
}

/** Batches of small files that one provider owes at once: one on the wire, one that follows it, one being written. */
const BATCHES = 3;

/**
 * Brings a folder from all who have it onto the disk: its listing, which is verified from the CID down; then its small
 * files, many to a batch, each batch from whichever provider is free first; then each larger one by a swarm of its own.
 * Used once.
 */
export class FolderSwarm {
  readonly #options: FolderOptions;
  readonly #providers = new Map<string, Provider>();
  readonly #dropped = new Set<string>();
  /** A search for more runs; null: there was none yet. */
  #searching: boolean | null = null;
  readonly #gave = new Map<string, { provider: Provider; bytes: number }>();
  readonly #stop = new AbortController();
  readonly #end = Promise.withResolvers<void>();
  readonly #running = new Set<Promise<void>>();
  #listing: Promise<void> | null = null;
  #items: readonly FolderItem[] = [];
  #folder: IncomingFolder | null = null;
  /** Small files that nobody was asked for, the last one first. */
  #small: Small[] = [];
  /** Small files that somebody was asked for. */
  #asked = 0;
  #wake = Promise.withResolvers<void>();
  #large: Promise<void> | null = null;
  /** Files of several blocks are still to come. */
  #larging = false;
  #ended = false;
  #failure: KelanaError | null = null;
  #bytes = 0;
  #last: Provider | null = null;

  constructor(options: FolderOptions) {
    this.#options = options;
  }

  get progress(): { readonly bytes: number; readonly from: Provider | null } {
    return { bytes: this.#bytes, from: this.#last };
  }

  add(providers: readonly Provider[]): void {
    for (const provider of providers) {
      const known = this.#providers.has(provider.peer) || this.#dropped.has(provider.peer);
      if (known || this.#providers.size >= SWARM.maxOpen) continue;
      this.#providers.set(provider.peer, provider);
      if (!this.#ended) this.#own(this.#draw(provider));
    }
  }

  /** @throws as `Swarm.run` */
  async run(): Promise<Fetched> {
    const { signal, find, file } = this.#options;
    const abort = (): void => {
      this.#fail(asKelanaError(signal.reason));
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      if (signal.aborted) abort();
      if (find !== undefined && file.size >= SWARM.searchFromBytes) this.#own(this.#search());
      this.#settle();
      await this.#end.promise;
      const path = (await this.#folder?.finish()) ?? '';
      const from = [...this.#gave.values()].toSorted((one, other) => other.bytes - one.bytes);
      return { path, from };
    } catch (thrown) {
      this.#fail(asKelanaError(thrown));
      await this.#leave();
      const fruitless = this.#bytes === 0 || signal.reason === DISCARD;
      await (fruitless ? this.#folder?.abort() : this.#folder?.suspend());
      throw signal.aborted ? signal.reason : thrown;
    } finally {
      signal.removeEventListener('abort', abort);
      await this.#leave();
    }
  }

  /** Takes from one provider what there is to take, until nothing is left or it is of no more use. Never rejects. */
  async #draw(provider: Provider): Promise<void> {
    const { open, onDropped, file } = this.#options;
    let session: BlockSession | null = null;
    try {
      session = await open(provider, this.#stop.signal);
      const own = session;
      const stop = (): void => own.abort('stopped');
      this.#stop.signal.addEventListener('abort', stop, { once: true });
      this.#listing ??= this.#list(own).catch((thrown: unknown) => {
        this.#listing = null;
        throw thrown;
      });
      await this.#listing;
      await Promise.all(Array.from({ length: BATCHES }, () => this.#batches(own, provider)));
    } catch (thrown) {
      if (this.#ended) return;
      const error = named(file, thrown);
      this.#failure = error;
      this.#dropped.add(provider.peer);
      const liar = error.code === 'BAD_BLOCK' || error.code === 'PEER_PROTOCOL';
      session?.abort('of no more use');
      onDropped?.(provider, error, liar);
    } finally {
      this.#providers.delete(provider.peer);
      await session?.close();
      this.#settle();
    }
  }

  async #list(session: BlockSession): Promise<void> {
    const { file, sha256, only, incomingFolder } = this.#options;
    const nodes = await session.manifest(file.cid);
    const { files } = verifyListing(file.cid, nodes, sha256, { peer: session.label });
    const globs = only.map((pattern) => compileGlob(pattern));
    const wanted = files.filter(({ path }) => globs.length === 0 || globs.some((glob) => glob.matches(path)));
    if (wanted.length === 0 && only.length > 0) {
      const why = { id: 'tidak ada berkas di dalamnya yang cocok', en: 'no file in it matches' };
      throw this.#fail(new KelanaError('TRANSFER_FAILED', { name: file.name, why }));
    }
    this.#items = wanted.map(({ path, cid, size }) => {
      const parsed = parseCid(cid);
      return { path, cid, size, digest: parsed?.codec === RAW ? parsed.digest : null };
    });
    let folder: IncomingFolder;
    try {
      folder = await incomingFolder(file, this.#items, this.#stop.signal);
    } catch (thrown) {
      throw this.#fail(asKelanaError(thrown));
    }
    this.#folder = folder;
    for (const [index, { cid, size, digest }] of this.#items.entries()) {
      if (hasBit(folder.have, index)) this.#bytes += size;
      else if (digest !== null && folder.path === null)
        this.#small.push({ index, cid, size, without: new Set() });
    }
    this.#small.reverse();
    if (folder.path !== null) return;
    this.#larging = true;
    this.#large = this.#larger(folder);
  }

  async #batches(session: BlockSession, provider: Provider): Promise<void> {
    for (;;) {
      const folder = this.#folder;
      if (this.#ended || folder === null) return;
      const batch = this.#next(provider.peer);
      if (batch.length === 0) {
        if (this.#small.length + this.#asked === 0 || this.#small.length > 0) return;
        // What others were asked for may come back.
        await this.#wake.promise;
        continue;
      }
      this.#asked += batch.length;
      try {
        await this.#batch(session, provider, folder, batch);
      } finally {
        this.#asked -= batch.length;
        this.#wake.resolve();
        this.#wake = Promise.withResolvers();
      }
    }
  }

  /** One slot full of files. What does not come goes back, and the first failure that is not about one file is thrown. */
  async #batch(
    session: BlockSession,
    provider: Provider,
    folder: IncomingFolder,
    batch: readonly Small[],
  ): Promise<void> {
    let slot;
    try {
      slot = await folder.slot(this.#stop.signal);
    } catch (thrown) {
      this.#small.push(...batch);
      throw this.#fail(asKelanaError(thrown));
    }
    const pieces: (FilePiece & { small: Small })[] = [];
    let offset = 0;
    for (const small of batch) {
      pieces.push({ index: small.index, offset, small });
      offset += small.size;
    }
    const memory = slot.bytes;
    let broken: KelanaError | null = null;
    const answers = await Promise.all(
      pieces.map(async (piece) => {
        const { small } = piece;
        try {
          await session.block(small.cid, 0, memory.subarray(piece.offset, piece.offset + small.size));
          return piece;
        } catch (thrown) {
          const error = asKelanaError(thrown);
          // It may have all the other files.
          if (error.code === 'SOURCE_CHANGED' || ONE_FILE.has(error.params['refusal']))
            small.without.add(provider.peer);
          else broken ??= error;
          this.#failure = this.#about(small, error);
          this.#small.push(small);
          return null;
        }
      }),
    );
    const came = answers.filter((piece) => piece !== null);
    let wrong: readonly number[] = [];
    if (came.length === 0) slot.release();
    else
      try {
        wrong = await folder.write(came, slot);
      } catch (thrown) {
        throw this.#fail(asKelanaError(thrown));
      }
    let bytes = 0;
    for (const { small } of came) {
      if (!wrong.includes(small.index)) bytes += small.size;
      else {
        this.#small.push(small);
        const { path = '' } = this.#items[small.index] ?? {};
        broken = new KelanaError('BAD_BLOCK', { peer: provider.label, index: 0, name: path });
      }
    }
    this.#came(provider, bytes);
    if (broken !== null) throw broken;
  }

  /** Files for one slot that this peer may have. */
  #next(peer: string): Small[] {
    const batch: Small[] = [];
    const passed: Small[] = [];
    let room: number = TRANSFER.blockBytes;
    while (batch.length < INCOMING.batchFiles) {
      const small = this.#small.pop();
      if (small === undefined) break;
      if (small.without.has(peer)) passed.push(small);
      else if (small.size > room) {
        this.#small.push(small);
        break;
      } else {
        batch.push(small);
        room -= small.size;
      }
    }
    this.#small.push(...passed.reverse());
    return batch;
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
      swarm.add([...this.#providers.values(), ...[...this.#gave.values()].map(({ provider }) => provider)]);
      const before = this.#bytes;
      const watch = setInterval(() => {
        this.#bytes = before + swarm.progress.bytes;
        this.#last = swarm.progress.from ?? this.#last;
      }, SWARM.tickMs);
      try {
        const { from } = await swarm.run();
        this.#bytes = before + size;
        for (const { provider, bytes } of from) this.#count(provider, bytes);
      } catch (thrown) {
        this.#fail(asKelanaError(thrown));
        return;
      } finally {
        clearInterval(watch);
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

  #came(provider: Provider, bytes: number): void {
    this.#bytes += bytes;
    this.#last = provider;
    this.#count(provider, bytes);
  }

  #count(provider: Provider, bytes: number): void {
    const before = this.#gave.get(provider.peer)?.bytes ?? 0;
    this.#gave.set(provider.peer, { provider, bytes: before + bytes });
  }

  #about(small: Small, error: KelanaError): KelanaError {
    const { path = small.cid } = this.#items[small.index] ?? {};
    return named({ name: path, cid: small.cid, size: small.size }, error);
  }

  /** Ends where all is there, or where nobody is left who could bring the rest. */
  #settle(): void {
    if (this.#ended) return;
    const { file, find } = this.#options;
    const left = this.#small.length + this.#asked;
    if (this.#folder !== null && left === 0 && !this.#larging) this.#finish();
    else if (this.#providers.size > 0 || (this.#folder !== null && left === 0)) return;
    else if (this.#searching === null && find !== undefined) this.#own(this.#search());
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
    this.#wake.resolve();
    await Promise.allSettled([...this.#running, this.#large]);
  }

  #own(work: Promise<void>): void {
    const owned = work.finally(() => this.#running.delete(owned));
    this.#running.add(owned);
    owned.catch(() => undefined);
  }
}

/** Refusals that say nothing of the other files of a folder. */
const ONE_FILE: ReadonlySet<unknown> = new Set(['not-here', 'absent', 'failed']);
