import assert from 'node:assert/strict';
import test, { type TestContext } from 'node:test';
import type { Stream } from '@libp2p/interface';
import { MESSAGES, OVERLAY } from '../src/core/config.ts';
import { delimit, FrameSplitter } from '../src/core/wire/lengths.ts';
import { decodeMail, encodeMail, type MailFrame } from '../src/core/wire/messages.ts';
import { MESSAGES_PROTOCOL } from '../src/overlay/mail.ts';
import { until } from './support/basics.ts';
import { Hostile } from './support/hostile.ts';
import { mailNodes, send, sentOf, typesOf, type MailNode } from './support/mail-node.ts';
import { sendIfOpen } from './support/streams.ts';

/** Waits for receipts and dials take a moment, so that a test of them does too. */
function hurry(t: TestContext): void {
  const real = globalThis.setTimeout;
  t.mock.method(globalThis, 'setTimeout', (run: () => void, ms?: number) =>
    real(run, ms === MESSAGES.receiptMs || ms === OVERLAY.dialTimeoutMs ? 300 : ms),
  );
}

/** A receiver that does with letters what `onLetter` does. */
async function receiver(
  t: TestContext,
  onLetter: (letter: MailFrame, say: (frame: MailFrame) => void, stream: Stream) => void,
): Promise<{ host: Hostile; heard: MailFrame[] }> {
  const host = await Hostile.start();
  t.after(() => host[Symbol.asyncDispose]());
  const heard: MailFrame[] = [];
  await host.host.handle(MESSAGES_PROTOCOL, (stream) => {
    const splitter = new FrameSplitter(1 << 20);
    stream.addEventListener('message', (event) => {
      for (const bytes of splitter.push(event.data.subarray())) {
        const letter = decodeMail(bytes);
        heard.push(letter);
        onLetter(letter, (frame) => void sendIfOpen(stream, delimit(encodeMail(frame))), stream);
      }
    });
  });
  return { host, heard };
}

const receipt = (id: string, more: object = {}): MailFrame => ({
  type: 'receipt',
  id,
  of: 'text',
  code: 'stored',
  ...more,
});

/** Ways not to acknowledge a letter. */
const WAYS: readonly (readonly [string, Parameters<typeof receiver>[1]])[] = [
  ['says nothing', () => undefined],
  ['closes the stream', (_, __, stream) => void stream.close()],
  ['breaks it off', (_, __, stream) => stream.abort(new Error('no'))],
  ['acknowledges another letter', (_, say) => say(receipt('ab'.repeat(16)))],
  ['acknowledges an offer in place of the message', ({ id }, say) => say(receipt(id, { of: 'offer' }))],
  ['sends the letter back', (letter, say) => say(letter)],
  ['sends garbage', (_, __, stream) => void sendIfOpen(stream, Uint8Array.of(4, 255, 255, 255, 255))],
];

for (const [what, way] of WAYS)
  test(`with a receiver that ${what} the letter waits and comes again, until it is acknowledged`, async (t) => {
    hurry(t);
    const [a] = (await mailNodes(t, {})) as [MailNode];
    let honest = false;
    const { host, heard } = await receiver(t, (letter, say, stream) => {
      if (honest) say(receipt(letter.id));
      else way(letter, say, stream);
    });
    const events = await send(a, { to: host.address, text: 'halo' });
    assert.deepEqual(typesOf(events), ['queued', 'waiting']);
    assert.equal((await sentOf(a))[0]?.state, 'waiting');
    honest = true;
    await until('delivered', async () => (await sentOf(a))[0]?.state === 'delivered');
    assert.ok(heard.length >= 2);
    assert.equal(new Set(heard.map(({ id }) => id)).size, 1, 'always under the same id');
  });

test('a receiver that takes no letters at all, and one that keeps a stream from opening: the letter waits', async (t) => {
  hurry(t);
  const [a] = (await mailNodes(t, {})) as [MailNode];
  const host = await Hostile.start();
  t.after(() => host[Symbol.asyncDispose]());
  const events = await send(a, { to: host.address, text: 'halo' });
  assert.deepEqual(typesOf(events), ['queued', 'waiting']);
});

test('twice the receipt is one too many, but the letter was delivered', async (t) => {
  const [a] = (await mailNodes(t, {})) as [MailNode];
  const { host } = await receiver(t, ({ id }, say) => {
    say(receipt(id));
    say(receipt(id));
  });
  assert.equal((await send(a, { to: host.address, text: 'halo' })).at(-1)?.type, 'delivered');
  assert.equal((await send(a, { to: host.address, text: 'lagi' })).length, 2);
});
