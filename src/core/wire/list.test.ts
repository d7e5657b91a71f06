import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { writer } from 'protons-runtime';
import { LIBRARY, LISTS } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Holding, SharedPage } from '../ports.ts';
import { delimit, FrameSplitter } from './lengths.ts';
import {
  compareEntries,
  decodeListAsk,
  decodeListPage,
  encodeListAsk,
  encodeListPage,
  entryBytes,
} from './list.ts';
import { tag } from './protobuf.ts';

const CID = 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e';
const FOLDER = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354';
const refused = { name: 'KelanaError', code: 'PEER_PROTOCOL' };

const name = fc
  .array(fc.stringMatching(/^[a-zA-Z0-9é語😀 _-]{1,8}$/u), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'));
const entry: fc.Arbitrary<Holding> = fc.oneof(
  fc.record({ name, size: fc.nat(Number.MAX_SAFE_INTEGER), cid: fc.constant(CID) }),
  fc.record({
    name,
    size: fc.nat(Number.MAX_SAFE_INTEGER),
    cid: fc.constant(FOLDER),
    kind: fc.constant('folder' as const),
    files: fc.nat(1_000),
  }),
);
// Plain objects, as the reader makes them.
const entries = fc
  .uniqueArray(entry, { maxLength: 60, selector: (one) => `${one.name}\0${one.cid}` })
  .map((all) => all.map((one): Holding => ({ ...one })).toSorted(compareEntries));
const pages: fc.Arbitrary<SharedPage> = fc
  .record({ entries, more: fc.boolean(), scanning: fc.boolean() })
  .map((page) => ({ ...page, more: page.more && page.entries.length >= LISTS.leastEntries }));

const pageOf = (...some: readonly Partial<Holding>[]): Uint8Array =>
  encodeListPage({
    entries: some.map((one) => ({ name: 'a', size: 1, cid: CID, ...one })),
    more: false,
    scanning: false,
  });

test('every page and request is read back as it was written', () => {
  fc.assert(fc.property(pages, (page) => assert.deepEqual(decodeListPage(encodeListPage(page), null), page)));
  fc.assert(
    fc.property(fc.option(fc.record({ name, cid: fc.constant(CID) })), (place) => {
      const after = place === null ? null : { ...place };
      assert.deepEqual(decodeListAsk(encodeListAsk({ after })), { after });
    }),
  );
});

test('pages are the same however their bytes are cut, at every byte', () => {
  fc.assert(
    fc.property(fc.array(pages, { minLength: 1, maxLength: 2 }), (sent) => {
      const bytes = Buffer.concat(sent.map((page) => delimit(encodeListPage(page))));
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        const splitter = new FrameSplitter(LISTS.maxFrameBytes);
        const read = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((part) =>
          [...splitter.push(part)].map((frame) => Buffer.from(frame)),
        );
        assert.deepEqual(
          read.map((frame) => frame.toString('hex')),
          sent.map((page) => Buffer.from(encodeListPage(page)).toString('hex')),
        );
      }
    }),
    { numRuns: 10 },
  );
});

test('any bytes, and any page or request cut or changed at any byte, are one or PEER_PROTOCOL, never another error', () => {
  const sound = (bytes: Uint8Array): void => {
    for (const read of [() => decodeListPage(bytes, null), () => decodeListAsk(bytes)])
      try {
        read();
      } catch (thrown) {
        assert.ok(thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL', String(thrown));
      }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), sound));
  fc.assert(
    fc.property(pages, fc.nat(255), (page, byte) => {
      const bytes = encodeListPage({ ...page, entries: page.entries.slice(0, 4) });
      for (let at = 0; at < bytes.length; at += 1) {
        sound(bytes.subarray(0, at));
        const changed = bytes.slice();
        changed[at] = byte;
        sound(changed);
      }
    }),
    { numRuns: 50 },
  );
});

test('names that no shared file has are refused: they would act on a terminal or lead elsewhere', () => {
  for (const wrong of [
    '',
    '..',
    '../a',
    '/etc/passwd',
    'a//b',
    'a\\b',
    'a\nb',
    'a\u001b[2J',
    'a\u202eb',
    'a\0',
  ])
    assert.throws(() => decodeListPage(pageOf({ name: wrong }), null), refused, JSON.stringify(wrong));
  assert.throws(() => decodeListPage(pageOf({ name: `${'x'.repeat(200)}/`.repeat(30) }), null), refused);
  const out = writer();
  tag(out, 1, 2).fork();
  tag(out, 1, 2).bytes(Uint8Array.of(0xff, 0xfe));
  tag(out, 3, 2).string(CID);
  assert.throws(() => decodeListPage(out.ldelim().finish(), null), refused, 'no UTF-8');
});

test('what an entry may not say', () => {
  for (const wrong of [
    { cid: '' },
    { cid: 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG' },
    { cid: `${CID}a` },
    { cid: `${CID.slice(0, -1)}\n` },
  ])
    assert.throws(() => decodeListPage(pageOf(wrong), null), refused, JSON.stringify(wrong));
});

test('nothing comes twice, and nothing out of order, within a page or after it', () => {
  assert.equal(decodeListPage(pageOf({ name: 'a' }, { name: 'b' }), null).entries.length, 2);
  assert.equal(decodeListPage(pageOf({ name: 'a' }, { name: 'a', cid: FOLDER }), null).entries.length, 2);
  assert.throws(() => decodeListPage(pageOf({ name: 'a' }, { name: 'a' }), null), refused);
  assert.throws(() => decodeListPage(pageOf({ name: 'b' }, { name: 'a' }), null), refused);
  const after = { name: 'b', cid: CID };
  for (const again of ['a', 'b'])
    assert.throws(() => decodeListPage(pageOf({ name: again }), after), refused, again);
  assert.equal(decodeListPage(pageOf({ name: 'c' }), after).entries.length, 1);
});

test('pages without an end would need entries without an end', () => {
  const some = (count: number): Holding[] =>
    Array.from({ length: count }, (_, at) => ({ name: String(at).padStart(5, '0'), size: 1, cid: CID }));
  const page = { more: true, scanning: false };
  assert.throws(
    () => decodeListPage(encodeListPage({ ...page, entries: some(LISTS.leastEntries - 1) }), null),
    refused,
  );
  assert.throws(
    () => decodeListPage(encodeListPage({ ...page, entries: some(LISTS.pageEntries + 1) }), null),
    refused,
  );
  const full = some(LISTS.pageEntries);
  assert.equal(decodeListPage(encodeListPage({ ...page, entries: full }), null).entries.length, full.length);
});

test('an entry is never larger than it is counted, and the longest fill a page that may be followed', () => {
  fc.assert(
    fc.property(entry, (one) => {
      const { length } = encodeListPage({ entries: [one], more: false, scanning: false });
      assert.ok(length <= entryBytes(one), `${length} > ${entryBytes(one)}`);
    }),
  );
  const longest = { name: 'x'.repeat(LIBRARY.maxPathBytes), size: Number.MAX_SAFE_INTEGER, cid: FOLDER };
  const bytes = entryBytes({ ...longest, kind: 'folder' });
  assert.ok(LISTS.pageBytes / bytes >= LISTS.leastEntries);
  assert.ok(encodeListAsk({ after: longest }).length <= LISTS.maxAskBytes);
});

test('fields that a newer peer adds are passed over', () => {
  const out = writer();
  tag(out, 1, 2).fork();
  tag(out, 1, 2).string('a');
  tag(out, 3, 2).string(CID);
  tag(out, 30, 2).string('new');
  const bytes = tag(out.ldelim(), 31, 0).uint32(7).finish();
  assert.deepEqual(decodeListPage(bytes, null).entries, [{ name: 'a', size: 0, cid: CID }]);
});
