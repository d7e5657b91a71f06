import assert from 'node:assert/strict';
import { access, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { QUEUE } from '../core/config.ts';
import type { EventBody } from '../core/events.ts';
import type { Transfer, TransferState } from '../core/transfer/ports.ts';
import { cidOf, RAW } from '../core/transfer/cid.ts';
import { buildFolder } from '../core/transfer/directory.ts';
import { Downloads } from './downloads.ts';
import { TransferQueue } from './queue.ts';
import { TransferStore } from './store.ts';
import { contentOf, howFor, sha256, TestFolder, TestProvider, type Content } from './swarm.testkit.ts';

const kB = 1024;

async function until(what: string, condition: () => boolean, ms = 8_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(5);
  }
}

/** A node's queue over providers in this process; `open` again after `close` is the next process. */
class Desk {
  readonly folder: TestFolder;
  readonly base: string;
  readonly nodes: TestProvider[] = [];
  readonly events: EventBody[] = [];
  readonly contents: Content[] = [];
  /** Who was opened, one after the other. */
  readonly order: TestProvider[] = [];
  /** CIDs of what was removed. */
  readonly discarded: string[] = [];
  /** ms that the clock is ahead. */
  ahead = 0;
  queue!: TransferQueue;

  constructor(base: string) {
    this.base = base;
    this.folder = new TestFolder(join(base, 'downloaded'));
  }

  open(): TransferQueue {
    const open = (peer: string, cid: string): TestProvider | undefined =>
      this.nodes.find((node) => node.provider.peer === peer && node.content.file.cid === cid);
    const [content] = this.contents;
    assert.ok(content);
    const { file: _, ...how } = howFor(this.nodes, this.folder, content);
    const downloads = new Downloads({
      ...how,
      incomingFolder: () => Promise.reject(new Error('no folders here')),
      open: async ({ peer }, signal) => {
        const node = open(peer, this.contents.find(({ file }) => peer.endsWith(file.name))?.file.cid ?? '');
        assert.ok(node, peer);
        this.order.push(node);
        return await node.open(signal);
      },
    });
    this.queue = new TransferQueue({
      store: new TransferStore(join(this.base, 'transfers.db')),
      downloads,
      discard: async (file) => {
        this.discarded.push(file.cid);
        await rm(this.folder.partOf(file), { force: true });
      },
      wall: () => Date.now() + this.ahead,
      random: () => 0.5,
      emit: (event) => this.events.push(event),
      who: 'me',
    });
    return this.queue;
  }

  /** A file at a node of its own. */
  share(seed: number, size: number, rate?: number): TestProvider {
    const content = contentOf(size, seed);
    this.contents.push(content);
    const node = new TestProvider(`at-${content.file.name}`, content, rate === undefined ? {} : { rate });
    this.nodes.push(node);
    return node;
  }

  add(node: TestProvider): Transfer {
    return this.queue.add(node.content.file, [node.provider]);
  }

  state(id: number): TransferState | undefined {
    return this.queue.list().find((one) => one.id === id)?.state;
  }
}

async function deskFor(t: TestContext): Promise<Desk> {
  const base = await mkdtemp(join(tmpdir(), 'kelana-queue-'));
  const desk = new Desk(base);
  t.after(async () => {
    await desk.queue.close();
    await rm(base, { recursive: true, force: true });
  });
  return desk;
}

test('what is queued is fetched, up to so many at once, by priority', async (t) => {
  const desk = await deskFor(t);
  const nodes = [1, 2, 3, 4, 5].map((seed) => desk.share(seed, 60 * kB, 200 * kB));
  desk.open();
  const ids = nodes.map((node) => desk.add(node).id);
  desk.queue.prioritise(ids[4] ?? 0, 90);
  let most = 0;
  await until('all done', () => {
    const running = desk.queue.list().filter(({ state }) => state === 'running');
    most = Math.max(most, running.length);
    return ids.every((id) => desk.state(id) === 'done');
  });
  assert.equal(most, QUEUE.concurrent);
  assert.deepEqual(desk.order.slice(3), [nodes[4], nodes[3]]);
  for (const { content } of nodes)
    assert.deepEqual(await desk.folder.read(content.file), Buffer.from(content.bytes));
  assert.equal(desk.events.filter(({ type }) => type === 'file.downloaded').length, 5);
  assert.ok(desk.queue.list().every(({ path, bytes, size }) => path !== null && bytes === size));
});

test('paused, it keeps what came and stays so across a restart; resumed, it fetches the rest', async (t) => {
  const desk = await deskFor(t);
  const node = desk.share(1, 100 * kB, 200 * kB);
  desk.open();
  const { id } = desk.add(node);
  await until('some blocks', () => (desk.queue.list()[0]?.bytes ?? 0) > 10 * kB);
  assert.equal(desk.queue.pause(id).state, 'paused');
  await desk.queue.close();
  assert.equal(desk.open().list()[0]?.state, 'paused');
  const before = node.given;
  const had = desk.queue.list()[0]?.bytes ?? 0;
  delete node.manner.rate;
  desk.queue.resume(id);
  await until('done', () => desk.state(id) === 'done');
  assert.ok(node.given - before <= 90, `${node.given - before} blocks of 100 again`);
  const total = desk.events.find((event) => event.type === 'total');
  assert.ok(total !== undefined && total.bytes <= 100 * kB - had, `${total?.bytes} bytes came after ${had}`);
  assert.deepEqual(await desk.folder.read(node.content.file), Buffer.from(node.content.bytes));
});

test('closed in the middle, the next process goes on by itself', async (t) => {
  const desk = await deskFor(t);
  const node = desk.share(1, 100 * kB, 200 * kB);
  desk.open();
  const { id } = desk.add(node);
  await until('some blocks', () => (desk.queue.list()[0]?.bytes ?? 0) > 10 * kB);
  await desk.queue.close();
  desk.open();
  await until('done', () => desk.state(id) === 'done');
  assert.ok(node.given < 130, `${node.given} blocks for 100`);
});

test('a provider that is away: it waits, longer each time, and comes when the provider does', async (t) => {
  const desk = await deskFor(t);
  const node = desk.share(1, 20 * kB);
  node.manner.down = true;
  desk.open();
  const { id } = desk.add(node);
  const waits: number[] = [];
  for (const wait of [1, 2, 4]) {
    await until('waiting', () => desk.state(id) === 'waiting');
    const [{ retryAt, error, tries } = assert.fail()] = desk.queue.list();
    waits.push(Math.round(((retryAt ?? 0) - Date.now() - desk.ahead) / QUEUE.retryMs));
    assert.equal(error?.code, 'PEER_UNREACHABLE');
    assert.equal(waits.at(-1), wait, `${tries}`);
    // The clock goes on, and the next process sees that it is due.
    desk.ahead += wait * QUEUE.retryMs + 1;
    if (wait === 4) node.manner.down = false;
    await desk.queue.close();
    desk.open();
    await until('tried again', () => desk.state(id) === 'running' || desk.state(id) === 'done');
  }
  await until('done', () => desk.state(id) === 'done');
  assert.equal(desk.queue.list()[0]?.error, null);
});

test('a clock that was set back does not make a transfer wait for the time that it had then', async (t) => {
  const desk = await deskFor(t);
  const node = desk.share(41, 20 * kB);
  node.manner.down = true;
  desk.open();
  const { id } = desk.add(node);
  await until('waiting', () => desk.state(id) === 'waiting');
  node.manner.down = false;
  await desk.queue.close();
  desk.ahead = -365 * 24 * 3_600_000;
  desk.open();
  await until('done', () => desk.state(id) === 'done');
});

test('a provider that links again is asked at once, where it is now; one that has nothing to do with it is not', async (t) => {
  const desk = await deskFor(t);
  const [node, liar] = [desk.share(1, 20 * kB), desk.share(2, 20 * kB)];
  node.manner.down = true;
  liar.manner.lies = () => true;
  desk.open();
  const ids = [desk.add(node).id, desk.add(liar).id];
  await until('both wait', () => ids.every((id) => desk.state(id) === 'waiting'));
  node.manner.down = false;
  desk.queue.heard({ ...node.provider, peer: 'somebody' });
  desk.queue.heard(liar.provider);
  assert.deepEqual(ids.map(desk.state.bind(desk)), ['waiting', 'waiting'], 'a lie is not over with a link');
  const moved = { ...node.provider, addresses: ['/ip4/10.0.0.7/tcp/5001'] };
  desk.queue.heard(moved);
  assert.equal(desk.state(ids[0] ?? 0), 'running');
  await until('done', () => desk.state(ids[0] ?? 0) === 'done');
  assert.deepEqual(desk.queue.list()[0]?.providers, [moved]);
});

test('neither a source that changed nor one that lies ends it, and each says so', async (t) => {
  const desk = await deskFor(t);
  const [changed, liar] = [desk.share(1, 20 * kB), desk.share(2, 20 * kB)];
  changed.manner.refuses = 'changed';
  liar.manner.lies = () => true;
  desk.open();
  const [one, other] = [desk.add(changed), desk.add(liar)];
  await until('both ended', () => desk.state(one.id) === 'waiting' && desk.state(other.id) === 'waiting');
  const codes = desk.queue.list().map(({ error }) => error?.code);
  assert.deepEqual(codes, ['SOURCE_CHANGED', 'BAD_BLOCK']);
  changed.manner.refuses = null;
  desk.queue.resume(one.id);
  await until('done after all', () => desk.state(one.id) === 'done');
});

test('patterns that choose nothing of a folder end it: no holder and no time will change that', async (t) => {
  const desk = await deskFor(t);
  const node = desk.share(1, 20 * kB);
  desk.open();
  const cid = cidOf(RAW, sha256(node.content.bytes));
  const made = buildFolder([{ name: 'a.jpg', cid, total: 20 * kB }], sha256);
  const file = { name: 'liburan', size: 20 * kB, cid: made.cid.toString(), kind: 'folder' } as const;
  const folder = new TestProvider('at-liburan', { ...node.content, file, nodes: made.nodes });
  desk.contents.push(folder.content);
  desk.nodes.push(folder);
  const { id } = desk.queue.add(file, [folder.provider], ['*.tidakada', 'b/*']);
  await until('it ended', () => ['failed', 'waiting'].includes(desk.state(id) ?? ''));
  const [{ state, error } = assert.fail()] = desk.queue.list();
  assert.deepEqual(
    [state, error?.code, error?.params['only']],
    ['failed', 'NONE_CHOSEN', "'*.tidakada' 'b/*'"],
  );
});

test('cancelled, it is forgotten with all that was fetched, whether it runs or not', async (t) => {
  const desk = await deskFor(t);
  const [runs, rests] = [desk.share(1, 100 * kB, 100 * kB), desk.share(2, 100 * kB, 100 * kB)];
  desk.open();
  const ids = [desk.add(runs).id, desk.add(rests).id];
  await until('blocks of both', () => desk.queue.list().every(({ bytes }) => bytes > 5 * kB));
  desk.queue.pause(ids[1] ?? 0);
  for (const id of ids) await desk.queue.cancel(id);
  assert.deepEqual(desk.queue.list(), []);
  for (const { content } of [runs, rests]) await assert.rejects(access(desk.folder.partOf(content.file)));
  assert.throws(() => desk.queue.pause(ids[0] ?? 0), { code: 'NO_TRANSFER' });
  // Two parts of one folder lie in one place on the disk.
  const { file } = rests.content;
  const [some, others] = [['*.jpg'], ['*.png']].map((only) => desk.queue.add(file, [], only));
  assert.ok(some !== undefined && others !== undefined);
  desk.queue.pause(some.id);
  desk.queue.pause(others.id);
  await writeFile(desk.folder.partOf(file), 'of both');
  await desk.queue.cancel(some.id);
  await access(desk.folder.partOf(file));
  await desk.queue.cancel(others.id);
  await assert.rejects(access(desk.folder.partOf(file)));
  await assert.rejects(desk.queue.cancel(99), { code: 'NO_TRANSFER' });
});

test('what a cancelled transfer has of a folder goes with the last that fetches from it, also after a restart', async (t) => {
  const desk = await deskFor(t);
  const node = desk.share(1, 20 * kB);
  node.manner.down = true;
  desk.open();
  const [some, rest, last] = [['*.jpg'], ['*.png'], []].map((only) =>
    desk.queue.add(node.content.file, [node.provider], only),
  );
  assert.ok(some !== undefined && rest !== undefined && last !== undefined);
  await until('all wait', () => desk.queue.list().every(({ state }) => state === 'waiting'));
  await desk.queue.cancel(some.id);
  await desk.queue.close();
  desk.open();
  node.manner.down = false;
  desk.queue.resume(rest.id);
  await until('one is done', () => desk.state(rest.id) === 'done');
  assert.deepEqual(desk.discarded, [], 'the last goes on with it');
  desk.queue.resume(last.id);
  await until('the other too', () => desk.discarded.length > 0 && desk.state(last.id) === 'done');
  const again = desk.add(desk.share(2, kB));
  await until('another file is there', () => desk.state(again.id) === 'done');
  assert.deepEqual(desk.discarded, [node.content.file.cid], 'once');
});

test('the same file is queued once, with all its providers; done already, it is looked at again', async (t) => {
  const desk = await deskFor(t);
  const node = desk.share(1, 20 * kB, 100 * kB);
  desk.open();
  const first = desk.add(node);
  const other = { ...node.provider, label: 'another' };
  const again = desk.queue.add(node.content.file, [{ ...other, peer: `x-${other.peer}` }]);
  assert.deepEqual([again.id, again.providers.length], [first.id, 2]);
  await until('done', () => desk.state(first.id) === 'done');
  const { given } = node;
  assert.equal(desk.add(node).id, first.id);
  await until('done again', () => desk.state(first.id) === 'done');
  assert.equal(node.given, given, 'nothing crossed the network');
  const logged = desk.events.map(({ type }) => type);
  assert.deepEqual(logged, ['file.downloaded', 'total'], 'the second time nothing was downloaded');
});

test('a queue whose file is damaged begins anew, and keeps the old one beside', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'kelana-queue-'));
  t.after(() => rm(base, { recursive: true, force: true }));
  const path = join(base, 'transfers.db');
  await writeFile(path, 'nonsense '.repeat(1_000));
  const store = new TransferStore(path);
  assert.deepEqual(store.load(), []);
  assert.equal(store.damaged, `${path}.damaged`);
  assert.match(await readFile(`${path}.damaged`, 'utf8'), /^nonsense/);
  store.close();
  assert.throws(() => new TransferStore(join(base, 'no', 'transfers.db')), { code: 'DATABASE' });
});

test('what came is known after a crash, before the part was looked at', async (t) => {
  const desk = await deskFor(t);
  const node = desk.share(31, 100 * kB, 50 * kB);
  desk.open();
  const { id } = desk.add(node);
  const bytesOf = (): number => desk.queue.list().find((one) => one.id === id)?.bytes ?? 0;
  await until('something came', () => bytesOf() > 20 * kB);
  desk.ahead += QUEUE.saveMs;
  const beside = new TransferStore(join(desk.base, 'transfers.db'));
  await until('a kill would leave it known', () =>
    beside.load().some(({ state, bytes }) => state === 'running' && bytes > 20 * kB),
  );
  beside.close();
  await desk.queue.close();
  const known = bytesOf();
  node.manner.busyTimes = node.opened + 1;
  desk.open();
  let least = Infinity;
  await until('done', () => {
    least = Math.min(least, bytesOf());
    return desk.state(id) === 'done';
  });
  assert.ok(known < 100 * kB && least >= known, `${least} bytes, and ${known} before`);
});

test('the patterns of what is wanted of a folder survive a restart, and each choice is a transfer', async (t) => {
  const desk = await deskFor(t);
  desk.share(1, 10);
  const queue = desk.open();
  const file = { name: 'liburan', size: 3, cid: 'bafkfolder', kind: 'folder' } as const;
  const first = queue.add(file, [], ['*.jpg', '*.png']);
  assert.equal(queue.add(file, [], ['*.png', '*.jpg']).id, first.id);
  const all = queue.add(file, []);
  assert.notEqual(all.id, first.id);
  assert.deepEqual([first.wanted, all.wanted], [null, 3], 'of a part nobody knows how much it is');
  await queue.close();
  assert.deepEqual(
    desk
      .open()
      .list()
      .map(({ only }) => only),
    [['*.jpg', '*.png'], []],
  );
});
