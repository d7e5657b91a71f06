import assert from 'node:assert/strict';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { MESSAGES } from '../src/core/config.ts';
import { delimit } from '../src/core/wire/lengths.ts';
import { encodeMail, type Letter } from '../src/core/wire/messages.ts';
import { itemText, offerText } from '../src/cli/show-mail.ts';
import { filesBelow, until } from './support/basics.ts';
import { dial, hostile, idOf, note, offer, type Line } from './support/letters.ts';
import { inboxOf, mailNodes, send, type MailNode } from './support/mail-node.ts';

/** A node that was attacked still takes an honest message. */
async function stillWell(t: TestContext, b: MailNode): Promise<void> {
  const [honest] = (await mailNodes(t, {})) as [MailNode];
  assert.equal((await send(honest, { to: b.node.address, text: 'masih hidup?' })).at(-1)?.type, 'delivered');
}

test('replays and forged ids: one letter of each peer and id, and nobody keeps another’s letter out', async (t) => {
  const [b] = (await mailNodes(t, {})) as [MailNode];
  const [one, two] = [await hostile(t), await hostile(t)];
  const line = await dial(one, b);
  for (let n = 0; n < 20; n += 1) line.say(note(1, `palsu ${n}`));
  await until('receipts', () => line.receipts.length === 20);
  assert.ok(line.receipts.every(({ code }) => code === 'stored'));
  const again = await dial(one, b);
  again.say(note(1, 'lagi'));
  const other = await dial(two, b);
  other.say(note(1, 'asli'));
  await until('receipts', () => again.receipts.length + other.receipts.length === 2);
  assert.deepEqual(
    (await inboxOf(b)).map(({ peer, text }) => [peer, text]),
    [
      [one.peerId, 'palsu 0'],
      [two.peerId, 'asli'],
    ],
  );
});

const BREACHES: readonly (readonly [string, (line: Line) => void])[] = [
  ['garbage', (line) => line.say(Uint8Array.of(5, 255, 255, 255, 255, 255))],
  ['an endless length', (line) => line.say(new Uint8Array(64).fill(255))],
  ['a frame over the limit', (line) => line.say(delimit(new Uint8Array(MESSAGES.maxFrameBytes + 1)))],
  ['an empty frame', (line) => line.say(Uint8Array.of(0))],
  ['a receipt for nothing', (line) => line.say({ type: 'receipt', id: idOf(1), of: 'text', code: 'stored' })],
  [
    'a text over the limit',
    (line) => line.say(delimit(encodeMail(note(1, 'x'.repeat(66_000))).subarray(0, MESSAGES.maxFrameBytes))),
  ],
  [
    'more letters than it may send at once',
    (line) =>
      line.say(
        Buffer.concat(
          Array.from({ length: 2 * MESSAGES.maxPending }, (_, n) => delimit(encodeMail(note(n)))),
        ),
      ),
  ],
];

for (const [what, breach] of BREACHES)
  test(`${what} ends the stream, and hurts nobody else`, async (t) => {
    const [b] = (await mailNodes(t, {})) as [MailNode];
    const line = await dial(await hostile(t), b);
    breach(line);
    await until('cut off', line.over);
    assert.ok((await inboxOf(b)).length <= MESSAGES.maxPending);
    await stillWell(t, b);
  });

test('a flood of letters is held back, and then cut off; others are served meanwhile', async (t) => {
  const [b] = (await mailNodes(t, {})) as [MailNode];
  const flooder = await hostile(t);
  let line = await dial(flooder, b);
  let sent = 0;
  // With a window's receipts awaited only the rate is against the rules: first the letters are turned away…
  while (!line.receipts.some(({ code }) => code === 'busy')) {
    const before = line.receipts.length;
    for (let n = 0; n < 16; n += 1) line.say(note((sent += 1)));
    await until('receipts', () => line.receipts.length >= before + 16);
  }
  const stored = line.receipts.filter(({ code }) => code === 'stored').length;
  assert.ok(stored >= MESSAGES.burst && stored < sent, `${stored} of ${sent}`);
  await stillWell(t, b);
  // …and who goes on all the same is cut off.
  for (let n = 0; n < 5 * MESSAGES.floodPerSecond && !line.over(); n += 1) {
    line.say(note((sent += 1)));
    if (n % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  await until('cut off', line.over);
  // A new stream is no new allowance: of thirty at most those few are taken that came free meanwhile.
  line = await dial(flooder, b);
  for (let n = 0; n < 30; n += 1) line.say(note((sent += 1)));
  await until('turned away', () => line.over() || line.receipts.some(({ code }) => code === 'busy'));
  assert.ok((await inboxOf(b)).length < MESSAGES.maxPerSender);
  await stillWell(t, b);
});

test('offers with hostile names, CIDs and sizes are turned away and leave nothing behind', async (t) => {
  const [b] = (await mailNodes(t, { accept: 'all' })) as [MailNode];
  const line = await dial(await hostile(t), b);
  const bad: Letter[] = [
    ...[
      '..',
      '../x',
      '/etc/passwd',
      'a/b',
      'C:\\x',
      'x\ny',
      'x\u202ey',
      '.kelana-x',
      'x\0',
      'é'.repeat(200),
    ].map((name, n) => offer(n, { name })),
    offer(100, { cid: 'bukan' }),
    offer(101, { size: Number.MAX_SAFE_INTEGER }),
    offer(102, { files: 3 }),
    note(104, ''),
  ];
  for (const letter of bad) line.say(letter);
  await until('receipts', () => line.receipts.length === bad.length);
  assert.deepEqual(new Set(line.receipts.map(({ code }) => code)), new Set(['bad']));
  assert.deepEqual(await inboxOf(b), []);
  assert.deepEqual(await filesBelow(join(b.folder, 'downloaded')), []);
});

test('texts and names that would act on a terminal or forge a line are shown as escapes', async (t) => {
  const [b] = (await mailNodes(t, {})) as [MailNode];
  const line = await dial(await hostile(t), b);
  line.say(note(1, 'a\u001b[2Jb\r\n2024-01-01 00:00:00 - palsu\u202e'));
  line.say(offer(2, { name: 'x\u0085y\u00ad.txt' }));
  line.say(offer(3, { name: 'x\u009by.txt' }));
  await until('receipts', () => line.receipts.length === 3);
  for (const item of await inboxOf(b))
    for (const shown of [itemText(item, 'en', true), offerText(item, 'id')])
      assert.doesNotMatch(shown.replaceAll('\n', ''), /[\p{Cc}\u00ad\u202e]/u);
});
