import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import type { AcceptEvent } from '../src/control/mail-events.ts';
import type { Hit } from '../src/core/ports.ts';
import { verifyListing } from '../src/core/transfer/listing.ts';
import { sha256 as digestOf } from '../src/library/hash.ts';
import { filesBelow, MiB, sample, until } from './support/basics.ts';
import {
  inboxOf,
  mailFolder,
  mailNodes,
  send,
  sentOf,
  startMailNode,
  typesOf,
  type MailNode,
} from './support/mail-node.ts';
import { link, search } from './testnet.ts';

const outcomes = ({ events }: MailNode): string[] =>
  events.flatMap((event) => (event.type === 'offer.ended' ? [event.outcome] : []));

async function accept({ mail }: MailNode, no: number): Promise<readonly AcceptEvent[]> {
  const events: AcceptEvent[] = [];
  for await (const event of mail.accept(no, AbortSignal.timeout(15_000))) events.push(event);
  return events;
}

test('a file is fetched by who accepted it, verified, and read by nobody else at any time', async (t) => {
  const [a, b, c] = (await mailNodes(t, {}, {}, {})) as [MailNode, MailNode, MailNode];
  const bytes = sample(3_500_000, 3);
  const path = join(a.folder, 'laporan.bin');
  await writeFile(path, bytes);
  const sending = send(a, { to: b.node.address, path });
  await until('an offer', () => b.offers.length > 0);
  const [offer] = await inboxOf(b);
  assert.deepEqual(
    [offer?.text, offer?.size, offer?.files, offer?.state],
    ['laporan.bin', bytes.length, 0, 'open'],
  );
  assert.deepEqual(await filesBelow(join(b.folder, 'downloaded')), [], 'nothing is sent before');
  const hit = (): Hit => ({
    name: 'laporan.bin',
    size: bytes.length,
    cid: offer?.cid ?? '',
    peer: a.node.overlay.peerId,
    label: 'a',
    addresses: a.node.overlay.addresses(),
    hops: 1,
  });
  const steal = async (thief: MailNode): Promise<void> => {
    for await (const _ of thief.node.overlay.fetch(hit())) assert.fail('it was given a block');
  };
  await assert.rejects(steal(c), { code: 'TRANSFER_FAILED' });
  assert.deepEqual(a.node.library.list(), [], 'it is not shared');
  const accepted = await accept(b, offer?.no ?? 0);
  assert.equal(accepted.at(-1)?.type, 'saved');
  assert.deepEqual(await readFile(join(b.folder, 'downloaded', 'laporan.bin')), bytes);
  assert.equal((await sending).at(-1)?.type, 'done');
  assert.deepEqual([(await inboxOf(b))[0]?.state, (await sentOf(a))[0]?.state], ['done', 'done']);
  assert.deepEqual(
    [outcomes(a), outcomes(b)],
    [
      ['accepted', 'done'],
      ['accepted', 'done'],
    ],
  );
  await assert.rejects(steal(b), { code: 'TRANSFER_FAILED' }, 'it is over');
});

test('a folder comes whole under its name, and never into one that is there', async (t) => {
  const [a, b] = (await mailNodes(t, {}, { accept: 'all' })) as [MailNode, MailNode];
  const folder = join(a.folder, 'foto');
  const files = { 'a.txt': 'a', 'x/b.txt': 'b', 'x/y/c.bin': sample(1_200_000), 'sama.txt': 'a', kosong: '' };
  for (const [name, content] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), content);
  }
  await writeFile(join(folder, '.rahasia'), 'x');
  // The same folder is there already the second time; the third time it is another.
  for (const [at, target] of ['foto', 'foto', 'foto (1)'].entries()) {
    if (at === 2) {
      files['a.txt'] = 'lain';
      await writeFile(join(folder, 'a.txt'), 'lain');
    }
    const events = await send(a, { to: b.node.address, path: folder });
    assert.equal(events.at(-1)?.type, 'done');
    const there = join(b.folder, 'downloaded', target);
    assert.deepEqual(await filesBelow(there), Object.keys(files).sort());
    for (const [name, content] of Object.entries(files))
      assert.deepEqual(await readFile(join(there, name)), Buffer.from(content));
  }
  assert.deepEqual((await readdir(join(b.folder, 'downloaded'))).sort(), ['foto', 'foto (1)']);
  const empty = join(a.folder, 'hampa');
  await mkdir(empty);
  await assert.rejects(send(a, { to: b.node.address, path: empty }), { code: 'BAD_VALUE' });
  await assert.rejects(send(a, { to: b.node.address, path: join(a.folder, 'tiada') }), {
    code: 'CANNOT_READ',
  });
});

test('a folder that is sent is one CID, which its receiver alone can fetch, and only until it has it', async (t) => {
  const [a, b, c] = (await mailNodes(t, {}, {}, {})) as [MailNode, MailNode, MailNode];
  for (const one of [b, c]) await link(a.node, one.node);
  const folder = join(a.folder, 'foto');
  await mkdir(join(folder, 'x', 'hampa'), { recursive: true });
  await writeFile(join(folder, 'x', 'rahasia.txt'), 'isi');
  await writeFile(join(folder, 'besar.bin'), sample(2_500_000));
  const sending = send(a, { to: b.node.address, path: folder });
  await until('an offer', () => b.offers.length > 0);
  const [offer] = await inboxOf(b);
  const cid = offer?.cid ?? '';
  assert.match(cid, /^bafybei/);
  assert.deepEqual([offer?.files, offer?.size], [2, 2_500_003]);
  const from = {
    peer: a.node.overlay.peerId,
    label: 'a',
    addresses: a.node.overlay.addresses(),
  };
  const listing = async ({ node }: MailNode): Promise<readonly Uint8Array[]> => {
    const session = await node.overlay.open(from);
    try {
      return await session.manifest(cid);
    } finally {
      await session.close();
    }
  };
  const nodes = await listing(b);
  const { files } = verifyListing(cid, nodes, digestOf);
  assert.deepEqual(files.map(({ path }) => path).sort(), ['besar.bin', 'x/rahasia.txt']);
  await assert.rejects(listing(c), { code: 'TRANSFER_FAILED' });
  for (const file of files) {
    const session = await c.node.overlay.open(from);
    await assert.rejects(session.block(file.cid, 0, new Uint8Array(Math.min(file.size, MiB))), {
      code: 'TRANSFER_FAILED',
    });
    await session.close();
  }
  for (const query of [cid, ...files.map((file) => file.cid)])
    assert.notEqual((await search(c.node.overlay, { kind: 'cid', cid: query })).outcome.verdict, 'found');
  assert.notEqual((await search(c.node.overlay, 'rahasia.txt')).outcome.verdict, 'found');
  assert.notEqual((await search(b.node.overlay, 'foto')).outcome.verdict, 'found');
  assert.deepEqual([a.node.library.list(), a.node.library.folders().length], [[], 1]);
  assert.equal((await accept(b, offer?.no ?? 0)).at(-1)?.type, 'saved');
  assert.equal((await sending).at(-1)?.type, 'done');
  assert.deepEqual(await readdir(join(b.folder, 'downloaded')), ['foto']);
  for (const one of [b, c]) await assert.rejects(listing(one), { code: 'TRANSFER_FAILED' }, 'it is over');
});

test('a folder is fetched on from where it was when its receiver or its sender stopped', async (t) => {
  const base = await mailFolder(t);
  const [one, two] = [join(base, 'a'), join(base, 'b')];
  let a = await startMailNode(t, one);
  const { port } = a.node.overlay;
  let b = await startMailNode(t, two, { accept: 'all' });
  const folder = join(one, 'foto');
  await mkdir(join(folder, 'hampa'), { recursive: true });
  for (let at = 0; at < 40; at += 1) await writeFile(join(folder, `${at}.bin`), sample(300_000 + at, at));
  for (let at = 0; at < 3; at += 1) await writeFile(join(folder, `besar${at}.bin`), sample(3_000_000, at));
  await send(a, { to: b.node.address, path: folder, timeoutMs: 0 });
  await until('some of it', async () => (await filesBelow(join(two, 'downloaded'))).length > 1);
  await b.close();
  await a.close();
  assert.ok((await readdir(join(two, 'downloaded'))).every((name) => name.startsWith('.kelana-')));
  b = await startMailNode(t, two);
  a = await startMailNode(t, one, { port });
  await until('fetched', async () => (await inboxOf(b))[0]?.state === 'done');
  assert.deepEqual(await readdir(join(two, 'downloaded')), ['foto']);
  const names = await filesBelow(join(two, 'downloaded', 'foto'));
  assert.equal(names.length, 43);
  for (const name of names)
    assert.deepEqual(
      await readFile(join(two, 'downloaded', 'foto', name)),
      await readFile(join(folder, name)),
    );
  await until('told', async () => (await sentOf(a))[0]?.state === 'done');
});

test('an offer that is refused is told to its sender, and cannot be fetched any more', async (t) => {
  const [a, b] = (await mailNodes(t, {}, {})) as [MailNode, MailNode];
  const path = join(a.folder, 'x.txt');
  await writeFile(path, 'isi');
  const sending = send(a, { to: b.node.address, path });
  await until('an offer', () => b.offers.length > 0);
  await b.mail.refuse(b.offers[0]?.no ?? 0);
  const last = (await sending).at(-1);
  assert.ok(last?.type === 'failed' && last.error.code === 'SENT_IN_VAIN');
  await assert.rejects(b.mail.refuse(b.offers[0]?.no ?? 0), { code: 'NO_OFFER' });
  await assert.rejects(accept(b, b.offers[0]?.no ?? 0), { code: 'NO_OFFER' });
  await assert.rejects(accept(b, 77), { code: 'NO_SUCH_ITEM' });
});

test('--accept decides for a person: none, neighbours, all, or single peers', async (t) => {
  const [a] = (await mailNodes(t, {})) as [MailNode];
  const me = a.node.overlay.peerId;
  const nodes = await mailNodes(
    t,
    { accept: 'none' },
    { accept: 'neighbours' },
    { accept: 'none', acceptFrom: [me] },
  );
  const [none, neighbours, single] = nodes as [MailNode, MailNode, MailNode];
  const path = join(a.folder, 'x.txt');
  await writeFile(path, 'isi');
  const outcome = async (to: MailNode): Promise<string | undefined> =>
    (await send(a, { to: to.node.address, path, timeoutMs: 300 })).at(-1)?.type;
  assert.equal(await outcome(none), 'failed');
  assert.equal(
    (await send(a, { to: none.node.address, text: 'tetapi pesan boleh' })).at(-1)?.type,
    'delivered',
  );
  assert.equal(await outcome(neighbours), 'open', 'not linked yet');
  await link(a.node, neighbours.node);
  assert.equal((await send(a, { to: neighbours.node.address, path })).at(-1)?.type, 'done');
  assert.equal((await send(a, { to: single.node.address, path })).at(-1)?.type, 'done');
});

test('what was accepted while its sender was away is fetched when it returns, also over a restart', async (t) => {
  const base = await mailFolder(t);
  const [one, two] = [join(base, 'a'), join(base, 'b')];
  const a = await startMailNode(t, one);
  const { port } = a.node.overlay;
  let b = await startMailNode(t, two);
  const path = join(one, 'x.bin');
  await writeFile(path, sample(2_000_000));
  await send(a, { to: b.node.address, path, timeoutMs: 0 });
  await until('an offer', () => b.offers.length > 0);
  const no = b.offers[0]?.no ?? 0;
  await a.close();
  assert.deepEqual(typesOf(await accept(b, no)).at(-1), 'waiting');
  await b.close();
  b = await startMailNode(t, two);
  const again = await startMailNode(t, one, { port });
  await until('fetched', async () => (await inboxOf(b))[0]?.state === 'done');
  assert.deepEqual(await readFile(join(two, 'downloaded', 'x.bin')), sample(2_000_000));
  await until('told', async () => (await sentOf(again))[0]?.state === 'done');
});

test('a file that changed after it was offered is not fetched as something else', async (t) => {
  const [a, b] = (await mailNodes(t, {}, {})) as [MailNode, MailNode];
  const path = join(a.folder, 'x.txt');
  await writeFile(path, 'isi');
  const sending = send(a, { to: b.node.address, path });
  await until('an offer', () => b.offers.length > 0);
  await writeFile(path, 'lain');
  const last = (await accept(b, b.offers[0]?.no ?? 0)).at(-1);
  assert.ok(last?.type === 'failed' && last.error.code === 'OFFER_LOST');
  assert.deepEqual(await filesBelow(join(b.folder, 'downloaded')), []);
  assert.equal((await sending).at(-1)?.type, 'failed');
});
