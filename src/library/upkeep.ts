import { basename, dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LIBRARY } from '../core/config.ts';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { Catalog } from './catalog.ts';
import { Changes } from './changes.ts';
import { pathOf } from './files.ts';
import type { Folders } from './folders.ts';
import { Hasher } from './hasher.ts';
import type { IndexStore } from './index-store.ts';
import type { Root } from './roots.ts';
import { Scanner } from './scanner.ts';
import { Teller } from './teller.ts';
import { Unread } from './unread.ts';
import { Watcher } from './watcher.ts';

export interface UpkeepOptions {
  readonly catalog: Catalog;
  readonly folders: Folders;
  readonly store: IndexStore;
  /** The shared folders; may be changed from outside, with a `scan` after it. */
  readonly roots: readonly Root[];
  readonly dataDir: string;
  readonly emit: Emit;
  readonly who: string;
  readonly now: () => number;
  /** ms between scans where changes are not told; 0: neither scans nor watches by itself. */
  readonly rescanMs: number;
  readonly watch: boolean;
  readonly threads?: number;
}

/** How far a scan has come. */
export interface ScanProgress {
  /** Files met, and of these hashed (those that the index did not know), and their bytes. */
  readonly looked: number;
  readonly hashed: number;
  readonly hashedBytes: number;
  /** Files known by now. */
  readonly files: number;
  readonly ms: number;
}

/**
 * Keeps the catalog true: scans, watches, looks at what changed, and builds the folders anew. As long as it is on
 * purpose: which of these waits for which is decided here alone.
 */
export class Upkeep {
  readonly scanner: Scanner;
  readonly teller: Teller;
  readonly #options: UpkeepOptions;
  readonly #hasher: Hasher;
  readonly #watcher: Watcher | null;
  readonly #changes = new Changes();
  /** Files that were being written. */
  readonly #later = new Changes();
  /** Others are told of it at once: what they know of this node is then not all. */
  readonly #unread = new Unread({
    quiet: (path) => this.#quiet(path),
    changed: () => this.teller.now(true),
    now: () => performance.now(),
  });
  readonly #closing = new AbortController();
  readonly #timers = new Map<string, NodeJS.Timeout>();
  #running: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #building: Promise<void> | undefined;
  #wake: AbortController | undefined;
  #scanned = false;
  /** A scan has run for `LIBRARY.sayScanningMs` and still hashes. */
  #long = false;
  #began = { at: 0, hashed: 0, bytes: 0 };
  /** When all was looked at last, and how long the folders took to build. */
  #lastWhole = 0;
  #lastBuild = 0;
  #buildMs = 0;
  /** Times that it was put off. */
  #buildPuts = 0;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#hasher = new Hasher(options.threads);
    this.#watcher = options.watch
      ? new Watcher({
          changed: (folder, name) => this.#heard(folder, name),
          full: (why) => this.#reportFull(why),
        })
      : null;
    this.teller = new Teller(() => options.catalog.version);
    this.scanner = new Scanner({
      catalog: options.catalog,
      folders: options.folders,
      store: options.store,
      hasher: this.#hasher,
      skip: new Set([options.dataDir]),
      emit: options.emit,
      who: options.who,
      now: options.now,
      signal: this.#closing.signal,
      watch: (path, inode) => this.#watcher?.watch(path, inode),
      unwatch: (path) => this.#watcher?.prune((folder) => folder !== path && !folder.startsWith(`${path}/`)),
      again: (path, ms) => this.#again(path, ms),
      changed: () => this.#changed(),
    });
  }

  /** Bytes hashed, those of files under way too. */
  get hashedBytes(): number {
    return this.#hasher.bytes;
  }

  get signal(): AbortSignal {
    return this.#closing.signal;
  }

  /**
   * There are files that nobody can find yet: those of the first scan, of a later one that has been hashing for some
   * time, or of a change that was told just now.
   */
  scanning(): boolean {
    return !this.#scanned || this.#long || this.#unread.now;
  }

  /** Of the scan that runs, or null. */
  progress(): ScanProgress | null {
    const { looked, stats } = this.scanner;
    if (looked === null) return null;
    return {
      looked,
      hashed: stats.hashed - this.#began.hashed,
      hashedBytes: this.#hasher.bytes - this.#began.bytes,
      files: this.#options.catalog.size,
      ms: performance.now() - this.#began.at,
    };
  }

  /** The first scan, and a second look at files that were just being written. Never rejects. */
  async first(): Promise<void> {
    await this.#scan(this.#options.roots);
    if (this.scanner.stats.postponed > 0) {
      await this.#pause(LIBRARY.retryMs);
      if (!this.#closing.signal.aborted) await this.#scan(this.#options.roots);
    }
    await this.#build();
  }

  /** Scans whenever it is time, until closed. Never rejects. */
  async repeat(): Promise<void> {
    const { rescanMs } = this.#options;
    if (rescanMs === 0) return;
    while (!this.#closing.signal.aborted) {
      const { postponed, walkMs } = this.scanner.stats;
      const soon = postponed > 0 && this.#watcher === null ? Math.min(LIBRARY.retryMs, rescanMs) : rescanMs;
      await this.#pause(Math.max(soon, walkMs * LIBRARY.rescanShare));
      if (this.#closing.signal.aborted) return;
      const due = await this.#due();
      if (due.length > 0) await this.#scan(due);
    }
  }

  /** A scan of everything that begins after this call. */
  async rescan(): Promise<void> {
    await this.#running;
    await this.#scan(this.#options.roots, true);
    await this.#build();
  }

  /** Something was found to be other than it was thought to be. */
  look(path: string): void {
    this.#changed();
    if (this.#watcher === null) this.#wake?.abort();
    else this.#heard(dirname(path), path.slice(path.lastIndexOf('/') + 1));
  }

  /** A root is shared no more: ends its watches, and tells. */
  async dropped(): Promise<void> {
    if (this.#running === undefined) this.#prune();
    await this.#build();
    this.teller.now();
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.teller.close();
    this.#unread.close();
    this.#watcher?.close();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
    this.#wake?.abort();
    await this.#hasher.close();
    await Promise.all([this.#running, this.#draining, this.#building]);
  }

  /** Roots whose changes nobody tells of, that were moved or taken away, or all where it is time. */
  async #due(): Promise<readonly Root[]> {
    const { roots } = this.#options;
    const watcher = this.#watcher;
    if (watcher === null || !watcher.complete) return roots;
    if (performance.now() - this.#lastWhole > LIBRARY.rescanWatchedMs) return roots;
    const due: Root[] = [];
    for (const root of roots)
      if (root.remote || this.scanner.missing.has(root.key) || !(await watcher.isSame(root.path)))
        due.push(root);
    return due;
  }

  #heard(folder: string, name: string | null): void {
    const heard = name !== null && this.#changes.has(folder, name);
    if (name === null) this.#changes.addAll();
    else this.#changes.add(folder, name);
    if (name === null) this.#unread.begin(folder);
    // Hidden ones are never shared, and change all the time; so do those that rules leave out.
    else if (!heard && !name.startsWith('.')) void this.#count(folder, name);
    this.#after('drain', LIBRARY.watchMs, () => this.#drain());
  }

  /** Never rejects. */
  async #count(folder: string, name: string): Promise<void> {
    for (const root of this.#rootsOf(folder))
      if (await this.scanner.mayShare(root, folder, name)) return this.#unread.begin(pathOf(folder, name));
  }

  /** What was told of a path is looked at, and the folders have their CIDs, where that does not take long. */
  #quiet(path: string): boolean {
    const { folders } = this.#options;
    const soon = this.#buildMs * LIBRARY.foldersShare < 1_000;
    const building = soon && (folders.stale || this.#building !== undefined);
    const [folder, name] = [dirname(path), basename(path)];
    const waits = this.#changes.has(folder, name) || this.#later.has(folder, name);
    // Others that are written all the time do not matter to it.
    const looked = !waits && this.#draining === undefined && !this.scanner.reads(path);
    return looked && this.#running === undefined && !building;
  }

  /** Files of all changes that were told are known. */
  get #looked(): boolean {
    const looked = this.#changes.empty && this.#later.empty && this.#draining === undefined;
    return looked && !this.scanner.hashing;
  }

  #again(path: string, ms: number): void {
    if (this.#watcher === null) return;
    this.#later.add(dirname(path), path.slice(path.lastIndexOf('/') + 1));
    this.#after(`later ${ms}`, ms, () => {
      const later = this.#later.take();
      if (later === 'all') this.#changes.addAll();
      else for (const [folder, names] of later) for (const name of names) this.#changes.add(folder, name);
      this.#drain();
    });
  }

  /** One look at changes at a time; those that come meanwhile have their own. */
  #drain(): void {
    this.#draining ??= this.#takeChanges()
      .catch((thrown: unknown) => this.#report(thrown))
      .finally(() => {
        this.#draining = undefined;
        if (this.#changes.empty) return;
        // Where so much changes that all is looked at anew, no more than half of the time goes into that.
        this.#after('drain', Math.max(LIBRARY.watchMs, this.scanner.stats.walkMs), () => this.#drain());
      });
  }

  async #takeChanges(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    const changes = this.#changes.take();
    let rules = changes === 'all';
    if (changes !== 'all') {
      for (const [folder, names] of changes) {
        for (const root of this.#rootsOf(folder)) {
          if (await this.scanner.hides(root, folder)) break;
          for (const name of names) {
            if (this.#closing.signal.aborted) return;
            if (await this.scanner.look(root, folder, name)) rules = true;
          }
        }
      }
      this.scanner.forgetRules();
    }
    if (rules) await this.rescan();
  }

  /** The roots that a watched folder belongs to; a folder within a shared folder may be shared itself. */
  #rootsOf(folder: string): readonly Root[] {
    return this.#options.roots.filter(
      ({ path, only }) =>
        folder === path || (only === null && (path === '/' || folder.startsWith(`${path}/`))),
    );
  }

  /** During a scan its own timer tells of changes, and its end builds the folders. */
  #changed(): void {
    if (this.#running !== undefined) return;
    this.teller.soon();
    this.#buildSoon();
  }

  #buildSoon(): void {
    const wait = Math.max(LIBRARY.foldersMs, this.#buildMs * LIBRARY.foldersShare);
    this.#after('build', wait, () => {
      // In the middle of a change it would have a CID for a moment, and be gone before anybody has fetched it.
      const amid = !this.#looked && this.#buildPuts < LIBRARY.foldersPuts;
      this.#buildPuts = amid ? this.#buildPuts + 1 : 0;
      if (amid) this.#buildSoon();
      else void this.#build();
    });
  }

  /** Gives folders their CIDs; while files are being hashed it waits for them. */
  async #build(): Promise<void> {
    await this.#building;
    const { folders } = this.#options;
    if (!folders.stale || this.#closing.signal.aborted) return;
    const began = performance.now();
    this.#building = folders
      .refresh(this.#closing.signal)
      .then((whole) => {
        if (!whole) return;
        this.#building = undefined;
        this.#unread.settle();
        this.teller.now(true);
      })
      .catch((thrown: unknown) => this.#report(thrown))
      .finally(() => {
        this.#building = undefined;
        this.#lastBuild = performance.now();
        this.#buildMs = this.#lastBuild - began;
        if (folders.stale) this.#buildSoon();
      });
    await this.#building;
  }

  /** Sets a timer, unless there is one for the same purpose. */
  #after(purpose: string, ms: number, run: () => void): void {
    if (this.#timers.has(purpose) || this.#closing.signal.aborted) return;
    const timer = setTimeout(() => {
      this.#timers.delete(purpose);
      run();
    }, ms).unref();
    this.#timers.set(purpose, timer);
  }

  async #pause(ms: number): Promise<void> {
    this.#wake = new AbortController();
    await sleep(ms, undefined, { signal: this.#wake.signal, ref: false }).catch(() => undefined);
    this.#wake = undefined;
  }

  /** One scan at a time: a call during one waits for that one. */
  #scan(roots: readonly Root[], build = false): Promise<void> {
    this.#running ??= this.#scanNow(roots, build);
    return this.#running;
  }

  async #scanNow(roots: readonly Root[], build: boolean): Promise<void> {
    const began = performance.now();
    const { stats } = this.scanner;
    this.#began = { at: began, hashed: stats.hashed, bytes: this.#hasher.bytes };
    let said = began;
    let spoke = false;
    const during = setInterval(() => {
      const now = performance.now();
      const long = this.#hasher.bytes > this.#began.bytes && now - began > LIBRARY.sayScanningMs;
      this.teller.now(long !== this.#long);
      this.#long = long;
      if (!long || now - said < LIBRARY.progressMs) return;
      said = now;
      spoke = true;
      this.#say(false);
    }, LIBRARY.changeScanMs).unref();
    const whole = roots.length === this.#options.roots.length;
    if (whole) this.#watcher?.begin();
    try {
      await this.scanner.scan([...roots]);
      if (whole) this.#lastWhole = performance.now();
      // Files and their folders are told together, unless folders change too often for what they cost.
      const cheap = performance.now() - this.#lastBuild >= this.#buildMs * LIBRARY.foldersShare;
      if (build || cheap) await this.#build();
    } catch (thrown) {
      this.#report(thrown);
    } finally {
      clearInterval(during);
      if (spoke) this.#say(true);
      this.#prune();
      this.#running = undefined;
      const unread = this.scanning();
      this.#scanned = true;
      this.#long = false;
      this.teller.now(unread);
      if (this.#options.folders.stale) this.#buildSoon();
    }
  }

  #prune(): void {
    this.#watcher?.prune((folder) => this.#options.folders.has(folder) || this.#isRoot(folder));
  }

  #isRoot(folder: string): boolean {
    return this.#options.roots.some(
      ({ key, path, hidden }) =>
        !this.scanner.missing.has(key) && (folder === path || (hidden && folder.startsWith(`${path}/`))),
    );
  }

  #say(done: boolean): void {
    const { emit, who, catalog } = this.#options;
    const { stats } = this.scanner;
    emit({
      type: done ? 'library.scanned' : 'library.scanning',
      who,
      files: catalog.size,
      hashed: stats.hashed - this.#began.hashed,
      bytes: this.#hasher.bytes - this.#began.bytes,
      seconds: (performance.now() - this.#began.at) / 1000,
    });
  }

  #reportFull(why: unknown): void {
    const { emit, who } = this.#options;
    const error = new KelanaError('WATCH_LIMIT', {
      why: asKelanaError(why).message,
      ms: this.#options.rescanMs,
    });
    emit({ type: 'error', who, code: error.code, detail: error.message, params: error.params });
  }

  #report(thrown: unknown): void {
    const { code, message: detail, params } = asKelanaError(thrown);
    this.#options.emit({ type: 'error', who: this.#options.who, code, detail, params });
  }
}
