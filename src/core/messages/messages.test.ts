import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MESSAGES, TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { RECEIPTS } from '../wire/messages.ts';
import { isSound } from './offer.ts';
import { comesAgain, retryWait } from './schedule.ts';
import { whyOf, whyText } from './why.ts';

const CID = 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e';
const FOLDER = 'bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354';
const OFFER = { name: 'laporan.pdf', cid: CID, size: 5, files: 0 };

test('waits double from the first to the longest, half to one and a half times as long', () => {
  const mean = (attempts: number): number => retryWait(attempts, () => 0.5);
  assert.deepEqual(
    [1, 2, 3, 4].map(mean),
    [1, 2, 4, 8].map((n) => n * MESSAGES.retryMinMs),
  );
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 100_000 }),
      fc.double({ min: 0, max: 0.999, noNaN: true }),
      (n, dice) => {
        const wait = retryWait(n, () => dice);
        assert.ok(wait >= MESSAGES.retryMinMs / 2 && wait <= MESSAGES.retryMaxMs * 1.5);
      },
    ),
  );
});

test('a letter comes again where the receiver may have room later, and only then', () => {
  assert.deepEqual(RECEIPTS.filter(comesAgain), ['full', 'busy', 'failed']);
});

test('offers that could never be stored are turned away', () => {
  assert.ok(isSound(OFFER));
  assert.ok(isSound({ ...OFFER, files: 3, cid: FOLDER }));
  for (const wrong of [
    { name: '../a' },
    { name: 'a/b' },
    { name: '.' },
    { name: 'a\u202eb' },
    { name: '.kelana-x' },
    { name: 'x'.repeat(256) },
    { cid: 'x' },
    { cid: `${CID}x` },
    // The same CID in another base would be a second name for it.
    { cid: 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG' },
    { size: TRANSFER.maxFileBytes + 1 },
    // A folder has a directory.
    { files: 1 },
  ])
    assert.ok(!isSound({ ...OFFER, ...wrong }), JSON.stringify(wrong));
});

test('why a letter waits is said in both languages, whatever stands on the disk', () => {
  const error = new KelanaError('PEER_UNREACHABLE', { peer: 'x', why: 'ECONNREFUSED' });
  assert.deepEqual(whyText(whyOf(error)), { id: 'ECONNREFUSED', en: 'ECONNREFUSED' });
  assert.equal(
    whyText(whyOf(new KelanaError('SOURCE_CHANGED', { name: 'a' }))).en,
    "File 'a' changed at its source while it was sent",
  );
  for (const code of [...RECEIPTS.filter((one) => one !== 'stored'), 'refused', 'not-stored', 'expired'])
    assert.notEqual(whyText(code).id, code);
  for (const odd of ['', 'toString', '{}', '{"error":"NO_SUCH","params":{}}', 'null', '{"error"'])
    assert.equal(whyText(odd).en, odd);
});
