import assert from 'node:assert/strict';
import { connect as connectTcp, Socket } from 'node:net';
import test, { type TestContext } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { KelanaError } from '../../core/errors.ts';
import { LIMITS, OVERLAY, TRANSFER } from '../../core/config.ts';
import type { BlockSession } from '../../core/transfer/ports.ts';
import type { Host } from '../host.ts';
import { until } from '../hosts.testkit.ts';
import { contextOf } from '../tls/encrypter.ts';
import { Turns } from '../turns.ts';
import { Blocks } from './blocks.ts';
import { CID, fill, OTHER, refusalOf, source, start, unlimited, type Node } from './blocks.testkit.ts';

const SIZE = 300_000;

for (const via of ['lane', 'stream'] as const) {
  const how = via === 'lane' ? {} : { lanes: false };

  test(`over a ${via} many blocks asked for at once come whole, in any memory, and are told once`, async (t) => {
    const whole = source(32 * SIZE);
    const shared = source(SIZE, { lookup: (query) => whole.lookup(query) });
    const [holder, asker] = [await start(t, shared), await start(t, source(1), how)];
    const session = await asker.blocks.open(holder.provider);
    assert.equal(session.via, via);
    const blocks = await Promise.all(
      Array.from({ length: 40 }, async (_, index) => {
        const cid = index % 5 === 4 ? OTHER : CID;
        const into = index % 2 === 0 ? new Uint8Array(SIZE) : new Uint8Array(new SharedArrayBuffer(SIZE));
        await session.block(cid, index, into);
        return { cid, index, into };
      }),
    );
    for (const { cid, index, into } of blocks)
      assert.equal(Buffer.compare(into, fill(new Uint8Array(SIZE), cid, index)), 0, `block ${index}`);
    assert.deepEqual(
      (await session.manifest(CID)).map((node) => [...node]),
      [[1, 2], [3]],
    );
    assert.equal(await session.have(CID), null);
    await session.close();
    await until('told', () => holder.events.length >= 2);
    assert.deepEqual(
      holder.events.map((event) => (event.type === 'file.sent' ? [event.name, event.bytes] : event)),
      [
        [CID, 32 * SIZE],
        [OTHER, 8 * SIZE],
      ],
    );
  });

  test(`over a ${via} what cannot be had is refused, each by its reason, and the next request is answered`, async (t) => {
    const readBlock = (cid: string, index: number, into = new Uint8Array(9)): Promise<Uint8Array> => {
      if (cid === OTHER) return Promise.reject(new KelanaError('NOT_SHARED', { name: 'x' }));
      if (index === 1) return Promise.reject(new KelanaError('SOURCE_CHANGED', { name: 'x' }));
      if (index === 2) return Promise.reject(new KelanaError('NOT_SHARED', { name: 'x' }));
      if (index === 3) return Promise.reject(new RangeError('no such block'));
      if (index === 4) return Promise.reject(new Error('EIO'));
      return Promise.resolve(fill(into.subarray(0, 9), cid, index));
    };
    const shared = source(9, { readBlock, manifest: () => Promise.resolve([]) });
    const [holder, asker] = [await start(t, shared, {}), await start(t, source(1), how)];
    const session = await asker.blocks.open(holder.provider);
    const ask = (cid: string, index: number): Promise<string> =>
      session.block(cid, index, new Uint8Array(9)).then(() => 'whole', refusalOf);
    const all = [ask(CID, 0), ask(CID, 1), ask(CID, 2), ask(CID, 3), ask(CID, 4), ask(OTHER, 0), ask(CID, 5)];
    assert.deepEqual(await Promise.all(all), [
      'whole',
      'SOURCE_CHANGED',
      'not-here',
      'absent',
      'failed',
      'not-here',
      'whole',
    ]);
    assert.deepEqual(await session.manifest(CID), []);
    await assert.rejects(session.block(CID, 3, new Uint8Array(9)), (thrown) => {
      assert.ok(thrown instanceof KelanaError);
      assert.match(thrown.describe('id').says, /holder: blok itu belum ada di sana/);
      return true;
    });
  });

  test(`over a ${via} a download that is given up leaves others of the same provider alone`, async (t) => {
    let release: (() => void) | undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const readBlock = async (
      cid: string,
      index: number,
      into = new Uint8Array(SIZE),
    ): Promise<Uint8Array> => {
      if (cid === OTHER && index === 1) await gate;
      return fill(into.subarray(0, SIZE), cid, index);
    };
    const [holder, asker] = [await start(t, source(SIZE, { readBlock })), await start(t, source(1), how)];
    const [one, two] = [await asker.blocks.open(holder.provider), await asker.blocks.open(holder.provider)];
    const given = [0, 1, 2].map((index) => one.block(OTHER, index, new Uint8Array(SIZE)));
    const kept = [0, 1].map(async (index) => {
      const into = new Uint8Array(SIZE);
      await two.block(CID, index, into);
      return Buffer.compare(into, fill(new Uint8Array(SIZE), CID, index));
    });
    await given[0];
    one.abort('enough');
    for (const late of given.slice(1)) await assert.rejects(late, /enough|cancelled/);
    await assert.rejects(one.block(OTHER, 3, new Uint8Array(SIZE)), /enough/);
    release?.();
    assert.deepEqual(await Promise.all(kept), [0, 0]);
  });

  test(`over a ${via} the end of a provider ends every request at once`, async (t) => {
    const never = (): Promise<Uint8Array> => new Promise(() => undefined);
    const [holder, asker] = [await start(t, source(9, { readBlock: never })), await start(t, source(1), how)];
    const session = await asker.blocks.open(holder.provider);
    const waiting = [0, 1, 2].map((index) => session.block(CID, index, new Uint8Array(9)));
    await holder.blocks.stop();
    for (const one of waiting) await assert.rejects(one, { code: 'TRANSFER_FAILED' });
  });
}

test('a file that is open to one peer alone is served to that peer', async (t) => {
  const friend = await start(t, source(1));
  const notShared = (): Promise<never> => Promise.reject(new KelanaError('NOT_SHARED', { name: 'x' }));
  const own = {
    name: 'surat.txt',
    manifest: () => Promise.resolve([]),
    readBlock: () => Promise.resolve(Uint8Array.of(4, 2)),
  };
  const holder = await start(t, source(1, { readBlock: notShared, manifest: notShared }), {
    visible: (peer, cid) => (peer === friend.provider.peer && cid === OTHER ? own : undefined),
  });
  const into = new Uint8Array(2);
  const session = await friend.blocks.open(holder.provider);
  await session.block(OTHER, 0, into);
  assert.deepEqual([...into], [4, 2]);
  assert.deepEqual(await session.manifest(OTHER), []);
  await assert.rejects(session.block(CID, 0, into), (thrown) => refusalOf(thrown) === 'not-here');
  const stranger = await start(t, source(1));
  const other = await stranger.blocks.open(holder.provider);
  await assert.rejects(other.block(OTHER, 0, into), (thrown) => refusalOf(thrown) === 'not-here');
  await assert.rejects(other.manifest(OTHER), (thrown) => refusalOf(thrown) === 'not-here');
});

test('a node whose port takes no lane is asked over libp2p', async (t) => {
  const [holder, asker] = [await start(t, source(9), { lanes: false }), await start(t, source(1))];
  const session = await asker.blocks.open(holder.provider);
  assert.equal(session.via, 'stream');
  await session.block(CID, 0, new Uint8Array(9));
});

test('whoever proves to be another peer, or proves nothing, gets no lane, and honest peers do', async (t) => {
  const [holder, other, asker] = [
    await start(t, source(9)),
    await start(t, source(9)),
    await start(t, source(1)),
  ];
  const posed = { ...holder.provider, addresses: other.provider.addresses };
  await assert.rejects(asker.blocks.open(posed), { code: 'PEER_UNREACHABLE' });
  for (const bytes of ['\u0016\u0003\u0001\u0000\u0005hello', '\u0016', 'GET / HTTP/1.1\r\n\r\n', '']) {
    const socket = connectTcp(holder.port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.end(bytes, 'latin1');
    await until('ended', () => socket.destroyed);
  }
  // TLS without a certificate, and with another protocol.
  for (const options of [
    { ALPNProtocols: ['kelana-lane/2.1'] },
    { secureContext: await contextOf(await generateKeyPair('Ed25519')) },
  ]) {
    const socket = connectTls({
      port: holder.port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      ...options,
    });
    socket.on('error', () => undefined).resume();
    await until('ended', () => socket.destroyed);
  }
  const session = await asker.blocks.open(holder.provider);
  assert.equal(session.via, 'lane');
  await session.block(CID, 0, new Uint8Array(9));
});

test('a question over a stream keeps no later download off a lane, and uses one that is there', async (t) => {
  const [holder, asker] = [await start(t, source(9)), await start(t, source(1))];
  await asker.host.dial(holder.host.getMultiaddrs());
  const asked = await asker.blocks.open(holder.provider, undefined, { stream: true });
  assert.equal(asked.via, 'stream');
  const session = await asker.blocks.open(holder.provider);
  assert.equal(session.via, 'lane');
  assert.equal((await asker.blocks.open(holder.provider, undefined, { stream: true })).via, 'lane');
});

test('who no longer wants a way to a provider gets none, though one is open already', async (t) => {
  const [holder, asker] = [await start(t, source(9)), await start(t, source(9))];
  const session = await asker.blocks.open(holder.provider);
  const why = new Error('no longer wanted');
  await assert.rejects(asker.blocks.open(holder.provider, AbortSignal.abort(why)), why);
  assert.equal((await session.manifest(CID)).length, 2);
  await session.close();
});

test('a banned peer is served nothing', async (t) => {
  const banned = new Set<string>();
  const [holder, asker] = [
    await start(t, source(9), { refuses: (peer) => banned.has(peer) }),
    await start(t, source(1)),
  ];
  banned.add(asker.provider.peer);
  const session = await asker.blocks.open(holder.provider);
  await assert.rejects(session.block(CID, 0, new Uint8Array(9)), { code: 'TRANSFER_FAILED' });
});

test('uploads beyond what one peer may have hear `busy`, until a place is free or nothing crosses it', async (t) => {
  let now = 0;
  const [holder, asker] = [await start(t, source(9), { now: () => now }), await start(t, source(1))];
  const ask = (session: BlockSession): Promise<string> =>
    session.block(CID, 0, new Uint8Array(9)).then(() => 'served', refusalOf);
  const blocks: Blocks[] = [];
  const next = async (): Promise<BlockSession> => {
    // Each `Blocks` has channels of its own; all show the same peer.
    const more = await another(t, asker);
    blocks.push(more);
    return await more.open(holder.provider);
  };
  for (let at = 0; at < TRANSFER.maxUploadsPerPeer; at += 1) assert.equal(await ask(await next()), 'served');
  const refused = await next();
  assert.equal(await ask(refused), 'busy');
  await blocks[0]?.stop();
  let answer = 'busy';
  for (let tries = 0; answer === 'busy' && tries < 1_000; tries += 1) answer = await ask(refused);
  assert.equal(answer, 'served');
  const late = await next();
  assert.equal(await ask(late), 'busy');
  now += TRANSFER.placeIdleMs;
  assert.equal(await ask(late), 'served');
});

/** A service of its own for the same peer: its channels are further ones. */
async function another(t: TestContext, { host, key }: Node): Promise<Blocks> {
  const more = await Blocks.start({
    host: withoutConnections(host),
    key,
    source: source(1),
    emit: () => undefined,
    who: 'test',
    now: () => performance.now(),
    labelOf: (peer) => peer,
    refuses: () => false,
    ups: unlimited(),
    downs: unlimited(),
  });
  t.after(() => more.stop());
  return more;
}

/** The same peer, which knows of no connection: each `Blocks` on it dials for itself. */
function withoutConnections(host: Host): Host {
  const hidden: Partial<Host> = {
    handle: () => Promise.resolve(),
    unhandle: () => Promise.resolve(),
    getConnections: () => [],
  };
  return new Proxy(host, {
    get: (target, name) => {
      const own: unknown = Reflect.get(hidden, name) ?? Reflect.get(target, name);
      return own;
    },
  });
}

test('one peer with many lanes takes its own places and nobody else its own', async (t) => {
  const holder = await start(t, source(9), { now: () => 0 });
  const [greedy, honest] = [await start(t, source(1)), await start(t, source(1))];
  const answers: string[] = [];
  for (let at = 0; at < TRANSFER.maxUploads + 4; at += 1) {
    const more = await another(t, greedy);
    const session = await more.open(holder.provider);
    answers.push(await session.block(CID, 0, new Uint8Array(9)).then(() => 'served', refusalOf));
  }
  assert.equal(answers.filter((answer) => answer === 'served').length, TRANSFER.maxUploadsPerPeer);
  const session = await honest.blocks.open(holder.provider);
  await session.block(CID, 0, new Uint8Array(9));
});

test('a connection that fails leaves no timer behind', async (t) => {
  const asker = await start(t, source(1));
  const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const [gone] = [await start(t, source(1))];
  await gone.blocks.stop();
  await gone.host.stop();
  const before = timers();
  for (let at = 0; at < 10; at += 1)
    await assert.rejects(asker.blocks.open(gone.provider), { code: 'PEER_UNREACHABLE' });
  await until('only those of the dials are left', () => timers() <= before + 2);
});

test('the block that a search is shown goes at once after its manifest, whatever that owes; a second one waits', async (t) => {
  const limit = LIMITS.leastBytesPerSecond;
  const ups = new Turns({ now: () => performance.now(), limit: () => limit });
  const manifest = (): Promise<Uint8Array[]> => Promise.resolve([new Uint8Array(limit / 4)]);
  const holder = await start(t, source(TRANSFER.blockBytes, { manifest }), { ups });
  const asker = await start(t, source(0));
  const session = await asker.blocks.open(holder.provider);
  const begun = performance.now();
  await session.manifest(CID);
  await session.block(CID, 0, new Uint8Array(TRANSFER.blockBytes));
  assert.equal(ups.info().bytes, limit / 4 + TRANSFER.blockBytes);
  const alone = (1000 * TRANSFER.blockBytes) / limit;
  assert.ok(performance.now() - begun < alone / 2, 'not piece by piece');
  const second = session.block(CID, 1, new Uint8Array(TRANSFER.blockBytes));
  second.catch(() => undefined);
  await until('it waits for its turn', () => ups.info().waiting > 0);
  session.abort('seen enough');
});

test('more blocks than may wait for a turn at once all come, at the limit and in their order', async (t) => {
  const [count, size, limit] = [3 * LIMITS.maxWaits, 200, 100_000];
  const downs = new Turns({ now: () => performance.now(), limit: () => limit });
  const [holder, asker] = [await start(t, source(size)), await start(t, source(1), { downs })];
  const session = await asker.blocks.open(holder.provider);
  const begun = performance.now();
  const came: number[] = [];
  await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      await session.block(CID, index, new Uint8Array(size));
      came.push(index);
    }),
  );
  assert.deepEqual(
    came,
    [...came].sort((one, other) => one - other),
  );
  const least = (1_000 * count * size) / limit - LIMITS.burstMs;
  assert.ok(performance.now() - begun > 0.9 * least, 'not faster than the limit');
  const given = Array.from({ length: count }, (_, index) => session.block(CID, index, new Uint8Array(size)));
  session.abort('enough');
  const ends = await Promise.allSettled(given);
  assert.equal(ends.at(-1)?.status, 'rejected');
});

test('of handshakes only so many are under way at once', async (t) => {
  const { blocks } = await start(t, source(9));
  const raws = Array.from({ length: OVERLAY.maxPendingInbound + 1 }, () => new Socket());
  for (const raw of raws) blocks.take(raw);
  assert.deepEqual([raws.at(-2)?.destroyed, raws.at(-1)?.destroyed], [false, true]);
  for (const raw of raws) raw.destroy();
});

test('who is gone waits for no turn any more', async (t) => {
  const ups = new Turns({ now: () => performance.now(), limit: () => LIMITS.leastBytesPerSecond });
  const [holder, asker] = [await start(t, source(TRANSFER.blockBytes), { ups }), await start(t, source(0))];
  const session = await asker.blocks.open(holder.provider);
  await session.block(CID, 0, new Uint8Array(TRANSFER.blockBytes));
  const second = session.block(CID, 1, new Uint8Array(TRANSFER.blockBytes));
  second.catch(() => undefined);
  await until('it waits', () => ups.info().waiting > 0);
  await asker.blocks.stop();
  await until('it does not', () => ups.info().waiting === 0);
});
