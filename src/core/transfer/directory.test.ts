import assert from 'node:assert/strict';
import { createHash, hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { importer, type ImportCandidate } from 'ipfs-unixfs-importer';
import type { CID } from 'multiformats/cid';
import { FOLDER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { cidOf, DAG_PB, RAW, type Sha256 } from './cid.ts';
import { buildFolder, type FolderEntry } from './directory.ts';
import { verifyListing } from './listing.ts';
import { buildManifest } from './manifest.ts';
import { sameBytes } from './layout.ts';
import { linkBytes, sizeFrom, totalOf } from './tsize.ts';

const sha256: Sha256 = (bytes) => hash('sha256', bytes, 'buffer');
const MiB = 1024 * 1024;

/** Files by path; null is an empty folder. */
type Tree = ReadonlyMap<string, Uint8Array | null>;

/** Root CID by `ipfs-unixfs-importer` with the profile that is promised. */
async function imported(tree: Tree): Promise<string> {
  const source: ImportCandidate[] = [...tree].map(([path, content]) =>
    content === null ? { path } : { path, content },
  );
  const blockstore = { put: (cid: CID) => cid };
  let root = '';
  for await (const entry of importer(source, blockstore, {
    profile: 'unixfs-v1-2025',
    wrapWithDirectory: true,
  }))
    root = entry.cid.toString();
  return root;
}

function digestsOf(content: Uint8Array): Uint8Array {
  const digests: Buffer[] = [];
  for (let at = 0; at === 0 || at < content.length; at += MiB)
    digests.push(
      createHash('sha256')
        .update(content.subarray(at, at + MiB))
        .digest(),
    );
  return Buffer.concat(digests);
}

function fileEntry(name: string, content: Uint8Array): FolderEntry {
  const digests = digestsOf(content);
  const cid =
    digests.length === 32
      ? cidOf(RAW, digests)
      : cidOf(DAG_PB, sha256(buildManifest(digests, content.length, sha256).nodes[0] ?? digests));
  return { name, cid, total: totalOf(content.length) };
}

interface Built {
  readonly entry: FolderEntry;
  readonly nodes: readonly Uint8Array[];
}

/** The same tree by kelana, folder by folder from the bottom up. */
function built(tree: Tree, name = '', below = ''): Built {
  const entries: FolderEntry[] = [];
  const nodes: Uint8Array[] = [];
  const folders = new Set<string>();
  for (const [path, content] of tree) {
    if (!path.startsWith(below)) continue;
    const rest = path.slice(below.length);
    const slash = rest.indexOf('/');
    if (slash >= 0) folders.add(rest.slice(0, slash));
    else if (content === null) folders.add(rest);
    else entries.push(fileEntry(rest, content));
  }
  for (const folder of folders) {
    const { entry, nodes: more } = built(tree, folder, `${below}${folder}/`);
    entries.push(entry);
    nodes.push(...more);
  }
  const own = buildFolder(entries, sha256);
  return { entry: { name, cid: own.cid, total: own.total }, nodes: [...own.nodes, ...nodes] };
}

function rootOf(tree: Tree): { cid: string; nodes: readonly Uint8Array[] } {
  const { entry, nodes } = built(tree);
  // A node that stands in several places is sent once.
  return {
    cid: entry.cid.toString(),
    nodes: [...new Map(nodes.map((one) => [one.toString(), one])).values()],
  };
}

const text = (content: string): Uint8Array => new TextEncoder().encode(content);
const many = (count: number, name: (at: number) => string): Tree =>
  new Map(Array.from({ length: count }, (_, at) => [name(at), text(`content ${at}`)]));

const TREES: Readonly<Record<string, Tree>> = {
  'one file': new Map([['contoh.txt', text('isi contoh')]]),
  'an empty file': new Map([['empty', new Uint8Array(0)]]),
  nested: new Map([
    ['a/b/c/d.txt', text('deep')],
    ['a/b.txt', text('b')],
    ['a/b/c.txt', text('c')],
    ['z.txt', text('z')],
  ]),
  'empty folders': new Map<string, Uint8Array | null>([
    ['full/a.txt', text('a')],
    ['none', null],
    ['full/none', null],
  ]),
  'names in the order of their bytes': new Map(
    ['b', 'B', 'a', 'ä', 'Z', '~', '-', '10', '9', '日本', '😀', '\uffee', 'a b', 'a.b', 'a-b'].map(
      (name) => [name, text(name)],
    ),
  ),
  'large files': new Map([
    ['one.bin', new Uint8Array(MiB)],
    ['two.bin', new Uint8Array(MiB + 1).fill(7)],
    ['three/five.bin', new Uint8Array(5 * MiB).fill(3)],
  ]),
  '5,000 files': many(5_000, (at) => `file number ${at}.txt`),
  'long names below': many(1_500, (at) => `x/${'long '.repeat(30)}${at}`),
  'a sharded folder with folders in it': new Map([
    ...many(1_600, (at) => `${'日本 '.repeat(15)}${at}.jpg`),
    ...many(40, (at) => `album ${at % 7}/photo ${at}.jpg`),
  ]),
};

for (const [name, tree] of Object.entries(TREES)) {
  test(`a folder has the CID that ipfs-unixfs-importer gives it: ${name}`, async () => {
    const { cid, nodes } = rootOf(tree);
    assert.equal(cid, await imported(tree));
    const { files, folders } = verifyListing(cid, nodes, sha256);
    const expected = [...tree].flatMap(([path, content]) =>
      content === null ? [] : [{ path, cid: fileEntry('', content).cid.toString(), size: content.length }],
    );
    for (const { path, digest } of files) {
      const content = tree.get(path) ?? new Uint8Array();
      assert.ok(
        content.length > MiB ? digest === null : digest !== null && sameBytes(digest, sha256(content)),
      );
    }
    const byPath = (one: { path: string }, other: { path: string }): number =>
      one.path < other.path ? -1 : 1;
    const listed = files.map(({ path, cid: text, size }) => ({ path, cid: text, size }));
    assert.deepEqual(listed.toSorted(byPath), expected.toSorted(byPath));
    const above = [...tree].flatMap(([path, content]) => {
      const segments = path.split('/');
      return segments.map((_, at) => segments.slice(0, at + (content === null ? 1 : 0)).join('/'));
    });
    assert.deepEqual(new Set(folders), new Set(above.filter((path) => path !== '')));
  });
}

test('a folder is sharded above 256 KiB and not at it, as the importer does', async () => {
  const one = linkBytes(100, 7);
  const count = Math.floor((FOLDER.shardBytes - 4) / one) - 1;
  const room = FOLDER.shardBytes - 4 - (count - 1) * one;
  let fill = 1;
  while (linkBytes(fill, 7) < room) fill += 1;
  assert.equal(linkBytes(fill, 7), room, 'the last name fills what is left to the byte');
  for (const over of [0, 1]) {
    const content = text('content');
    const tree: Tree = new Map([
      ...Array.from({ length: count - 1 }, (_, at): [string, Uint8Array] => [
        String(at).padStart(100, 'n'),
        content,
      ]),
      ['l'.repeat(fill + over), content],
    ]);
    const { cid, nodes } = rootOf(tree);
    assert.equal(nodes.length > 1, over === 1, `${over} bytes over`);
    if (over === 0) assert.equal(nodes[0]?.length, FOLDER.shardBytes);
    assert.equal(cid, await imported(tree));
  }
});

const segment = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter(
    (name) => !/[/\\\p{Cc}\p{Cs}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u.test(name) && !/^\.\.?$/.test(name),
  );
const trees = fc
  .array(fc.tuple(fc.array(segment, { minLength: 1, maxLength: 4 }), fc.uint8Array({ maxLength: 20 })), {
    maxLength: 30,
    minLength: 1,
  })
  .map((files) => {
    const tree = new Map<string, Uint8Array>();
    for (const [path, content] of files) {
      // A name is a file or a folder: the first use of it decides.
      const whole = path.join('/');
      const taken = [...tree.keys()];
      if (taken.some((one) => one === whole || one.startsWith(`${whole}/`) || whole.startsWith(`${one}/`)))
        continue;
      tree.set(whole, content);
    }
    return tree;
  });

test('any tree has the CID that the importer gives it, and reads back', async () => {
  await fc.assert(
    fc.asyncProperty(trees, async (tree) => {
      const { cid, nodes } = rootOf(tree);
      assert.equal(cid, await imported(tree));
      const { files } = verifyListing(cid, nodes, sha256);
      assert.deepEqual(files.map(({ path }) => path).toSorted(), [...tree.keys()].toSorted());
    }),
    { numRuns: 60 },
  );
});

test('the order of the entries does not matter', () => {
  const entries = Array.from({ length: 6_000 }, (_, at) => fileEntry(`name ${at}`, text(`${at}`)));
  const { cid } = buildFolder(entries, sha256);
  assert.equal(buildFolder(entries.toReversed(), sha256).cid.toString(), cid.toString());
});

test('the Tsize of a file follows from its size, and its size from the Tsize', () => {
  const sizes = fc.oneof(
    fc.integer({ min: 0, max: 3 * MiB }),
    fc.integer({ min: 1020 * MiB, max: 1030 * MiB }),
    fc.constantFrom(0, 1, MiB, MiB + 1, 1024 * MiB, 1024 * MiB + 1, 2 ** 40),
  );
  fc.assert(
    fc.property(sizes, (size) => {
      const total = totalOf(size);
      assert.equal(sizeFrom(total), size);
      if (size > 2 ** 31) return;
      const digests = new Uint8Array(32 * Math.max(1, Math.ceil(size / MiB)));
      const { nodes } = buildManifest(digests, size, sha256);
      assert.equal(
        total,
        nodes.reduce((sum, node) => sum + node.length, size),
      );
    }),
    { numRuns: 60 },
  );
  assert.equal(sizeFrom(totalOf(MiB + 1) - 1), null);
});

const refused = (code: string) => (thrown: unknown) => {
  assert.ok(thrown instanceof KelanaError, String(thrown));
  assert.equal(thrown.code, code, thrown.message);
  return true;
};

test('a listing with a node changed, left out, added or of another root is refused', () => {
  for (const tree of [TREES['nested'], TREES['5,000 files']]) {
    const { cid, nodes } = rootOf(tree ?? new Map());
    assert.throws(() => verifyListing(cid, [], sha256), refused('PEER_PROTOCOL'));
    assert.throws(() => verifyListing(cid, nodes.slice(1), sha256), refused('BAD_BLOCK'));
    const extra = buildFolder([fileEntry('extra', text('x'))], sha256).nodes;
    assert.throws(() => verifyListing(cid, [...nodes, ...extra], sha256), refused('PEER_PROTOCOL'));
    fc.assert(
      fc.property(fc.nat(), fc.nat(), fc.integer({ min: 1, max: 255 }), (which, where, by) => {
        const changed = nodes.map((node) => node.slice());
        const node = changed[which % changed.length] ?? new Uint8Array(1);
        node[where % node.length] = (node[where % node.length] ?? 0) ^ by;
        assert.throws(() => verifyListing(cid, changed, sha256), KelanaError);
      }),
      { numRuns: 15 },
    );
  }
  const { cid, nodes } = rootOf(TREES['5,000 files'] ?? new Map());
  assert.throws(() => verifyListing(cid, nodes.slice(0, -1), sha256), refused('PEER_PROTOCOL'));
  assert.throws(() => verifyListing(cid, nodes, sha256, { maxEntries: 4_999 }), refused('PEER_PROTOCOL'));
  assert.throws(() => verifyListing(fileEntry('', text('a')).cid.toString(), nodes, sha256), KelanaError);
});

test('a folder whose node was left out shows as a file, which no manifest will bear out', () => {
  const { cid, nodes } = rootOf(new Map([['folder/a.txt', text('a')]]));
  const { files } = verifyListing(cid, nodes.slice(0, 1), sha256);
  assert.deepEqual(
    files.map(({ path }) => path),
    ['folder'],
  );
});

test('no name of a listing leads out of its folder or stands in it twice', () => {
  const entry = fileEntry('a', text('a'));
  for (const name of [
    '..',
    '.',
    '',
    'a/b',
    '/etc/passwd',
    'a\\b',
    'x\ny',
    '\u202etxt.exe',
    'n'.repeat(256),
  ]) {
    const { cid, nodes } = buildFolder([{ ...entry, name }], sha256);
    assert.throws(() => verifyListing(cid.toString(), nodes, sha256), refused('BAD_NAME'), name);
  }
  const twice = buildFolder([entry, { ...fileEntry('a', text('b')) }], sha256);
  assert.throws(() => verifyListing(twice.cid.toString(), twice.nodes, sha256), refused('PEER_PROTOCOL'));
});

test('a few nodes that unfold into endless folders are refused in a moment', () => {
  let folder = buildFolder([fileEntry('a', text('a'))], sha256);
  const nodes = [...folder.nodes];
  for (let depth = 0; depth < 60; depth += 1) {
    const { cid, total } = folder;
    folder = buildFolder(
      ['0', '1'].map((name) => ({ name, cid, total: Math.min(total, 2 ** 30) })),
      sha256,
    );
    nodes.unshift(...folder.nodes);
  }
  const started = performance.now();
  assert.throws(() => verifyListing(folder.cid.toString(), nodes, sha256), refused('PEER_PROTOCOL'));
  assert.ok(performance.now() - started < 5_000);
});
