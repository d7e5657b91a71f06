import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { BITSWAP, LIBRARY, TRANSFER } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type {
  ByteRange,
  Bytes,
  Holding,
  Query,
  SharedBlocksPort,
  WritableLibraryPort,
} from '../core/ports.ts';
import { blockSize } from '../core/transfer/layout.ts';
import { buildManifest } from '../core/transfer/manifest.ts';
import { BlockIndex } from './blocks.ts';
import { Catalog, holdingOf, type Entry } from './catalog.ts';
import {
  cannotRead,
  cannotWrite,
  hasCode,
  identityOf,
  isGone,
  makeFolder,
  mustBeFolder,
  readFully,
} from './files.ts';
import { Handles } from './handles.ts';
import { sha256 } from './hash.ts';
import { IndexStore } from './index-store.ts';
import { sweepParts } from './parts.ts';
import { receive } from './put.ts';
import { Scanner, type Root, type ScanStats } from './scanner.ts';

export interface LibraryOptions {
  /** Shared folders; each must exist. */
  readonly roots: readonly string[];
  /** Folder that `put` writes to, shared too; created where it is missing. Without it the library only reads. */
  readonly writable?: string;
  /** Where `index.db` is kept. Must exist; never shared, wherever it lies. */
  readonly dataDir: string;
  readonly emit?: Emit;
  /** Label of the part in events. */
  readonly who?: string;
  /** ms since the Unix epoch; the machine's clock by default. */
  readonly now?: () => number;
  /** ms between scans; 0 leaves them to `rescan`. */
  readonly rescanMs?: number;
}

/**
 * Opens shared folders. Resolves at once; files become visible as they are hashed, and `ready` resolves after the
 * first scan.
 * @throws KelanaError NO_FOLDER, NOT_A_FOLDER, BAD_VALUE (the data folder), CANNOT_READ, CANNOT_WRITE, DATABASE
 */
export async function openLibrary(options: LibraryOptions): Promise<Library> {
  const roots: Root[] = [];
  const { writable } = options;
  if (writable !== undefined) {
    try {
      await makeFolder(writable);
    } catch (thrown) {
      if (!hasCode(thrown, 'ENOTDIR')) throw cannotWrite(writable, thrown);
    }
    await mustBeFolder(writable, '--data');
    roots.push({ path: await realpath(writable), hidden: true });
    await sweepParts(writable);
  }
  const dataDir = await realpath(options.dataDir);
  for (const folder of options.roots) await addTo(roots, folder, dataDir);
  return new Library(options, roots, dataDir, new IndexStore(join(dataDir, 'index.db')));
}

async function addTo(roots: Root[], folder: string, dataDir: string): Promise<void> {
  await mustBeFolder(folder, '--share');
  const path = await realpath(folder);
  if (path === dataDir) {
    const why = {
      id: 'itu folder data, tempat kunci disimpan',
      en: 'it is the data folder, where keys are kept',
    };
    throw new KelanaError('BAD_VALUE', { value: folder, name: '--share', why, example: '--share ./shared' });
  }
  if (!roots.some((root) => root.path === path)) roots.push({ path, hidden: false });
}

export class Library implements WritableLibraryPort {
  /** Resolves after the first scan (and a second look at files that were just being written); never rejects. */
  readonly ready: Promise<void>;
  readonly #catalog = new Catalog();
  readonly #handles = new Handles();
  readonly #store: IndexStore;
  readonly #scanner: Scanner;
  readonly #roots: Root[];
  readonly #writable: Root | undefined;
  readonly #rescanMs: number;
  readonly #emit: Emit;
  readonly #who: string;
  readonly #dataDir: string;
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #running: Promise<void> | undefined;
  #wake: AbortController | undefined;
  #blocks: BlockIndex | undefined;
  #closed: Promise<void> | undefined;
  readonly #listeners = new Set<() => void>();
  /** The catalog's version that listeners were told of last. */
  #told = 0;
  #telling: NodeJS.Timeout | undefined;
  #scanned = false;
  /** A scan has run for `LIBRARY.sayScanningMs` and still hashes. */
  #long = false;

  constructor(options: LibraryOptions, roots: Root[], dataDir: string, store: IndexStore) {
    this.#roots = roots;
    this.#dataDir = dataDir;
    this.#writable = options.writable === undefined ? undefined : roots[0];
    this.#store = store;
    this.#rescanMs = options.rescanMs ?? LIBRARY.rescanMs;
    this.#emit = options.emit ?? (() => undefined);
    this.#who = options.who ?? 'library';
    this.#scanner = new Scanner({
      catalog: this.#catalog,
      store,
      skip: new Set([dataDir]),
      emit: this.#emit,
      who: this.#who,
      now: options.now ?? Date.now,
      signal: this.#closing.signal,
    });
    this.ready = this.#first();
    this.#loop = this.ready.then(() => this.#repeat());
  }

  get stats(): Readonly<ScanStats> & { files: number } {
    return { ...this.#scanner.stats, files: this.#catalog.size };
  }

  lookup(query: Query): readonly Holding[] {
    return this.#catalog.lookup(query);
  }

  list(): readonly Holding[] {
    return this.#catalog.list();
  }

  /**
   * Calls `listener` after the set of files changed: at the end of a scan, every `LIBRARY.changeScanMs` during a long
   * one, and soon after a file was put or found gone. Gives the way to end this. A listener must not throw.
   */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** The first scan, or a later one that has been hashing for some time, has files that nobody can find yet. */
  scanning(): boolean {
    return !this.#scanned || this.#long;
  }

  /** One of the files with this CID, or undefined. */
  holding(cid: string): Holding | undefined {
    const entry = this.#catalog.copies(cid)[0];
    return entry === undefined ? undefined : holdingOf(entry);
  }

  /** @throws KelanaError NOT_SHARED */
  async manifest(cid: string): Promise<readonly Uint8Array[]> {
    const entry = this.#entry(cid);
    return buildManifest(entry.digests, entry.size, sha256).nodes;
  }

  /**
   * The bytes in pieces that end at block bounds, at most a block each; what lies past the end of the file is left out.
   * @throws KelanaError NOT_SHARED, SOURCE_CHANGED, CANNOT_READ; RangeError where the range is none
   */
  async *read(cid: string, range?: ByteRange): Bytes {
    const { name, size } = this.#entry(cid);
    const start = range?.start ?? 0;
    const end = Math.min(range?.end ?? Infinity, size - 1);
    if (!(start >= 0) || (range !== undefined && range.end < start))
      throw new RangeError(`bytes ${range?.start}-${range?.end}`);
    for (let position = start; position <= end;) {
      const bound = (Math.floor(position / TRANSFER.blockBytes) + 1) * TRANSFER.blockBytes;
      const piece = Buffer.allocUnsafeSlow(Math.min(bound, end + 1) - position);
      await this.#fill(cid, name, piece, position);
      yield piece;
      position += piece.length;
    }
  }

  /**
   * One block, as it is on the disk: the receiver checks it against its hash. With `into` (of at least the block's
   * size) no memory is taken, and the result is the filled part of it.
   * @throws KelanaError NOT_SHARED, SOURCE_CHANGED, CANNOT_READ; RangeError for a block that the file does not have
   */
  async readBlock(cid: string, index: number, into?: Uint8Array): Promise<Uint8Array> {
    const { name, size } = this.#entry(cid);
    const length = blockSize(size, TRANSFER.blockBytes, index);
    if (length === 0 && !(size === 0 && index === 0)) throw new RangeError(`block ${index} of ${name}`);
    const block = into?.subarray(0, length) ?? Buffer.allocUnsafeSlow(length);
    if (block.length !== length) throw new RangeError(`${block.length} bytes for a block of ${length}`);
    await this.#fill(cid, name, block, index * TRANSFER.blockBytes);
    return block;
  }

  /** The blocks of what is shared by their hash. The index for it is made at the first call and kept from then on. */
  blocks(): SharedBlocksPort {
    this.#blocks ??= new BlockIndex({
      catalog: this.#catalog,
      readBlock: (cid, index) => this.readBlock(cid, index),
      onFull: () => {
        const {
          code,
          message: detail,
          params,
        } = new KelanaError('TOO_MANY_BLOCKS', { max: BITSWAP.maxIndexed });
        this.#emit({ type: 'error', who: this.#who, code, detail, params });
      },
    });
    this.#catalog.observer = this.#blocks;
    return this.#blocks;
  }

  async put(name: string, bytes: Bytes, signal?: AbortSignal): Promise<Holding> {
    const root = this.#writable;
    if (root === undefined) {
      const why = { id: 'pustaka ini hanya bisa dibaca', en: 'this library is read-only' };
      throw new KelanaError('CANNOT_WRITE', { path: name, why });
    }
    const { path, ...hashed } = await receive(root.path, name, bytes, signal);
    if (!this.#closing.signal.aborted) this.#scanner.add(root, path, hashed);
    this.#tellSoon(LIBRARY.changeMs);
    return { name, size: hashed.size, cid: hashed.cid };
  }

  /** Shares one more folder; resolves once it was scanned. @throws KelanaError NO_FOLDER, NOT_A_FOLDER */
  async addRoot(folder: string): Promise<void> {
    await addTo(this.#roots, folder, this.#dataDir);
    await this.rescan();
  }

  /** Shares a folder no more; its files are gone when it resolves. False where it was not shared. */
  async removeRoot(folder: string): Promise<boolean> {
    const path = await realpath(folder).catch(() => folder);
    const at = this.#roots.findIndex((root) => root.path === path && root !== this.#writable);
    if (at < 0) return false;
    this.#roots.splice(at, 1);
    await this.rescan();
    return true;
  }

  /** A scan that begins after this call. */
  async rescan(): Promise<void> {
    await this.#running;
    await this.#scan();
  }

  /** Ends scans and closes all files. Calling it again waits for the same end. */
  close(): Promise<void> {
    this.#closed ??= this.#shut();
    return this.#closed;
  }

  async #shut(): Promise<void> {
    this.#closing.abort();
    this.#listeners.clear();
    clearTimeout(this.#telling);
    this.#wake?.abort();
    await this.#loop;
    await this.#running;
    this.#handles.closeAll();
    this.#store.close();
  }

  #entry(cid: string): Entry {
    const entry = this.#catalog.copies(cid)[0];
    if (entry === undefined) throw new KelanaError('NOT_SHARED', { cid });
    return entry;
  }

  /** Fills `into` from any file that still has these bytes. */
  async #fill(cid: string, name: string, into: Uint8Array, position: number): Promise<void> {
    let failed: unknown;
    for (const entry of this.#catalog.copies(cid)) {
      try {
        if (await this.#readFrom(entry, into, position)) return;
      } catch (thrown) {
        if (!isGone(thrown)) {
          failed ??= thrown;
          continue;
        }
      }
      this.#catalog.remove(entry);
      this.#tellSoon(LIBRARY.changeMs);
      this.#wake?.abort();
    }
    if (failed !== undefined) throw cannotRead(name, failed);
    throw new KelanaError('SOURCE_CHANGED', { name });
  }

  /** The look after the read tells all that the look before it would: an identity never comes back. */
  #readFrom(entry: Entry, into: Uint8Array, position: number): Promise<boolean> {
    return this.#handles.with(entry.path, `${entry.identity} ${entry.path}`, async (handle) => {
      const done = await readFully(handle, into, position);
      const stats = await handle.stat({ bigint: true });
      return done === into.length && stats.isFile() && identityOf(stats) === entry.identity;
    });
  }

  async #first(): Promise<void> {
    await this.#scan();
    if (this.#scanner.stats.postponed === 0) return;
    await this.#pause(LIBRARY.retryMs);
    if (!this.#closing.signal.aborted) await this.#scan();
  }

  async #repeat(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const { postponed, walkMs } = this.#scanner.stats;
      if (this.#rescanMs === 0) return;
      const wanted = postponed > 0 ? Math.min(LIBRARY.retryMs, this.#rescanMs) : this.#rescanMs;
      await this.#pause(Math.max(wanted, walkMs * LIBRARY.rescanShare));
      if (!this.#closing.signal.aborted) await this.#scan();
    }
  }

  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController();
    await sleep(ms, undefined, { signal: this.#wake.signal, ref: false }).catch(() => undefined);
    this.#wake = undefined;
  }

  #tellSoon(ms: number): void {
    if (this.#listeners.size === 0 || this.#telling !== undefined) return;
    this.#telling = setTimeout(() => this.#tell(), ms).unref();
  }

  /** `anyway`: not the files, but what is known of them has changed. */
  #tell(anyway = false): void {
    clearTimeout(this.#telling);
    this.#telling = undefined;
    if (this.#told === this.#catalog.version && !anyway) return;
    this.#told = this.#catalog.version;
    for (const listener of this.#listeners) listener();
  }

  /** One scan at a time: a call during one waits for that one. */
  #scan(): Promise<void> {
    if (this.#running !== undefined) return this.#running;
    const started = performance.now();
    const before = this.#scanner.stats.hashedBytes;
    const during = setInterval(() => {
      const hashes = this.#scanner.hashing || this.#scanner.stats.hashedBytes > before;
      const long = hashes && performance.now() - started > LIBRARY.sayScanningMs;
      this.#tell(long !== this.#long);
      this.#long = long;
    }, LIBRARY.changeScanMs).unref();
    this.#running = this.#scanner
      .scan(this.#roots)
      .catch((thrown: unknown) => {
        const { code, message: detail, params } = asKelanaError(thrown);
        this.#emit({ type: 'error', who: this.#who, code, detail, params });
      })
      .finally(() => {
        clearInterval(during);
        this.#running = undefined;
        const unread = this.scanning();
        this.#scanned = true;
        this.#long = false;
        this.#tell(unread);
      });
    return this.#running;
  }
}
