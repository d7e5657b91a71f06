import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import test, { after } from 'node:test';
import { sample, settledFile, until } from './support/basics.ts';
import { besiege, honest, stillRight, type Siege } from './support/besieged.ts';
import { headers, newOwners, piecesFor, printsOf, recordOf, status, type Forged } from './support/forged.ts';
import { search } from './testnet.ts';

const net = await honest();
after(() => net.close());

/** What an honest node knows of another, as it would pass it on. */
async function overheard({ link }: Siege, peer: string): Promise<Forged> {
  link.say(status([]));
  const header = await until('its record', () => {
    for (const frame of link.heard)
      if (frame.type === 'sync' && frame.frame.type === 'headers')
        for (const { header } of frame.frame.headers) if (header.peer === peer) return header;
    return null;
  });
  return { header, age: 0, segments: new Map() };
}

test('a record that names another peer is refused, and three get the liar dropped', async () => {
  await besiege(net, async (siege) => {
    const { link, self } = siege;
    const victim = net.node(2).overlay.peerId;
    for (let at = 0; at < 3; at += 1)
      link.say(
        headers(
          recordOf({ ...self, peer: victim }, printsOf('palsu.txt'), { seq: Date.now() + 60_000 + at }),
        ),
      );
    await siege.dropped();
    await stillRight(net);
  });
});

test("another's record that was altered is refused, whatever was altered", async () => {
  await besiege(net, async (siege) => {
    const { link } = siege;
    const { header } = await overheard(siege, net.node(2).overlay.peerId);
    const lies = [
      { ...header, seq: header.seq + 1 },
      { ...header, seq: header.seq + 1, segments: [] },
      { ...header, seq: header.seq + 2, gone: true, segments: [] },
    ];
    for (const lie of lies) link.say(headers({ header: lie, age: 0 }));
    await siege.dropped();
    await stillRight(net);
  });
});

test("another's older record changes nothing when it is sent again", async () => {
  await besiege(net, async (siege) => {
    const { link } = siege;
    const holder = net.node(2);
    const old = await overheard(siege, holder.overlay.peerId);
    await rm(`${holder.shared}/surat jujur.txt`);
    await holder.library.rescan();
    await settledFile(`${holder.shared}/surat jujur.txt`, 'isi yang lain');
    await holder.library.rescan();
    const newer = holder.library.list()[0]?.cid ?? '';
    for (let at = 0; at < 10; at += 1) link.say(headers(old));
    await until('the new one is known', async () => {
      const found = await search(
        net.node(0).overlay,
        { kind: 'cid', cid: newer },
        { strategy: 'groups', timeoutMs: 2_000 },
      );
      return found.outcome.verdict === 'found';
    });
    for (let at = 0; at < 10; at += 1) link.say(headers(old));
    link.say({ type: 'ping', nonce: 1 });
    await until('read', () => link.heard.some((frame) => frame.type === 'pong'));
    await stillRight(net);
  });
});

const GOOD = printsOf('undangan palsu.txt');

/** Segments that an honest node would never pass on; each comes under a good signature. */
const SEGMENTS: readonly (readonly [string, readonly Uint8Array[], (bytes: Uint8Array) => Uint8Array])[] = [
  ['does not match its hash', GOOD, (bytes) => bytes.map((byte) => byte ^ 1)],
  ['does not decode', [sample(2_000, 5)], (bytes) => bytes],
  ['is cut off', [(GOOD[0] ?? new Uint8Array(0)).subarray(0, -3)], (bytes) => bytes],
];

for (const [what, segments, lie] of SEGMENTS) {
  test(`a segment that ${what} is not kept, and three get the liar dropped`, async () => {
    const records = new Map<string, Forged>();
    await besiege(
      net,
      async (siege) => {
        const { link } = siege;
        for (const owner of await newOwners(3)) {
          const record = recordOf(owner, segments);
          records.set(owner.peer, record);
          link.say(headers(record));
        }
        await siege.dropped();
        assert.equal(net.node(0).overlay.prints().members, 3);
        await stillRight(net);
      },
      (frame, say) => {
        const pieces = piecesFor(frame, records.values(), lie);
        if (pieces !== null) say(pieces);
      },
    );
  });
}
