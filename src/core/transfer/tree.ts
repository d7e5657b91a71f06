import { CID } from 'multiformats/cid';
import type { Sha256 } from './cid.ts';
import { folderSteps, type BuiltFolder, type FolderEntry } from './directory.ts';
import { totalOf } from './tsize.ts';

/** A folder with all that is below it. */
export interface FolderTree {
  /** CIDv1, base32. */
  readonly cid: string;
  /** The nodes of all folders in it, the root first, breadth first, each once: what a receiver asks for first. */
  readonly nodes: readonly Uint8Array[];
  /** Files and folders below it. */
  readonly entries: number;
}

interface Branch {
  readonly files: Map<string, { readonly cid: string; readonly size: number }>;
  readonly folders: Map<string, Branch>;
}

interface Built extends BuiltFolder {
  readonly below: readonly Built[];
}

/**
 * The directory of these files, whose names are paths below it with `/`, and of these further folders (paths too), which
 * may be empty. In steps of some milliseconds at most, for a caller that has other things to do between them.
 */
export function* treeSteps(
  files: Iterable<{ readonly name: string; readonly cid: string; readonly size: number }>,
  folders: Iterable<string>,
  sha256: Sha256,
): Generator<undefined, FolderTree, undefined> {
  const top: Branch = { files: new Map(), folders: new Map() };
  let entries = 0;
  const branch = (path: readonly string[]): Branch => {
    let at = top;
    for (const segment of path) {
      const there = at.folders.get(segment);
      if (there === undefined) entries += 1;
      const next = there ?? { files: new Map(), folders: new Map() };
      at.folders.set(segment, next);
      at = next;
    }
    return at;
  };
  for (const path of folders) branch(path.split('/'));
  for (const { name, cid, size } of files) {
    const path = name.split('/');
    branch(path.slice(0, -1)).files.set(path.at(-1) ?? '', { cid, size });
    entries += 1;
    if (entries % STEP === 0) yield undefined;
  }
  const built = yield* build(top, sha256);
  return { cid: built.cid.toString(), nodes: nodesOf(built), entries };
}

function* build(branch: Branch, sha256: Sha256): Generator<undefined, Built, undefined> {
  const below: Built[] = [];
  const entries: FolderEntry[] = [];
  for (const [name, inner] of branch.folders) {
    const built = yield* build(inner, sha256);
    below.push(built);
    entries.push({ name, cid: built.cid, total: built.total });
  }
  for (const [name, { cid, size }] of branch.files) {
    entries.push({ name, cid: CID.parse(cid), total: totalOf(size) });
    if (entries.length % STEP === 0) yield undefined;
  }
  yield undefined;
  return { ...(yield* folderSteps(entries, sha256)), below };
}

/** Files looked at between two steps. */
const STEP = 256;

interface WithBelow {
  readonly cid: CID;
  /** Its own nodes, root first. */
  readonly nodes: readonly Uint8Array[];
  readonly below: readonly WithBelow[];
}

/** All nodes of a folder and those below it, root first, breadth first, those of equal folders once. */
export function nodesOf(top: WithBelow): readonly Uint8Array[] {
  const seen = new Set<string>();
  const nodes: Uint8Array[] = [];
  const queue = [top];
  for (const built of queue) {
    const key = built.cid.toString();
    if (seen.has(key)) continue;
    seen.add(key);
    nodes.push(...built.nodes);
    queue.push(...built.below);
  }
  return nodes;
}
