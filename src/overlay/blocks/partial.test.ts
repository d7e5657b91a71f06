import assert from 'node:assert/strict';
import test from 'node:test';
import type { PartialReader } from '../../core/transfer/ports.ts';
import { CID, fill, OTHER, refusalOf, source, start, type Node } from './blocks.testkit.ts';

test('of a file that still comes a node gives what is there, and tells of others who fetch it', async (t) => {
  const reader: PartialReader = {
    name: 'a.bin',
    have: Uint8Array.of(5),
    manifest: () => Promise.resolve([Uint8Array.of(8)]),
    readBlock: (cid, index, into = new Uint8Array(9)) =>
      index === 0
        ? Promise.resolve(fill(into.subarray(0, 9), cid, index))
        : Promise.reject(new RangeError('none')),
  };
  const parts = new Map([[CID, reader]]);
  const secret = { name: 'sent', manifest: () => Promise.resolve([]), readBlock: reader.readBlock };
  const heard: string[] = [];
  const holder = await start(t, source(9, { lookup: () => [] }), {
    partial: (cid) => parts.get(cid),
    heard: (cid, { peer }) => heard.push(`${cid} ${peer}`),
    visible: (_, cid) => (cid === OTHER ? secret : undefined),
  });
  const [one, two, shy] = [
    await start(t, source(1), { port: 5001 }),
    await start(t, source(1), { port: 5002 }),
    await start(t, source(1), {}),
  ];
  const session = await one.blocks.open(holder.provider);
  assert.deepEqual([...((await session.have(CID)) ?? [])], [5]);
  assert.deepEqual(await session.manifest(CID), [Uint8Array.of(8)]);
  const into = new Uint8Array(9);
  await session.block(CID, 0, into);
  assert.deepEqual(into, fill(new Uint8Array(9), CID, 0));
  await assert.rejects(session.block(CID, 1, into), (thrown) => refusalOf(thrown) === 'absent');
  const others = async (node: Node, cid = CID): Promise<readonly string[]> => {
    const opened = await node.blocks.open(holder.provider);
    const told = (await opened.others?.(cid)) ?? [];
    return told.map(({ peer, addresses }) => `${peer} ${addresses.join()}`);
  };
  assert.deepEqual(await others(one), []);
  assert.deepEqual(await others(two), [`${one.provider.peer} /ip4/127.0.0.1/tcp/5001`]);
  assert.equal((await others(shy)).length, 2);
  assert.equal((await others(one)).length, 1, 'who gives nothing is told of to nobody');
  for (const node of [one, two]) assert.deepEqual(await others(node, OTHER), [], 'a file that is sent');
  assert.deepEqual(new Set(heard), new Set([one, two].map(({ provider }) => `${CID} ${provider.peer}`)));
  // Whoever has gone gives nothing any more.
  await two.blocks.stop();
  let left = ['two'];
  for (let tries = 0; left.length > 0 && tries < 1_000; tries += 1) left = [...(await others(one))];
  assert.deepEqual(left, []);
  parts.clear();
  for (const ask of [session.have(CID), session.others?.(CID)])
    await assert.rejects(
      async () => await ask,
      (thrown) => refusalOf(thrown) === 'not-here',
    );
});

test('what a node has whole it does not give in parts, though it still fetches it', async (t) => {
  const never = (): Promise<never> => Promise.reject(new RangeError('none'));
  const part = { name: 'a.bin', have: Uint8Array.of(1), manifest: never, readBlock: never };
  const [holder, asker] = [await start(t, source(9), { partial: () => part }), await start(t, source(1))];
  const session = await asker.blocks.open(holder.provider);
  assert.equal(await session.have(CID), null);
  await session.block(CID, 1, new Uint8Array(9));
});
