import assert from 'node:assert/strict';
import test from 'node:test';
import { LANGS } from '../core/lang.ts';
import type { Ground, SearchOutcome } from '../core/ports.ts';
import { verdictText } from './verdict-text.ts';

const outcome: SearchOutcome = {
  verdict: 'absent',
  ground: 'all-nodes',
  strategy: 'walk',
  asked: 3,
  missing: [],
  missingCount: 0,
  messages: 6,
  elapsedMs: 12.34,
};
const said = (more: Partial<SearchOutcome>, lang: 'id' | 'en' = 'en', name = 'x'): string =>
  verdictText({ ...outcome, ...more }, name, lang);

test('what was found or proved absent says who was asked, and how', () => {
  assert.equal(said({ verdict: 'found', ground: 'found', asked: 1 }), 'Done: 1 node asked, 12 ms');
  assert.equal(
    said({ verdict: 'found', ground: 'found', strategy: 'groups' }, 'id'),
    'Selesai: 3 node diperiksa lewat sidik namanya, 12 ms',
  );
  assert.match(
    said({}),
    /^'x' does not exist here: all 3 reachable nodes were asked and none has it \(12 ms\)$/,
  );
  assert.match(said({ asked: 1 }), /the one reachable node was asked and does not have it/);
  const prints = { ground: 'all-prints', strategy: 'groups' } as const;
  assert.match(said(prints), /the name prints of all 3 other nodes were looked through and nothing matches/);
  assert.match(said(prints, 'id'), /sidik nama semua 3 node lain sudah diperiksa/);
  assert.match(said({ asked: 0 }), /no neighbour to ask\.\n {2}→ Add one: kelana peers add/);
});

test('a node that is cut off asked nobody', () => {
  const alone = { verdict: 'incomplete', ground: 'alone', asked: 1, missing: ['10.0.0.1:5001'] } as const;
  assert.match(said(alone), /was not found \(12 ms\), but this node is cut off from all that it knows: 10/);
  assert.match(said(alone, 'id'), /tidak ditemukan \(12 ms\), tetapi node ini terputus/);
});

test('IPFS nodes that were asked as well are named apart from those of kelana', () => {
  assert.equal(
    said({ verdict: 'found', ground: 'found', asked: 0, ipfs: 1 }),
    'Done: 1 IPFS node asked, 12 ms',
  );
  assert.equal(
    said({ verdict: 'found', ground: 'found', ipfs: 2 }, 'id'),
    'Selesai: 3 node ditanya, juga 2 node IPFS, 12 ms',
  );
  assert.match(
    said({ asked: 0, ipfs: 2 }),
    /^'x' does not exist here: 2 IPFS nodes asked, without it \(12 ms\)$/,
  );
  assert.match(said({ ipfs: 1 }), /none has it \(12 ms\)\n {2}Nor is it at 1 IPFS node asked$/);
  assert.match(said({ ipfs: 1 }, 'id'), /\n {2}Juga tidak di 1 node IPFS yang ditanya$/);
});

test('what is not certain says what is missing and the next step, for every ground in both languages', () => {
  const grounds: readonly Ground[] = [
    'lost',
    'time',
    'cancelled',
    'unsynced',
    'scanning',
    'refused',
    'alone',
    'no-proof',
  ];
  for (const lang of LANGS) {
    const texts = grounds.map((ground) =>
      said({ verdict: 'incomplete', ground, missing: ['a:1', 'b\u001b:2'], strategy: 'flood' }, lang),
    );
    assert.equal(new Set(texts).size, grounds.length);
    for (const [at, text] of texts.entries()) {
      assert.match(text, lang === 'id' ? /^Belum pasti: 'x'/ : /^Not certain: 'x'/);
      assert.match(text, /\n {2}→ \S/);
      assert.ok(!text.includes('\u001b'));
      if (grounds[at] !== 'no-proof') assert.match(text, /a:1, b\\u\{1b\}:2/);
    }
  }
  assert.match(said({ verdict: 'incomplete', ground: 'time' }), /before some nodes had answered/);
  assert.match(
    said({ verdict: 'incomplete', ground: 'no-proof', strategy: 'ring' }),
    /ring never proves.*\n.*--strategy walk/,
  );
});

test('nothing in a query acts on the terminal', () => {
  assert.ok(!said({}, 'en', 'a\u001b[2J\n').includes('\u001b'));
});

test('names that were left out are counted', () => {
  const more = {
    verdict: 'incomplete',
    ground: 'lost',
    missing: ['a:1', 'b:2'],
    missingCount: 1_002,
  } as const;
  assert.match(said(more), /a:1, b:2 and 1,000 more/);
  assert.match(said(more, 'id'), /a:1, b:2 dan 1\.000 lainnya/);
});
