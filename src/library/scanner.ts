import { dirname } from 'node:path';
import { LIBRARY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { shownName } from '../core/names.ts';
import { DIGEST_BYTES } from '../core/transfer/cid.ts';
import type { Catalog } from './catalog.ts';
import { cannotRead, isGone, pathOf } from './files.ts';
import type { Folders } from './folders.ts';
import type { Hashed } from './hash.ts';
import type { Hasher } from './hasher.ts';
import { IGNORE_FILE, isIgnored, Ignores } from './ignores.ts';
import type { IndexStore } from './index-store.ts';
import { changedAt, isTouched } from './identity.ts';
import { Reports } from './reports.ts';
import type { Root } from './roots.ts';
import { newScan, type Scan } from './scan.ts';
import { inodeOf, isDataFolder, isHidden, lookAt, walk, type Found, type WalkOptions } from './walk.ts';

export interface ScanStats {
  /** Scans that ended. */
  scans: number;
  /** Files and bytes hashed since the start; what the index knew is not counted. */
  hashed: number;
  hashedBytes: number;
  /** Of the last scan: names that cannot be shared, and files that were still being written. */
  refused: number;
  postponed: number;
  /** ms the last scan spent on looking, without hashing. */
  walkMs: number;
}

export interface ScannerOptions {
  readonly catalog: Catalog;
  readonly folders: Folders;
  readonly store: IndexStore;
  readonly hasher: Hasher;
  readonly skip: ReadonlySet<string>;
  readonly emit: Emit;
  readonly who: string;
  readonly now: () => number;
  readonly signal: AbortSignal;
  /** A folder, before it is read. */
  readonly watch: (path: string, inode: bigint) => void;
  /** A folder is no longer there, or another one is. */
  readonly unwatch: (path: string) => void;
  /** A file that was being written: to be looked at again after these ms. */
  readonly again: (path: string, ms: number) => void;
  /** A file appeared, outside a scan too. */
  readonly changed: () => void;
}

const EMPTY = new Uint8Array(0);

/** Brings the catalog in line with what is on the disk: all of it (`scan`), or what lies at one path (`look`). */
export class Scanner {
  readonly stats: ScanStats = { scans: 0, hashed: 0, hashedBytes: 0, refused: 0, postponed: 0, walkMs: 0 };
  /** Of the scan that runs or ran last; an entry made while it runs belongs to it. */
  number = 0;
  /** Roots that were not there at the last scan of them, by key. */
  readonly missing = new Set<string>();
  readonly #options: ScannerOptions;
  readonly #ignores: Ignores;
  readonly #reports: Reports;
  /** Paths that wait for their hash, by the identity that is being hashed. */
  readonly #under = new Map<string, string>();
  /** Roots that are shared no more: what a scan or a hash that was under way still finds of them is nobody's. */
  readonly #ended = new WeakSet<Root>();
  #scan: Scan | null = null;

  constructor(options: ScannerOptions) {
    this.#options = options;
    this.#reports = new Reports(options.emit, options.who);
    this.#ignores = new Ignores((path, thrown) => this.#reports.error(path, cannotRead(path, thrown)));
  }

  /** Files that the present scan has met; null when none runs. */
  get looked(): number | null {
    return this.#scan?.looked ?? null;
  }

  /** Files are being hashed, or wait for it. */
  get hashing(): boolean {
    return this.#under.size > 0;
  }

  /** Whether this file, or one of what may be a folder, is being hashed or waits for it. */
  reads(path: string): boolean {
    if (this.#options.catalog.at(path) === undefined) return this.hashing;
    return this.#under.has(path);
  }

  /** Looks at all of `roots`; never throws for what a folder holds: it reports and goes on. */
  async scan(roots: readonly Root[]): Promise<void> {
    const { catalog, folders, store, signal } = this.#options;
    this.number += 1;
    const scan = newScan(this.number);
    this.#scan = scan;
    this.#ignores.forget();
    for (const root of roots) await this.#scanRoot(root, scan);
    while (scan.work.size > 0) await Promise.all(scan.work);
    this.#scan = null;
    this.#ignores.forget();
    if (signal.aborted) return;
    const scanned = new Set(roots.map(({ key }) => key));
    for (const entry of catalog.entries()) {
      if (entry.seen >= scan.number || !scanned.has(entry.root)) continue;
      catalog.remove(entry);
      // What is not plugged in now need not be hashed again when it is.
      if (!this.missing.has(entry.root)) this.#remember(entry.path, null);
    }
    folders.prune(scan.number, scanned);
    this.#guard(() => store.flush());
    if (scan.number === 1) await this.#prune();
    this.#reportRefused(scan);
    const { refused, postponed, walkMs } = scan;
    Object.assign(this.stats, { refused, postponed, walkMs, scans: this.stats.scans + 1 });
  }

  /** Looks at what has this name in a folder that is shared as part of `root`; true where rules may have changed. */
  async look(root: Root, folder: string, name: string): Promise<boolean> {
    const path = pathOf(folder, name);
    if (root.only !== null && path !== root.key) return false;
    if (name === IGNORE_FILE && !root.hidden) return true;
    if (isHidden(name, root.hidden)) return false;
    const scan = newScan(this.number);
    const below = path.slice(root.path === '/' ? 1 : root.path.length + 1);
    const options = this.#walkOptions(root, scan);
    const found = await lookAt(root.path, below, options);
    if (scan.refused > 0) this.#reports.namesAt(path, scan);
    if (found === null || (root.only === null && (await this.#isIgnored(root, below, 'inode' in found)))) {
      this.gone(path);
      return false;
    }
    if ('inode' in found) {
      this.#options.unwatch(path);
      if (this.#options.catalog.at(path) !== undefined) this.gone(path);
      if (root.only === null)
        for await (const batch of walk(root.path, options, below))
          for (const file of batch) await this.#visit(root, file, scan, true);
      if (scan.refused > 0) this.#reports.namesAt(path, scan);
    } else {
      if (this.#options.folders.has(path)) this.gone(path);
      await this.#visit(root, found, scan, true);
    }
    return false;
  }

  /** Whether what has this name is shared as part of `root`, if it can be, by the rules; a folder of the name counts. */
  async mayShare(root: Root, folder: string, name: string): Promise<boolean> {
    const path = pathOf(folder, name);
    if (root.only !== null) return path === root.key;
    const below = path.slice(root.path === '/' ? 1 : root.path.length + 1);
    return !(await this.#isIgnored(root, below, false)) || !(await this.#isIgnored(root, below, true));
  }

  /** Rules are kept for the length of a scan, or of a look at many changes. */
  forgetRules(): void {
    if (this.#scan === null) this.#ignores.forget();
  }

  /** Whether a folder has become one that holds keys; it is then no longer shared. */
  async hides(root: Root, folder: string): Promise<boolean> {
    if (root.hidden || root.only !== null || !(await isDataFolder(folder))) return false;
    this.gone(folder);
    return true;
  }

  /** Nothing at this path is shared any more, be it a file or a folder. */
  gone(path: string): void {
    const { catalog, folders, unwatch } = this.#options;
    const entry = catalog.at(path);
    for (const one of entry === undefined ? [...folders.entriesBelow(path)] : [entry]) {
      catalog.remove(one);
      this.#under.delete(one.path);
      this.#remember(one.path, null);
    }
    this.#under.delete(path);
    if (folders.has(path)) {
      folders.remove(path);
      unwatch(path);
    }
    this.#options.changed();
  }

  /** Forgets all files of a root, but not what they hashed to. */
  drop(root: Root): void {
    const { catalog, folders } = this.#options;
    for (const entry of catalog.entries()) if (entry.root === root.key) catalog.remove(entry);
    if (root.only === null) folders.remove(root.path);
    this.missing.delete(root.key);
  }

  /** As `drop`, for good; also of what is being looked at or hashed now. */
  end(root: Root): void {
    this.#ended.add(root);
    const below = root.key.endsWith('/') ? root.key : `${root.key}/`;
    for (const path of this.#under.keys())
      if (path === root.key || path.startsWith(below)) this.#under.delete(path);
    this.drop(root);
  }

  /** Makes a file visible that was hashed elsewhere (an upload). */
  add(root: Root, path: string, hashed: Hashed): void {
    this.#enter(root, path, hashed);
    this.#remember(path, hashed);
  }

  /** Writes what was hashed lately. */
  flush(): void {
    this.#guard(() => this.#options.store.flush());
  }

  async #scanRoot(root: Root, scan: Scan): Promise<void> {
    this.missing.delete(root.key);
    const options = this.#walkOptions(root, scan);
    if (root.only !== null) {
      const inode = await inodeOf(root.path);
      if (inode !== null) this.#options.watch(root.path, inode);
      const found = await lookAt(root.path, root.only, options);
      if (found === null || 'inode' in found) this.missing.add(root.key);
      else await this.#visit(root, found, scan, false);
      return;
    }
    const found = walk(root.path, options);
    for (;;) {
      const before = performance.now();
      const batch = await found.next();
      scan.walkMs += performance.now() - before;
      if (batch.done === true) break;
      if (this.#ended.has(root)) {
        await found.return(undefined);
        break;
      }
      for (const file of batch.value) await this.#visit(root, file, scan, false);
    }
  }

  #walkOptions(root: Root, scan: Scan): WalkOptions {
    const { skip, signal, folders, watch } = this.#options;
    return {
      skip,
      signal,
      hidden: root.hidden,
      here: !root.remote,
      ignores: this.#ignores,
      refused: (name, why) => {
        scan.refused += 1;
        scan.firstRefused ??= { name: shownName(name), why };
      },
      unreadable: (path, thrown) => {
        if (path === root.path) this.missing.add(root.key);
        this.#reports.error(path, cannotRead(path, thrown));
      },
      folder: (path, inode) => {
        if (this.#ended.has(root)) return;
        watch(path, inode);
        folders.seen(root.key, path, this.number);
      },
    };
  }

  async #isIgnored(root: Root, below: string, folder: boolean): Promise<boolean> {
    if (root.hidden) return false;
    const above = dirname(below);
    return isIgnored(await this.#ignores.rules(root.path, above === '.' ? '' : above), below, folder);
  }

  async #visit(root: Root, file: Found, scan: Scan, first: boolean): Promise<void> {
    const { catalog, store, hasher, now, again } = this.#options;
    if (this.#ended.has(root)) return;
    scan.looked += 1;
    const entry = catalog.at(file.path);
    if (entry?.identity === file.identity) {
      entry.seen = this.number;
      return;
    }
    // It is read anew, and shared meanwhile: whoever asks for a block of it gets that block checked.
    const touched = entry !== undefined && isTouched(entry.identity, file.identity);
    if (touched) entry.seen = this.number;
    if (this.#under.get(file.path) === file.identity) return;
    if (entry !== undefined && !touched) catalog.remove(entry);
    if (!touched && catalog.size + this.#under.size >= LIBRARY.maxFiles) {
      const params = { path: root.path, max: LIBRARY.maxFiles, flag: '--share' };
      this.#reports.error(root.path, new KelanaError('TOO_MANY_FILES', params));
      return;
    }
    const known = this.#guard(() => store.get(file.path, file.identity)) ?? null;
    if (known !== null) {
      this.#enter(root, file.path, known);
      return;
    }
    // A write within the same tick of the file system's clock would not change the time we compare.
    const age = now() - (touched ? changedAt(file.identity) : file.modifiedMs);
    if (age >= 0 && age < LIBRARY.settleMs) {
      scan.postponed += 1;
      again(file.path, LIBRARY.retryMs);
      return;
    }
    await hasher.room(first);
    if (this.#options.signal.aborted || this.#ended.has(root)) return;
    this.#under.set(file.path, file.identity);
    const work: Promise<void> = this.#hash(root, file, scan, first).finally(() => scan.work.delete(work));
    scan.work.add(work);
  }

  async #hash(root: Root, file: Found, scan: Scan, first: boolean): Promise<void> {
    const { hasher, signal, again } = this.#options;
    const { path, identity } = file;
    try {
      const hashed = await hasher.hash(path, file.size, { first, here: !root.remote });
      if (this.#ended.has(root)) return;
      // A newer look at the path, or its end, has made this one worthless.
      if (this.#under.get(path) !== identity || signal.aborted) return;
      this.#under.delete(path);
      if (hashed === 'changing') {
        scan.postponed += 1;
        again(path, LIBRARY.changingMs);
      } else if (hashed === 'too-large')
        this.#reports.error(path, cannotRead(path, new Error('larger than 1 TiB')));
      if (typeof hashed !== 'object') return;
      this.stats.hashed += 1;
      this.stats.hashedBytes += hashed.size;
      this.#reports.forget(path);
      this.add(root, path, hashed);
    } catch (thrown) {
      if (this.#ended.has(root)) return;
      if (this.#under.get(path) === identity) {
        this.#under.delete(path);
        const entry = this.#options.catalog.at(path);
        if (entry !== undefined) this.#options.catalog.remove(entry);
      }
      if (!isGone(thrown)) this.#reports.error(path, cannotRead(path, thrown));
    }
  }

  #enter(root: Root, path: string, { size, cid, identity, digests }: Hashed): void {
    const name = path.slice(root.path === '/' ? 1 : root.path.length + 1);
    const before = this.#options.catalog.at(path);
    if (before?.cid === cid && before.root === root.key) {
      // Touched, but the same: nobody needs to be told.
      before.identity = identity;
      before.seen = this.number;
      return;
    }
    const blocks = digests.length > DIGEST_BYTES ? digests : EMPTY;
    const entry = { name, path, root: root.key, size, cid, identity, digests: blocks, seen: this.number };
    this.#options.catalog.add(entry);
    this.#options.changed();
  }

  /** The index forgets what is no longer shared. */
  async #prune(): Promise<void> {
    const { store, signal } = this.#options;
    try {
      await store.prune((path) => this.#keeps(path), signal);
    } catch (thrown) {
      this.#guard(() => {
        throw thrown;
      });
    }
  }

  /** Whether the index still needs what it knows of a path. */
  #keeps(path: string): boolean {
    if (this.#options.catalog.at(path) !== undefined) return true;
    return [...this.missing].some((key) => path === key || path.startsWith(`${key}/`));
  }

  #remember(path: string, hashed: Hashed | null): void {
    this.#guard(() => this.#options.store.put(path, hashed));
  }

  #reportRefused(scan: Scan): void {
    if (scan.refused > 0 && scan.refused !== this.stats.refused) this.#reports.names(scan);
  }

  /** The index is a cache: when it fails, it is said once, and the library goes on without it. */
  #guard<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (thrown) {
      const error =
        thrown instanceof KelanaError
          ? thrown
          : new KelanaError('DATABASE', { path: 'index.db', why: String(thrown) }, thrown);
      this.#reports.error('index.db', error);
      return undefined;
    }
  }
}
