import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { MAILBOX, MESSAGES, SEARCH } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { delimit, FrameSplitter } from './lengths.ts';
import { decodeMail, encodeMail, OFFER_ANSWERS, RECEIPTS, type MailFrame } from './messages.ts';
import { tag } from './protobuf.ts';
import { writer } from 'protons-runtime';

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const whole = fc.nat(Number.MAX_SAFE_INTEGER);
const words = fc.string({ unit: 'binary', maxLength: 60 }).filter((text) => text.isWellFormed());
const full = words.map((text) => `x${text}`);
const letters: fc.Arbitrary<MailFrame> = fc.oneof(
  fc.record({ type: fc.constant('text' as const), id, sentAt: whole, text: words }),
  fc.record({
    type: fc.constant('offer' as const),
    id,
    sentAt: whole,
    name: full,
    size: whole,
    cid: full.map((text) => text.slice(0, 20)).filter((text) => text.isWellFormed()),
    files: fc.nat(MESSAGES.maxFiles),
  }),
  fc.record({ type: fc.constant('answer' as const), id, answer: fc.constantFrom(...OFFER_ANSWERS) }),
  fc.record({
    type: fc.constant('receipt' as const),
    id,
    of: fc.constantFrom('text' as const, 'offer' as const, 'answer' as const),
    code: fc.constantFrom(...RECEIPTS),
  }),
);

// Plain objects, as the reader makes them.
const frames = letters.map((frame): MailFrame => ({ ...frame }));

const ID = 'ab'.repeat(16);
const refused = { name: 'KelanaError', code: 'PEER_PROTOCOL' };

test('every letter and receipt is read back as it was written', () => {
  fc.assert(fc.property(frames, (frame) => assert.deepEqual(decodeMail(encodeMail(frame)), frame)));
});

test('letters are the same however their bytes are cut, at every byte', () => {
  fc.assert(
    fc.property(fc.array(frames, { minLength: 1, maxLength: 4 }), (sent) => {
      const bytes = Buffer.concat(sent.map((frame) => delimit(encodeMail(frame))));
      for (let cut = 0; cut <= bytes.length; cut += 1) {
        const splitter = new FrameSplitter(MESSAGES.maxFrameBytes);
        const read = [bytes.subarray(0, cut), bytes.subarray(cut)].flatMap((part) =>
          [...splitter.push(part)].map((frame) => decodeMail(frame)),
        );
        assert.deepEqual(read, sent);
      }
    }),
    { numRuns: 20 },
  );
});

test('any bytes, and any letter with a part missing or changed, are a letter or PEER_PROTOCOL, never another error', () => {
  const sound = (bytes: Uint8Array): void => {
    try {
      decodeMail(bytes);
    } catch (thrown) {
      assert.ok(thrown instanceof KelanaError && thrown.code === 'PEER_PROTOCOL', String(thrown));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), sound));
  fc.assert(
    fc.property(frames, fc.nat(), fc.nat(255), (frame, at, byte) => {
      const bytes = encodeMail(frame);
      for (let cut = 0; cut < bytes.length; cut += 1) sound(bytes.subarray(0, cut));
      const changed = bytes.slice();
      changed[at % changed.length] = byte;
      sound(changed);
    }),
    { numRuns: 100 },
  );
});

test('a text at its limit passes and fits a frame, one byte more does not', () => {
  const text = 'x'.repeat(MAILBOX.maxTextBytes);
  const bytes = encodeMail({ type: 'text', id: ID, sentAt: 1, text });
  assert.ok(bytes.length <= MESSAGES.maxFrameBytes);
  assert.equal(decodeMail(bytes).type, 'text');
  assert.throws(() => decodeMail(encodeMail({ type: 'text', id: ID, sentAt: 1, text: `${text}x` })), refused);
});

test('what an offer may not say', () => {
  const offer = {
    type: 'offer',
    id: ID,
    sentAt: 1,
    name: 'a',
    size: 1,
    cid: 'c',
    files: 0,
  } as const;
  assert.deepEqual(decodeMail(encodeMail(offer)), offer);
  for (const wrong of [
    { name: '' },
    { cid: '' },
    { name: 'x'.repeat(SEARCH.maxQueryBytes + 1) },
    { cid: 'x'.repeat(129) },
    { files: MESSAGES.maxFiles + 1 },
  ])
    assert.throws(() => decodeMail(encodeMail({ ...offer, ...wrong })), refused, JSON.stringify(wrong));
});

test('no receipt says "stored" by leaving its word out, and none a word that there is not', () => {
  for (const words of [[], [1], [1, 0], [1, RECEIPTS.length + 1], [4, 1]]) {
    const out = writer();
    tag(out, 4, 2).fork();
    tag(out, 1, 2).bytes(new Uint8Array(16));
    words.forEach((word, at) => tag(out, at + 2, 0).uint32(word));
    assert.throws(() => decodeMail(out.ldelim().finish()), refused, words.join());
  }
});

test('a letter without an id, with a short one, or two letters in a frame are refused', () => {
  const text = encodeMail({ type: 'text', id: ID, sentAt: 1, text: 'a' });
  assert.throws(() => decodeMail(Buffer.concat([text, text])), refused);
  assert.throws(() => decodeMail(new Uint8Array(0)), refused);
  for (const idBytes of [0, 15, 17]) {
    const out = writer();
    tag(out, 1, 2).fork();
    if (idBytes > 0) tag(out, 1, 2).bytes(new Uint8Array(idBytes));
    tag(out, 3, 2).string('a');
    assert.throws(() => decodeMail(out.ldelim().finish()), refused, String(idBytes));
  }
  const out = writer();
  tag(out, 1, 2).fork();
  tag(out, 1, 2).bytes(new Uint8Array(16));
  tag(out, 3, 2).bytes(Uint8Array.of(0xff, 0xfe));
  assert.throws(() => decodeMail(out.ldelim().finish()), refused, 'no UTF-8');
});

test('fields that a newer peer adds are passed over', () => {
  const out = writer();
  tag(out, 3, 2).fork();
  tag(out, 1, 2).bytes(new Uint8Array(16).fill(0xab));
  tag(out, 2, 0).uint32(2);
  tag(out, 30, 2).string('new');
  const bytes = tag(out.ldelim(), 31, 0).uint32(7).finish();
  assert.deepEqual(decodeMail(bytes), { type: 'answer', id: ID, answer: 'refused' });
});
