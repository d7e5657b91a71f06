import { CID } from 'multiformats/cid';
import { FOLDER } from '../core/config.ts';
import type { Holding, Query } from '../core/ports.ts';
import { matcherOf } from '../core/search/query.ts';
import { wordsOf } from '../core/search/words.ts';
import { parseCid } from '../core/transfer/cid.ts';
import { folderSteps, type FolderEntry } from '../core/transfer/directory.ts';
import { nodesOf } from '../core/transfer/tree.ts';
import { totalOf } from '../core/transfer/tsize.ts';
import type { CatalogWatcher, Entry } from './catalog.ts';
import { sha256 } from './hash.ts';
import { Slice } from './slice.ts';

/** A folder as a UnixFS directory, as it was when it was built. */
interface Built {
  readonly cid: CID;
  readonly total: number;
  /** Its own nodes, root first. */
  readonly nodes: readonly Uint8Array[];
  readonly below: readonly Built[];
  /** Files and bytes of them in it and below. */
  readonly files: number;
  readonly bytes: number;
  /** Files and folders, and bytes of all nodes, in it and below. */
  readonly entries: number;
  readonly nodeBytes: number;
}

interface Folder {
  readonly path: string;
  /** As a holding: below the shared folder; of that folder its base name. */
  readonly name: string;
  /** Key of the shared folder. */
  readonly root: string;
  readonly above: Folder | null;
  readonly files: Map<string, Entry>;
  readonly folders: Map<string, Folder>;
  /** Counts changes in it and below. */
  changes: number;
  /** `changes` at which `built` was made. */
  builtAt: number;
  built: Built | null;
  /** Number of the last scan that saw it. */
  seen: number;
}

/**
 * The shared folders and all below them, each with the CID of its content. What changed is built anew on `refresh`, in
 * slices between which the process does other things; until then a folder answers under the CID it had.
 */
export class Folders implements CatalogWatcher {
  readonly #byPath = new Map<string, Folder>();
  readonly #roots = new Map<string, Folder>();
  /** Nodes of the folder that was asked for last, by what was built. */
  #collected: { readonly top: object; readonly nodes: readonly Uint8Array[] } | null = null;
  #byCid = new Map<string, Folder>();
  #byName = new Map<string, Folder[]>();
  /** By the words of the base name, and by those of the path below the shared folder. */
  #byWords = new Map<string, Folder[]>();
  #list: readonly Holding[] = [];
  #stale = false;
  /** Keys of shared folders that are none to others: that of uploads. */
  readonly #excluded: ReadonlySet<string>;

  constructor(excluded: ReadonlySet<string> = new Set()) {
    this.#excluded = excluded;
  }

  /** Something changed since the last refresh. */
  get stale(): boolean {
    return this.#stale;
  }

  /** A folder that a scan meets: `path` is the shared one or lies below it. */
  seen(root: string, path: string, scan: number): void {
    if (this.#excluded.has(root)) return;
    for (let folder: Folder | null = this.#make(root, path); folder !== null; folder = folder.above)
      folder.seen = scan;
  }

  /** Forgets folders of these roots (all where none are given) that were not seen since this scan began. */
  prune(scan: number, roots: ReadonlySet<string>): void {
    for (const folder of this.#byPath.values())
      if (folder.seen < scan && roots.has(folder.root) && folder.files.size === 0) this.#drop(folder);
  }

  has(path: string): boolean {
    return this.#byPath.has(path);
  }

  /** Files in a folder and below it. */
  *entriesBelow(path: string): Generator<Entry> {
    const folder = this.#byPath.get(path);
    if (folder === undefined) return;
    yield* folder.files.values();
    for (const below of folder.folders.values()) yield* this.entriesBelow(below.path);
  }

  /** Forgets a folder and all below it. Its files must have been removed from the catalog. */
  remove(path: string): void {
    const folder = this.#byPath.get(path);
    if (folder === undefined) return;
    for (const below of folder.folders.values()) this.remove(below.path);
    this.#drop(folder);
  }

  added(entry: Entry): void {
    const [folder, name] = this.#placeOf(entry);
    if (folder === null) return;
    folder.files.set(name, entry);
    this.#touch(folder);
  }

  removed(entry: Entry): void {
    const [folder, name] = this.#placeOf(entry);
    if (folder?.files.get(name) !== entry) return;
    folder.files.delete(name);
    this.#touch(folder);
  }

  /** The folders of a query by CID, exact name, or words that are all of the name: other words find the files in them. */
  lookup(query: Query): readonly Holding[] {
    if (query.kind === 'glob') return [];
    const { matches } = matcherOf(query);
    const found =
      query.kind === 'name'
        ? (this.#byName.get(query.name.normalize('NFC')) ?? [])
        : query.kind === 'words'
          ? (this.#byWords.get(query.words.join(' ')) ?? [])
          : [this.#byCid.get(parseCid(query.cid)?.text ?? '')];
    return found.flatMap((folder) => (folder === undefined ? [] : holdingOf(folder))).filter(matches);
  }

  cidAt(path: string): string | null {
    return this.#byPath.get(path)?.built?.cid.toString() ?? null;
  }

  list(): readonly Holding[] {
    return this.#list;
  }

  /** All nodes of a folder and those below it, root first, breadth first, each once; null where there is none. */
  manifest(cid: string): readonly Uint8Array[] | null {
    const top = this.#byCid.get(cid)?.built;
    if (top === undefined || top === null) return null;
    // Whoever asks for one node after the other, or for the same again, has them collected once.
    if (this.#collected?.top !== top) this.#collected = { top, nodes: nodesOf(top) };
    return this.#collected.nodes;
  }

  /** Builds what changed. False where the signal ended it early. */
  async refresh(signal: AbortSignal): Promise<boolean> {
    this.#stale = false;
    const slice = new Slice();
    for (const root of this.#roots.values())
      if ((await this.#build(root, slice, signal)) === null) return false;
    const list: Holding[] = [];
    this.#byCid = new Map();
    this.#byName = new Map();
    this.#byWords = new Map();
    for (const folder of this.#byPath.values()) {
      const holding = holdingOf(folder)[0];
      if (holding === undefined) continue;
      if (!this.#byCid.has(holding.cid)) this.#byCid.set(holding.cid, folder);
      for (const key of keysOf(holding.name)) put(this.#byName, key, folder);
      for (const words of new Set(keysOf(holding.name).map((key) => wordsOf(key).join(' '))))
        put(this.#byWords, words, folder);
      list.push(holding);
    }
    this.#list = list;
    return true;
  }

  async #build(folder: Folder, slice: Slice, signal: AbortSignal): Promise<Built | null> {
    if (folder.built !== null && folder.builtAt === folder.changes) return folder.built;
    const { changes } = folder;
    const entries: FolderEntry[] = [];
    const below: Built[] = [];
    const sum = { files: folder.files.size, bytes: 0, entries: folder.files.size, nodeBytes: 0 };
    for (const [name, inner] of folder.folders) {
      const built = await this.#build(inner, slice, signal);
      if (built === null) return null;
      below.push(built);
      entries.push({ name, cid: built.cid, total: built.total });
      sum.files += built.files;
      sum.bytes += built.bytes;
      sum.entries += built.entries + 1;
      sum.nodeBytes += built.nodeBytes;
    }
    for (const [name, entry] of folder.files) {
      sum.bytes += entry.size;
      entries.push({ name, cid: CID.parse(entry.cid), total: totalOf(entry.size) });
      if (slice.over) await slice.next();
    }
    const steps = folderSteps(entries, sha256);
    let step = steps.next();
    for (; step.done !== true; step = steps.next()) {
      if (slice.over) await slice.next();
      if (signal.aborted) return null;
    }
    const nodeBytes = step.value.nodes.reduce((bytes, node) => bytes + node.length, sum.nodeBytes);
    const built: Built = { ...step.value, ...sum, nodeBytes, below };
    // What changed meanwhile has made the folder stale again, and all above it.
    folder.built = built;
    folder.builtAt = changes;
    if (slice.over) await slice.next();
    return signal.aborted ? null : built;
  }

  #placeOf({ path, root }: Entry): readonly [Folder | null, string] {
    const slash = path.lastIndexOf('/');
    const folder = path.slice(0, slash) || '/';
    // A file that was shared alone stands in no shared folder.
    if (path === root || this.#excluded.has(root)) return [null, ''];
    return [this.#make(root, folder), path.slice(slash + 1)];
  }

  #make(root: string, path: string): Folder {
    const there = this.#byPath.get(path);
    if (there !== undefined) return there;
    const slash = path.lastIndexOf('/');
    const above = path === root ? null : this.#make(root, path.slice(0, slash) || '/');
    const base = path.slice(slash + 1);
    const name = above === null ? base : path.slice(root === '/' ? 1 : root.length + 1);
    const folder: Folder = {
      path,
      name,
      root,
      above,
      files: new Map(),
      folders: new Map(),
      changes: 1,
      builtAt: 0,
      built: null,
      seen: 0,
    };
    this.#byPath.set(path, folder);
    if (above === null) this.#roots.set(path, folder);
    else above.folders.set(base, folder);
    this.#touch(folder);
    return folder;
  }

  #drop(folder: Folder): void {
    this.#byPath.delete(folder.path);
    this.#roots.delete(folder.path);
    folder.above?.folders.delete(folder.path.slice(folder.path.lastIndexOf('/') + 1));
    this.#stale = true;
    if (folder.above !== null) this.#touch(folder.above);
  }

  #touch(folder: Folder): void {
    this.#stale = true;
    for (let at: Folder | null = folder; at !== null; at = at.above) at.changes += 1;
  }
}

/** One holding, or none where the folder has no CID yet or is too large to be given to anybody. */
function holdingOf({ name, built }: Folder): readonly Holding[] {
  if (built === null || name === '') return [];
  if (built.entries > FOLDER.maxEntries || built.nodeBytes > FOLDER.maxBytes) return [];
  return [{ name, size: built.bytes, cid: built.cid.toString(), kind: 'folder', files: built.files }];
}

function keysOf(name: string): readonly string[] {
  const whole = name.normalize('NFC');
  const slash = whole.lastIndexOf('/');
  return slash < 0 ? [whole] : [whole, whole.slice(slash + 1)];
}

function put(map: Map<string, Folder[]>, key: string, folder: Folder): void {
  const others = map.get(key);
  if (others === undefined) map.set(key, [folder]);
  else others.push(folder);
}
