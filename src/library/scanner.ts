import { LIBRARY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { shownName } from '../core/names.ts';
import type { Catalog } from './catalog.ts';
import { cannotRead, isGone } from './files.ts';
import { hashFile, type Hashed } from './hash.ts';
import type { IndexStore } from './index-store.ts';
import { walk, type Found } from './walk.ts';

export interface Root {
  /** Absolute, links resolved. */
  readonly path: string;
  /** Files whose names begin with a dot are shared too: in the folder for uploads. */
  readonly hidden: boolean;
}

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

interface Scan {
  readonly number: number;
  readonly lanes: Set<Promise<void>>;
  refused: number;
  postponed: number;
  firstRefused: string | null;
  walkMs: number;
}

export interface ScannerOptions {
  readonly catalog: Catalog;
  readonly store: IndexStore;
  readonly skip: ReadonlySet<string>;
  readonly emit: Emit;
  readonly who: string;
  readonly now: () => number;
  readonly signal: AbortSignal;
}

/** Brings the catalog in line with what is on the disk. */
export class Scanner {
  readonly stats: ScanStats = { scans: 0, hashed: 0, hashedBytes: 0, refused: 0, postponed: 0, walkMs: 0 };
  /** Of the scan that runs or ran last; an entry made while it runs belongs to it. */
  number = 0;
  readonly #options: ScannerOptions;
  readonly #reported = new Set<string>();
  #busy = 0;

  constructor(options: ScannerOptions) {
    this.#options = options;
  }

  /** Never throws for what a folder holds: it reports and goes on. */
  async scan(roots: readonly Root[]): Promise<void> {
    const { catalog, store, skip, signal } = this.#options;
    this.number += 1;
    const scan: Scan = {
      number: this.number,
      lanes: new Set(),
      refused: 0,
      postponed: 0,
      firstRefused: null,
      walkMs: 0,
    };
    for (const root of roots) {
      const found = walk(root.path, {
        skip,
        hidden: root.hidden,
        signal,
        refused: (name, why) => {
          scan.refused += 1;
          scan.firstRefused ??= `'${shownName(name)}': ${why.en}`;
        },
        unreadable: (path, thrown) => this.#report(path, cannotRead(path, thrown)),
      });
      for (;;) {
        const before = performance.now();
        const batch = await found.next();
        scan.walkMs += performance.now() - before;
        if (batch.done === true) break;
        for (const file of batch.value) await this.#visit(root, file, scan);
      }
    }
    await Promise.all(scan.lanes);
    if (signal.aborted) return;
    for (const entry of catalog.entries()) {
      if (entry.seen < scan.number) {
        catalog.remove(entry);
        this.#remember(entry.path, null);
      }
    }
    this.#guard(() =>
      scan.number === 1 ? store.prune((path) => catalog.at(path) !== undefined) : store.flush(),
    );
    if (scan.refused > 0 && scan.refused !== this.stats.refused) {
      const detail = `${scan.refused} file names cannot be shared; the first is ${scan.firstRefused ?? ''}`;
      const why = {
        id: `seluruhnya ${scan.refused} nama berkas tidak bisa dibagikan`,
        en: `${scan.refused} file names in all cannot be shared`,
      };
      const params = { name: scan.firstRefused ?? '', why };
      this.#options.emit({ type: 'error', who: this.#options.who, code: 'BAD_NAME', detail, params });
    }
    const { refused, postponed, walkMs } = scan;
    Object.assign(this.stats, { refused, postponed, walkMs, scans: this.stats.scans + 1 });
  }

  /** Makes a file visible that was hashed elsewhere (an upload). */
  add(root: Root, path: string, hashed: Hashed): void {
    this.#enter(root, path, hashed);
    this.#remember(path, hashed);
  }

  /** Files are being read right now. */
  get hashing(): boolean {
    return this.#busy > 0;
  }

  async #visit(root: Root, file: Found, scan: Scan): Promise<void> {
    const { catalog, store, now } = this.#options;
    const entry = catalog.at(file.path);
    if (entry?.identity === file.identity) {
      entry.seen = scan.number;
      return;
    }
    if (entry !== undefined) catalog.remove(entry);
    if (catalog.size + scan.lanes.size >= LIBRARY.maxFiles) {
      const params = { path: root.path, max: LIBRARY.maxFiles, flag: '--share' };
      this.#report(root.path, new KelanaError('TOO_MANY_FILES', params));
      return;
    }
    const known = this.#guard(() => store.get(file.path, file.identity)) ?? null;
    if (known !== null) {
      this.#enter(root, file.path, known);
      return;
    }
    // A write within the same tick of the file system's clock would not change the time we compare.
    const age = now() - file.modifiedMs;
    if (age >= 0 && age < LIBRARY.settleMs) {
      scan.postponed += 1;
      return;
    }
    while (scan.lanes.size >= LIBRARY.hashLanes) await Promise.race(scan.lanes);
    if (this.#options.signal.aborted) return;
    this.#busy += 1;
    const work: Promise<void> = this.#hash(root, file, scan).finally(() => {
      this.#busy -= 1;
      scan.lanes.delete(work);
    });
    scan.lanes.add(work);
  }

  async #hash(root: Root, file: Found, scan: Scan): Promise<void> {
    try {
      const hashed = await hashFile(file.path, this.#options.signal);
      if (hashed === 'changing') scan.postponed += 1;
      else if (hashed === 'too-large')
        this.#report(file.path, cannotRead(file.path, new Error('larger than 1 TiB')));
      if (typeof hashed !== 'object') return;
      this.stats.hashed += 1;
      this.stats.hashedBytes += hashed.size;
      this.#reported.delete(file.path);
      if (!this.#options.signal.aborted) this.add(root, file.path, hashed);
    } catch (thrown) {
      if (!isGone(thrown)) this.#report(file.path, cannotRead(file.path, thrown));
    }
  }

  #enter(root: Root, path: string, { size, cid, identity, digests }: Hashed): void {
    const name = path.slice(root.path === '/' ? 1 : root.path.length + 1);
    const entry = { name, path, root: root.path, size, cid, identity, digests, seen: this.number };
    this.#options.catalog.add(entry);
  }

  #remember(path: string, hashed: Hashed | null): void {
    this.#guard(() => this.#options.store.put(path, hashed));
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
      this.#report('index.db', error);
      return undefined;
    }
  }

  #report(path: string, error: KelanaError): void {
    if (this.#reported.has(path)) return;
    if (this.#reported.size >= LIBRARY.maxReported) this.#reported.clear();
    this.#reported.add(path);
    const { emit, who } = this.#options;
    emit({ type: 'error', who, code: error.code, detail: error.message, params: error.params });
  }
}
