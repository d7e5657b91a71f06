import assert from 'node:assert/strict';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { SWARM } from '../core/config.ts';
import type { KelanaError } from '../core/errors.ts';
import type { Provider } from '../core/ports.ts';
import type { BlockSession, IncomingFile } from '../core/transfer/ports.ts';
import { SHAPE } from '../core/transfer/layout.ts';
import { SlotPool } from './slots.testkit.ts';
import { DISCARD, type Fetched, type SwarmOptions } from './options.ts';
import { Swarm } from './swarm.ts';
import { contentOf, howFor, some, TestFolder, TestProvider, type Content } from './swarm.testkit.ts';

const kB = 1024;

async function folderFor(t: TestContext, slots?: number): Promise<TestFolder> {
  const path = await mkdtemp(join(tmpdir(), 'kelana-swarm-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return new TestFolder(path, slots);
}

interface Case {
  readonly content: Content;
  readonly folder: TestFolder;
  readonly nodes: readonly TestProvider[];
  readonly more?: Partial<SwarmOptions>;
  readonly known?: readonly TestProvider[];
}

function start({ content, folder, nodes, more = {}, known = nodes }: Case): {
  readonly swarm: Swarm;
  readonly result: Promise<Fetched>;
} {
  const signal = new AbortController().signal;
  const swarm = new Swarm({ ...howFor(nodes, folder, content), signal, ...more });
  swarm.add(known.map(({ provider }) => provider));
  return { swarm, result: swarm.run() };
}

async function arrives(about: Case): Promise<Fetched> {
  const fetched = await start(about).result;
  assert.deepEqual(await about.folder.read(about.content.file), Buffer.from(about.content.bytes));
  await assert.rejects(access(about.folder.partOf(about.content.file)));
  return fetched;
}

/** Waits of seconds take a twentieth of them. */
const HURRIED = { now: () => 20 * performance.now() };

const missing = (folder: TestFolder, content: Content): Promise<void> =>
  assert.rejects(access(join(folder.path, content.file.name)));

for (const size of [0, 1, 1023, 1024, 1025, 100 * kB + 7])
  test(`a file of ${size} bytes comes whole from one provider, and from three`, async (t) => {
    const content = contentOf(size, 3);
    for (const count of [1, 3]) {
      const nodes = Array.from({ length: count }, (_, at) => new TestProvider(`p${at}`, content));
      const { from } = await arrives({ content, nodes, folder: await folderFor(t) });
      assert.equal(
        from.reduce((sum, { bytes }) => sum + bytes, 0),
        size,
      );
    }
  });

test('providers that have only parts complete each other, also with what they get meanwhile', async (t) => {
  const content = contentOf(120 * kB, 4);
  const nodes = [0, 1, 2].map(
    (at) => new TestProvider(`p${at}`, content, { have: some(content, (block) => block % 3 === at) }),
  );
  const { from } = await arrives({ content, nodes, folder: await folderFor(t) });
  assert.equal(from.length, 3);
});

test('a liar is dropped at its first bad block, told, and gives no more than it was asked for', async (t) => {
  const content = contentOf(200 * kB, 5);
  const liar = new TestProvider('liar', content, { lies: () => true });
  const nodes = [liar, new TestProvider('good', content, { rate: 400 * kB })];
  const dropped: [string, string, boolean][] = [];
  const more = {
    onDropped: ({ peer }: Provider, { code }: KelanaError, lied: boolean) => dropped.push([peer, code, lied]),
  };
  const { from } = await arrives({ content, nodes, folder: await folderFor(t), more });
  assert.deepEqual(dropped, [['liar', 'BAD_BLOCK', true]]);
  assert.ok(liar.given <= SWARM.firstAsked, `${liar.given} blocks`);
  assert.equal(liar.opened, 1);
  assert.deepEqual(
    from.map(({ provider }) => provider.peer),
    ['good'],
  );
});

test('a liar goes by the label that it has now, not by that of a session opened long ago', async (t) => {
  const content = contentOf(20 * kB, 6);
  for (const manner of [{ lies: () => true }, { forges: true }]) {
    const liar = new TestProvider('liar', content, manner);
    const open = async (_: Provider, signal: AbortSignal): Promise<BlockSession> => ({
      ...(await liar.open(signal)),
      label: 'long ago',
    });
    const nodes = [liar];
    const { result } = start({ content, nodes, folder: await folderFor(t), more: { open } });
    await assert.rejects(result, (error: KelanaError) => error.params['peer'] === 'label liar');
  }
});

test('a forged manifest is a lie, and the next provider is asked for it', async (t) => {
  const content = contentOf(30 * kB, 6);
  const nodes = [new TestProvider('forger', content, { forges: true }), new TestProvider('good', content)];
  const lied: string[] = [];
  const more = { onDropped: ({ peer }: Provider, _: KelanaError, liar: boolean) => liar && lied.push(peer) };
  await arrives({ content, nodes, folder: await folderFor(t), more });
  assert.deepEqual(lied, ['forger']);
});

test('who never says what it has keeps no download from its end, whole or stopped', async (t) => {
  const content = contentOf(30 * kB, 6);
  const mute = new TestProvider('mute', content, { mute: 'have' });
  const good = new TestProvider('good', content);
  await arrives({ content, nodes: [mute, good], folder: await folderFor(t) });
  const stop = new AbortController();
  const folder = await folderFor(t);
  const { result } = start({ content, nodes: [mute], folder, more: { signal: stop.signal } });
  stop.abort(new Error('enough'));
  await assert.rejects(result, /enough/);
});

test('one dies and one breaks off again and again: the download goes on, and comes back to who is there', async (t) => {
  const content = contentOf(100 * kB, 7);
  const dies = new TestProvider('dies', content, { rate: 100 * kB });
  const breaks = new TestProvider('breaks', content, { breaksAfter: 30 });
  const folder = await folderFor(t);
  const { swarm, result } = start({ content, nodes: [dies, breaks], folder, more: HURRIED });
  const watch = setInterval(() => swarm.progress.bytes > 10 * kB && dies.kill(), 1);
  await result.finally(() => clearInterval(watch));
  assert.deepEqual(await folder.read(content.file), Buffer.from(content.bytes));
  assert.ok(breaks.opened > 1, `opened ${breaks.opened} times`);
});

test('nobody is left: the error says why, what came is kept, and the next download fetches only the rest', async (t) => {
  const content = contentOf(100 * kB, 8);
  const folder = await folderFor(t);
  const first = new TestProvider('p', content, { breaksAfter: 40 });
  const { swarm, result } = start({ content, nodes: [first], folder, more: HURRIED });
  const watch = setInterval(() => swarm.progress.bytes === 40 * kB && first.kill(), 1);
  await assert.rejects(result, { code: 'PEER_UNREACHABLE' }).finally(() => clearInterval(watch));
  await access(folder.partOf(content.file));
  const second = new TestProvider('p', content);
  await arrives({ content, nodes: [second], folder });
  assert.equal(second.given, 60);
});

test('a source that changed is told apart from one that is corrupt, and from one that has nothing', async (t) => {
  const content = contentOf(40 * kB, 9);
  for (const [manner, code] of [
    [{ refuses: 'changed' }, 'SOURCE_CHANGED'],
    [{ lies: () => true }, 'BAD_BLOCK'],
    [{ refuses: 'not-here' }, 'TRANSFER_FAILED'],
    [{ refuses: 'failed' }, 'TRANSFER_FAILED'],
    [{ forges: true }, 'BAD_BLOCK'],
  ] as const) {
    const folder = await folderFor(t);
    const { result } = start({ content, folder, nodes: [new TestProvider('p', content, { ...manner })] });
    await assert.rejects(result, { code });
    await assert.rejects(access(folder.partOf(content.file)), 'nothing is left where nothing came');
  }
});

test('a file that is renamed or touched at its only holder midway is gone on with, once that has read it again', async (t) => {
  for (const refuses of ['changed', 'not-here'] as const) {
    const content = contentOf(60 * kB, 31);
    const node = new TestProvider('p', content, { rate: 100 * kB });
    let searches = 0;
    const more = {
      ...HURRIED,
      async *find() {
        await Promise.resolve();
        searches += 1;
        if (searches === 1) return;
        delete node.manner.rate;
        node.manner.refuses = null;
        yield node.provider;
      },
    };
    const folder = await folderFor(t);
    const { swarm, result } = start({ content, folder, nodes: [node], more });
    const watch = setInterval(() => {
      if (swarm.progress.bytes < 5 * kB || searches > 0) return;
      node.manner.refuses = refuses;
    }, 1);
    await result.finally(() => clearInterval(watch));
    assert.deepEqual([searches, node.given], [2, 60], refuses);
    assert.deepEqual(await folder.read(content.file), Buffer.from(content.bytes));
  }
});

test('a file that is another by then ends it, with what came kept', async (t) => {
  const content = contentOf(60 * kB, 32);
  const node = new TestProvider('p', content, { rate: 100 * kB });
  let searches = 0;
  const more = {
    ...HURRIED,
    async *find() {
      await Promise.resolve();
      searches += 1;
      yield* [];
    },
  };
  const folder = await folderFor(t);
  const { swarm, result } = start({ content, folder, nodes: [node], more });
  const watch = setInterval(() => {
    if (swarm.progress.bytes >= 5 * kB) node.manner.refuses = 'changed';
  }, 1);
  await assert.rejects(result, { code: 'SOURCE_CHANGED' }).finally(() => clearInterval(watch));
  assert.equal(searches, SWARM.changedTries);
  await access(folder.partOf(content.file));
});

test('who is busy is asked again until it is free', async (t) => {
  const content = contentOf(40 * kB, 10);
  const node = new TestProvider('p', content, { refuses: 'busy' });
  const folder = await folderFor(t);
  const { result } = start({ content, folder, nodes: [node] });
  setTimeout(() => (node.manner.refuses = null), 200);
  await result;
  assert.equal(node.given, 40);
});

test('who is too busy to be opened is opened again, with nobody else there and no search', async (t) => {
  const content = contentOf(40 * kB, 21);
  const node = new TestProvider('p', content, { busyTimes: 2 });
  await arrives({ content, folder: await folderFor(t), nodes: [node], more: HURRIED });
  assert.deepEqual([node.opened, node.given], [3, 40]);
});

test('who is busy for ever is given up', async (t) => {
  const content = contentOf(40 * kB, 10);
  const nodes = [new TestProvider('p', content, { refuses: 'busy' })];
  const folder = await folderFor(t);
  const { result } = start({ content, folder, nodes, more: { now: () => 200 * performance.now() } });
  await assert.rejects(result, { code: 'TRANSFER_FAILED', message: /busy/ });
  await assert.rejects(access(folder.partOf(content.file)), 'nothing is left where nothing came');
});

test('providers that a search finds during the download join it', async (t) => {
  const content = contentOf(60 * kB, 11);
  const half = new TestProvider('half', content, { have: some(content, (block) => block < 30) });
  const whole = new TestProvider('whole', content);
  const more = {
    async *find(cid: string) {
      assert.equal(cid, content.file.cid);
      await Promise.resolve();
      yield whole.provider;
    },
  };
  const folder = await folderFor(t);
  const { from } = await arrives({ content, folder, nodes: [half, whole], known: [half], more });
  assert.deepEqual(new Set(from.map(({ provider }) => provider.peer)), new Set(['half', 'whole']));
  const alone = await folderFor(t);
  await arrives({ content, folder: alone, nodes: [whole], known: [], more });
});

test(
  'others who have a large file are looked for at once, before the first is even open',
  { timeout: 5_000 },
  async (t) => {
    const content = contentOf(2 * kB, 9);
    const large = { ...content, file: { ...content.file, size: SWARM.searchFromBytes } };
    const searched = Promise.withResolvers<void>();
    const stop = new AbortController();
    const never = (signal: AbortSignal): Promise<never> =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
    const { result } = start({
      content: large,
      nodes: [new TestProvider('slow', large)],
      folder: await folderFor(t),
      more: {
        signal: stop.signal,
        open: (_, signal) => never(signal),
        async *find(_, signal) {
          searched.resolve();
          yield await never(signal);
        },
      },
    });
    await searched.promise;
    stop.abort(DISCARD);
    await assert.rejects(result);
  },
);

test('a holder that was given up is asked at once when it links again, while others have only parts', async (t) => {
  const content = contentOf(60 * kB, 33);
  const half = new TestProvider('half', content, { have: some(content, (block) => block < 30) });
  const whole = new TestProvider('whole', content, { down: true });
  let lost = 0;
  const folder = await folderFor(t);
  const more = { ...HURRIED, onDropped: () => (lost += 1) };
  const { swarm, result } = start({ content, folder, nodes: [half, whole], more });
  // Once at first, and once when it is given up.
  const watch = setInterval(() => {
    if (lost < 2 || swarm.progress.bytes < 30 * kB) return;
    whole.manner.down = false;
    swarm.linked({ ...whole.provider, label: 'back' });
  }, 1);
  const { from } = await result.finally(() => clearInterval(watch));
  assert.ok(from.some(({ provider }) => provider.label === 'back'));
  assert.deepEqual(await folder.read(content.file), Buffer.from(content.bytes));
});

test('what nobody has is waited for, and then given up with what came', async (t) => {
  const content = contentOf(60 * kB, 18);
  const nodes = [new TestProvider('half', content, { have: some(content, (block) => block < 30) })];
  const folder = await folderFor(t);
  const { swarm, result } = start({ content, folder, nodes, more: { now: () => 200 * performance.now() } });
  await assert.rejects(result, { code: 'TRANSFER_FAILED', message: /nobody has the missing blocks/ });
  assert.equal(swarm.progress.bytes, 30 * kB);
  await access(folder.partOf(content.file));
});

test('what a provider gets while the download runs is fetched from it', async (t) => {
  const content = contentOf(60 * kB, 19);
  const node = new TestProvider('grows', content, { have: some(content, (block) => block < 30) });
  const folder = await folderFor(t);
  const { swarm, result } = start({ content, folder, nodes: [node], more: HURRIED });
  const grow = setInterval(() => swarm.progress.bytes === 30 * kB && (node.manner.have = null), 1);
  await result.finally(() => clearInterval(grow));
  assert.deepEqual(await folder.read(content.file), Buffer.from(content.bytes));
});

test('stopped, it keeps what came; thrown away, it keeps nothing', async (t) => {
  const content = contentOf(100 * kB, 12);
  for (const [reason, kept] of [
    [new Error('stopped'), true],
    [DISCARD, false],
  ] as const) {
    const folder = await folderFor(t);
    const stop = new AbortController();
    const nodes = [new TestProvider('p', content, { rate: 200 * kB })];
    const { swarm, result } = start({ content, folder, nodes, more: { signal: stop.signal } });
    const watch = setInterval(() => swarm.progress.bytes > 20 * kB && stop.abort(reason), 1);
    await assert.rejects(result, (thrown) => thrown === reason).finally(() => clearInterval(watch));
    await missing(folder, content);
    if (kept) await access(folder.partOf(content.file));
    else await assert.rejects(access(folder.partOf(content.file)));
  }
});

test('a disk that takes nothing ends it with the error of the disk', async (t) => {
  const content = contentOf(40 * kB, 13);
  const folder = await folderFor(t);
  folder.fault = 'ENOSPC';
  const { result } = start({ content, folder, nodes: [new TestProvider('p', content)] });
  await assert.rejects(result, { code: 'CANNOT_WRITE' });
});

test('with memory for two blocks it is slower, and still right', async (t) => {
  const content = contentOf(100 * kB, 14);
  const nodes = [0, 1, 2].map((at) => new TestProvider(`p${at}`, content));
  await arrives({ content, nodes, folder: await folderFor(t, 2) });
});

test('a hit whose size is a lie ends at once, and nobody is called a liar for it', async (t) => {
  const content = contentOf(40 * kB, 15);
  const told: boolean[] = [];
  const more = {
    file: { ...content.file, size: content.file.size + 1 },
    onDropped: (_: Provider, __: KelanaError, liar: boolean) => told.push(liar),
  };
  const { result } = start({
    content,
    folder: await folderFor(t),
    nodes: [new TestProvider('p', content)],
    more,
  });
  await assert.rejects(result, { code: 'PEER_PROTOCOL' });
  assert.deepEqual(told, []);
});

test('four providers of the same rate bring about a quarter each', async (t) => {
  const content = contentOf(1024 * kB, 16, { ...SHAPE, blockBytes: 16 * kB });
  const nodes = Array.from(
    { length: 4 },
    (_, at) => new TestProvider(`p${at}`, content, { rate: 2_000_000 }),
  );
  const { from } = await arrives({ content, nodes, folder: await folderFor(t) });
  assert.equal(from.length, 4);
  for (const { bytes } of from) assert.ok(bytes >= content.bytes.length / 10, `${bytes} bytes`);
});

test('the own work for a block, its part of the manifest included, takes less than 0.1 ms', async (t) => {
  // 8 GiB by number of blocks, each of 1 byte that costs nothing to send, check or write.
  const count = 8_192;
  const content = contentOf(count, 17, { blockBytes: 1, maxLinks: 1024, maxFileBytes: 2 ** 20 });
  const pool = new SlotPool(40, 1);
  const nothing = (): Promise<void> => Promise.resolve();
  const incoming: IncomingFile = {
    path: null,
    have: new Uint8Array(count / 8),
    slot: (signal) => pool.take(signal),
    write: (_, slot) => {
      slot.release();
      return Promise.resolve(true);
    },
    finish: () => Promise.resolve('x'),
    suspend: nothing,
    abort: nothing,
  };
  const session: BlockSession = {
    peer: 'p',
    label: 'p',
    via: 'lane',
    root: () => Promise.resolve(new Uint8Array(0)),
    manifest: () => Promise.resolve([]),
    nodes: (_cid, take) => Promise.resolve(content.nodes.forEach(take)),
    node: () => Promise.resolve(new Uint8Array(0)),
    have: () => Promise.resolve(null),
    block: nothing,
    close: nothing,
    abort: () => undefined,
  };
  const folder = await folderFor(t);
  const more = { incoming: () => Promise.resolve(incoming), open: () => Promise.resolve(session) };
  let each = Infinity;
  // What others do on the machine costs too: the best of a few.
  for (let round = 0; round < 3 && each >= 0.1; round += 1) {
    const cpu = process.cpuUsage();
    await start({ content, folder, nodes: [new TestProvider('p', content)], more }).result;
    const { user, system } = process.cpuUsage(cpu);
    each = Math.min(each, (user + system) / 1000 / count);
  }
  t.diagnostic(`${(each * 1000).toFixed(1)} µs of CPU a block`);
  assert.ok(each < 0.1, `${each} ms a block`);
});
