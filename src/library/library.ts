import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { BITSWAP, LIBRARY, TRANSFER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type {
  BlockPieces,
  ByteRange,
  Bytes,
  Holding,
  Query,
  SharedBlocksPort,
  WritableLibraryPort,
} from '../core/ports.ts';
import { blockSize } from '../core/transfer/layout.ts';
import type { Nodes } from '../core/transfer/manifest.ts';
import { BlockIndex } from './blocks.ts';
import { Catalog, holdingOf, type Entry } from './catalog.ts';
import { cannotRead, cannotWrite, hasCode, isGone, makeFolder, mustBeFolder } from './files.ts';
import { Folders } from './folders.ts';
import { IndexStore } from './index-store.ts';
import { Manifests } from './manifests.ts';
import { sweepParts } from './parts.ts';
import { receive } from './put.ts';
import { Reading } from './reading.ts';
import { folderRoot, mustBeReadable, rootOf, type Root } from './roots.ts';
import type { ScanStats } from './scanner.ts';
import { TouchedFiles } from './touched.ts';
import { Upkeep, type ScanProgress } from './upkeep.ts';

export interface LibraryOptions {
  /** Shared folders, or single files; each must exist. */
  readonly roots: readonly string[];
  /** The same, as absolute paths that were shared before: one that is not there now is waited for. */
  readonly kept?: readonly string[];
  /** Folder that `put` writes to, shared too; created where it is missing. Without it the library only reads. */
  readonly writable?: string;
  /** Where `index.db` is kept. Must exist; never shared, wherever it lies. */
  readonly dataDir: string;
  readonly emit?: Emit;
  /** Label of the part in events. */
  readonly who?: string;
  /** ms since the Unix epoch; the machine's clock by default. */
  readonly now?: () => number;
  /** ms between scans where changes are not told; 0 leaves scans to `rescan`. */
  readonly rescanMs?: number;
  /** Watch the folders; true unless `rescanMs` is 0. */
  readonly watch?: boolean;
  /** Threads that hash. */
  readonly threads?: number;
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
    roots.push(await folderRoot(await realpath(writable), true));
    await sweepParts(writable);
  }
  const dataDir = await realpath(options.dataDir);
  for (const path of options.roots) include(roots, await rootOf(path, dataDir, '--share'));
  const given = new Set(roots.map(({ key }) => key));
  for (const path of options.kept ?? []) include(roots, await keptRoot(path, dataDir));
  return new Library(options, roots, given, dataDir, new IndexStore(join(dataDir, 'index.db')));
}

/** False where it was there already. A folder comes before those in it, whose files are then its own. */
function include(roots: Root[], root: Root): boolean {
  if (roots.some(({ key }) => key === root.key)) return false;
  const at = roots.findIndex(({ key, hidden }) => !hidden && key.startsWith(`${root.key}/`));
  roots.splice(at < 0 ? roots.length : at, 0, root);
  return true;
}

/** What was shared before: as a folder where nobody can say what it was. */
async function keptRoot(path: string, dataDir: string): Promise<Root> {
  return await rootOf(path, dataDir, 'share').catch(() => folderRoot(path));
}

export class Library implements WritableLibraryPort {
  /** Resolves after the first scan (and a second look at files that were just being written); never rejects. */
  readonly ready: Promise<void>;
  /** Absolute paths of `options.roots`: the next start shares them again, whatever is removed now. */
  readonly given: ReadonlySet<string>;
  readonly #folders: Folders;
  readonly #catalog: Catalog;
  readonly #reading: Reading;
  readonly #store: IndexStore;
  readonly #touched: TouchedFiles;
  readonly #upkeep: Upkeep;
  readonly #roots: Root[];
  readonly #writable: Root | undefined;
  readonly #dataDir: string;
  readonly #loop: Promise<void>;
  #blocks: BlockIndex | undefined;
  readonly #manifests = new Manifests();
  readonly #emit: Emit;
  readonly #who: string;
  #closed: Promise<void> | undefined;

  constructor(
    options: LibraryOptions,
    roots: Root[],
    given: ReadonlySet<string>,
    dataDir: string,
    store: IndexStore,
  ) {
    this.#roots = roots;
    this.given = given;
    this.#dataDir = dataDir;
    this.#writable = roots.find(({ hidden }) => hidden);
    this.#store = store;
    this.#folders = new Folders(new Set(roots.flatMap(({ key, hidden }) => (hidden ? key : []))));
    this.#catalog = new Catalog(this.#folders);
    this.#reading = new Reading((key) => roots.some((root) => root.key === key && root.remote));
    this.#touched = new TouchedFiles(this.#reading, (path) => this.#upkeep.look(path));
    const rescanMs = options.rescanMs ?? LIBRARY.rescanMs;
    this.#emit = options.emit ?? (() => undefined);
    this.#who = options.who ?? 'library';
    this.#upkeep = new Upkeep({
      catalog: this.#catalog,
      folders: this.#folders,
      store,
      roots,
      dataDir,
      emit: this.#emit,
      who: this.#who,
      now: options.now ?? Date.now,
      rescanMs,
      watch: options.watch ?? rescanMs > 0,
      ...(options.threads === undefined ? {} : { threads: options.threads }),
    });
    this.ready = this.#upkeep.first();
    this.#loop = this.ready.then(() => this.#upkeep.repeat());
  }

  get stats(): Readonly<ScanStats> & { files: number } {
    return { ...this.#upkeep.scanner.stats, files: this.#catalog.size };
  }

  /** How far the scan that runs has come, or null. */
  progress(): ScanProgress | null {
    return this.#upkeep.progress();
  }

  /** What is shared: absolute paths, and whether each was there at the last look. */
  roots(): readonly { readonly path: string; readonly missing: boolean }[] {
    const { missing } = this.#upkeep.scanner;
    return this.#roots.flatMap(({ key, hidden }) => (hidden ? [] : { path: key, missing: missing.has(key) }));
  }

  /** All files, with the key of what they are shared by. */
  entries(): Iterable<Pick<Entry, 'root' | 'size'>> {
    return this.#catalog.entries();
  }

  /** CID of the folder or file that is shared as this absolute path, or null. */
  cidAt(path: string): string | null {
    return this.#catalog.at(path)?.cid ?? this.#folders.cidAt(path);
  }

  /**
   * Files, the best first, then folders with exactly this name or CID; at most `LIBRARY.maxMatches`. Of words, folders
   * whose name they are come before files.
   */
  lookup(query: Query): readonly Holding[] {
    const files = this.#catalog.lookup(query);
    const folders = this.#folders.lookup(query);
    if (folders.length === 0) return files;
    const all = query.kind === 'words' ? [...folders, ...files] : [...files, ...folders];
    return all.slice(0, LIBRARY.maxMatches);
  }

  list(): readonly Holding[] {
    return this.#catalog.list();
  }

  /** All shared folders and those below them; each has the CID that it had when its files last were still for a moment. */
  folders(): readonly Holding[] {
    return this.#folders.list();
  }

  /**
   * Calls `listener` after the set of files or folders changed: at the end of a scan, every `LIBRARY.changeScanMs`
   * during a long one, and soon after anything else changed. Gives the way to end this. A listener must not throw.
   */
  onChange(listener: () => void): () => void {
    return this.#upkeep.teller.add(listener);
  }

  /** The first scan, or a later one that has been hashing for some time, has files that nobody can find yet. */
  scanning(): boolean {
    return this.#upkeep.scanning();
  }

  /** One of the files with this CID, or undefined. */
  holding(cid: string): Holding | undefined {
    const entry = this.#catalog.copies(cid)[0];
    return entry === undefined ? undefined : holdingOf(entry);
  }

  /** @throws KelanaError NOT_SHARED */
  async manifest(cid: string): Promise<Nodes> {
    const entry = this.#catalog.copies(cid)[0];
    if (entry === undefined) {
      const nodes = this.#folders.manifest(cid);
      if (nodes !== null) return nodes;
      throw new KelanaError('NOT_SHARED', { cid });
    }
    return await this.#manifests.of(cid, entry.digests, entry.size);
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

  /** The block of a file of one small block, without a promise: a folder has ten thousand of them. */
  readNow(cid: string, index: number, into: Uint8Array): number | null {
    const [entry] = this.#catalog.copies(cid);
    if (entry === undefined || index !== 0 || entry.size > Math.min(into.length, LIBRARY.smallBytes))
      return null;
    return this.#reading.small(entry, into.subarray(0, entry.size)) ? entry.size : null;
  }

  /**
   * A block piece by piece, each read at once where the disk's cache has it; null for a small one.
   * @throws KelanaError NOT_SHARED; RangeError for a block that the file does not have
   */
  pieces(cid: string, index: number): BlockPieces | null {
    const { name, size: whole } = this.#entry(cid);
    if (whole <= LIBRARY.smallBytes) return null;
    const size = blockSize(whole, TRANSFER.blockBytes, index);
    if (size === 0) throw new RangeError(`block ${index} of ${name}`);
    const first = index * TRANSFER.blockBytes;
    return {
      size,
      read: (into, at) => {
        const [entry] = this.#catalog.copies(cid);
        return entry !== undefined && this.#reading.now(entry, into, first + at)
          ? undefined
          : this.#fill(cid, name, into, first + at);
      },
    };
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
    if (!this.#upkeep.signal.aborted) this.#upkeep.scanner.add(root, path, hashed);
    return { name, size: hashed.size, cid: hashed.cid };
  }

  /**
   * Shares one more folder or file, at once; resolves with its absolute path once it was scanned. `keep` gets that path
   * before anything is shared: who leaves during the scan, and a node that ends in it, have it kept.
   * @throws KelanaError NO_FOLDER, NOT_A_FOLDER, BAD_VALUE, CANNOT_READ, and what `keep` throws
   */
  async addRoot(path: string, keep?: (path: string) => Promise<void>): Promise<string> {
    const root = await rootOf(path, this.#dataDir, 'share');
    await mustBeReadable(root.key);
    await keep?.(root.key);
    if (include(this.#roots, root)) {
      // What was shared within it belongs to it now.
      for (const other of this.#roots)
        if (root.only === null && other.key.startsWith(`${root.key}/`)) this.#upkeep.scanner.drop(other);
      await this.rescan();
    }
    return root.key;
  }

  /** Shares a folder or file no more; its files are gone when it resolves. Gives its absolute path, or null where it was not shared. */
  async removeRoot(path: string): Promise<string | null> {
    const key = await realpath(path).catch(() => path);
    const at = this.#roots.findIndex((root) => root.key === key && root !== this.#writable);
    const [root] = at < 0 ? [] : this.#roots.splice(at, 1);
    if (root === undefined) return null;
    this.#upkeep.scanner.end(root);
    // What lay in it may still be shared as part of another.
    const touches = (other: Root): boolean =>
      `${other.key}/`.startsWith(`${key}/`) || `${key}/`.startsWith(`${other.key}/`);
    if (this.#roots.some(touches)) await this.rescan();
    else await this.#upkeep.dropped();
    return key;
  }

  /** A scan that begins after this call. */
  async rescan(): Promise<void> {
    await this.#upkeep.rescan();
  }

  /** Ends scans and closes all files. Calling it again waits for the same end. */
  close(): Promise<void> {
    this.#closed ??= this.#shut();
    return this.#closed;
  }

  async #shut(): Promise<void> {
    await this.#upkeep.close();
    await this.#loop;
    this.#reading.close();
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
        const seen = await this.#reading.read(entry, into, position);
        if (seen === true || (seen === 'touched' && (await this.#touched.read(entry, into, position))))
          return;
      } catch (thrown) {
        if (!isGone(thrown)) {
          failed ??= thrown;
          continue;
        }
      }
      this.#catalog.remove(entry);
      this.#upkeep.look(entry.path);
    }
    if (failed !== undefined) throw cannotRead(name, failed);
    throw new KelanaError('SOURCE_CHANGED', { name });
  }
}
