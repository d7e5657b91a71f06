import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { escapeText } from '../src/core/render/escape.ts';
import { filesBelow } from './support/basics.ts';
import { CID, manifest, SMALL, withHolder } from './support/holder.ts';
import { sayBlock } from './support/hostile.ts';
import { get } from './testnet.ts';

/** Names as a hostile holder gives them; asked for by CID, so that any name is an answer. */
const NAMES: readonly (readonly [string, string | null])[] = [
  ['../../etc/passwd', null],
  ['/etc/passwd', null],
  ['..', null],
  ['a/../../b', null],
  ['..\\..\\b', null],
  ['contoh.txt\0.exe', null],
  ['baris\nbaru', null],
  ['.kelana-x', null],
  ['x'.repeat(300), null],
  ['\u202egnp.exe', null],
  ['-rf', '-rf'],
  ['🦜 kelana 🌏.txt', '🦜 kelana 🌏.txt'],
  ['folder/dalam.txt', 'dalam.txt'],
];

for (const [name, stored] of NAMES) {
  test(`a hit named '${escapeText(name.slice(0, 40))}' is ${stored === null ? 'refused' : 'stored in the downloads folder'}`, async () => {
    await withHolder(
      { name },
      (frame, stream) => {
        if (!manifest(frame, stream)) sayBlock(stream, { type: 'data', index: 0, bytes: SMALL, last: true });
      },
      async (node) => {
        const before = await filesBelow(dirname(node.folder));
        const got = await get(node, { kind: 'cid', cid: CID });
        const after = await filesBelow(dirname(node.folder));
        // The node remembers its neighbours meanwhile.
        const own = join('node0', 'data', 'neighbours.json');
        const added = after.filter((file) => !before.includes(file) && file !== own);
        const place = join('node0', 'downloaded', stored ?? '');
        assert.deepEqual(added, stored === null ? [] : [place]);
        if (stored === null) assert.equal(got.type === 'failed' && got.error.code, 'BAD_NAME');
      },
    );
  });
}
