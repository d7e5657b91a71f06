import assert from 'node:assert/strict';
import { randomBytes, randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { env } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type TestContext } from 'node:test';
import type { LimitsInfo } from '../src/core/ports.ts';
import type { Transfer } from '../src/core/transfer/ports.ts';
import {
  filesBelow,
  freePorts,
  MiB,
  seeded,
  settledFile,
  sha256,
  temporaryFolder,
  until,
} from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { start, type Run } from './support/run.ts';

/** `npm run test:kills` sets 50. */
const KILLS = Number(env['KELANA_KILLS'] ?? 2);
/** MiB of each file; when one is whole before all kills came, the next follows. */
const SIZE = KILLS > 10 ? 256 : 24;
const RATE = '12MB/s';
/** ms after a start within which a kill comes. */
const LIFE = KILLS > 10 ? 2_500 : 1_500;
/** ms: fifty lives in a row meet every mood of a shared machine. */
const MOODS = 60_000;
/** MiB that were whole and may be fetched again, in one life of the asker. */
const MOST = 4;

interface Content {
  readonly name: string;
  readonly hash: string;
  /** Of each MiB. */
  readonly blocks: readonly string[];
}

/** Two nodes, each a process of its own, and what is known of both whatever happens to them. */
class Pair {
  readonly #t: TestContext;
  readonly base: string;
  readonly #ports: readonly [number, number];
  #nodes: [Run | null, Run | null] = [null, null];
  /** Bytes that earlier lives of the holder sent, and of the asker wrote. */
  #sent = 0;
  #wrote = 0;

  constructor(t: TestContext, base: string, ports: readonly [number, number]) {
    this.#t = t;
    this.base = base;
    this.#ports = ports;
  }

  async start(side: 0 | 1): Promise<void> {
    const [holder, asker] = this.#ports;
    const common = ['node', '--host', '127.0.0.1', '--neighbours', '0', '--json', '--log-db', 'none'];
    const own =
      side === 0
        ? ['--port', String(holder), '--share', 'shared', '--data', 'holder', '--upload-limit', RATE]
        : ['--port', String(asker), '--share', 'empty', '--data', 'asker', '--peer', `127.0.0.1:${holder}`];
    for (const end = performance.now() + MOODS; ;) {
      const run = start(this.#t, [...common, ...own], { cwd: this.base });
      this.#nodes[side] = run;
      try {
        await run.says(/^\{"ready":true/m, MOODS);
        return;
      } catch (thrown) {
        // While it is down its port is anybody's: for a moment it may be that of a connection.
        if (!String(thrown).includes('PORT_IN_USE') || performance.now() > end) throw thrown;
      }
    }
  }

  async kill(side: 0 | 1): Promise<void> {
    if (side === 0) this.#sent = await this.sent();
    else this.#wrote = this.wrote();
    const run = this.#nodes[side];
    this.#nodes[side] = null;
    run?.child.kill('SIGKILL');
    await run?.ended;
  }

  async stop(): Promise<void> {
    for (const run of this.#nodes) assert.equal((await run?.end())?.code, 0);
  }

  /** Bytes of blocks that the holder sent in all its lives. */
  async sent(): Promise<number> {
    if (this.#nodes[0] === null) return this.#sent;
    const asked = ['limits', '--json', '--data', 'holder'];
    const { out } = await until(
      'the holder answers',
      async () => {
        const said = await inProcess(asked, this.base);
        return said.code === 0 ? said : null;
      },
      MOODS,
    );
    return this.#sent + (JSON.parse(out) as LimitsInfo).up.movedBytes;
  }

  /**
   * Bytes that the asker wrote in all its lives, to disks and sockets (proc(5), io): each block that it fetches once, and
   * little else.
   */
  wrote(): number {
    const run = this.#nodes[1];
    if (run === null) return this.#wrote;
    const [, bytes = '0'] = /^wchar: (\d+)$/m.exec(readFileSync(`/proc/${run.pid}/io`, 'utf8')) ?? [];
    return this.#wrote + Number(bytes);
  }

  /** Nothing of the asker goes on meanwhile. */
  async frozen<T>(work: () => Promise<T>): Promise<T> {
    const run = this.#nodes[1];
    run?.child.kill('SIGSTOP');
    try {
      return await work();
    } finally {
      run?.child.kill('SIGCONT');
    }
  }

  /** Queues a new file of the holder. */
  async next(round: number): Promise<Content> {
    const bytes = Buffer.concat(Array.from({ length: SIZE }, () => randomBytes(MiB)));
    const name = `besar-${round}.bin`;
    await settledFile(join(this.base, 'shared', name), bytes);
    const asked = ['get', name, '--background', '--json', '--data', 'asker', '--log-db', 'none'];
    await until('it is queued', async () => (await inProcess(asked, this.base)).code === 0, 60_000, 200);
    const blocks = Array.from({ length: SIZE }, (_, at) => sha256(bytes.subarray(at * MiB, (at + 1) * MiB)));
    return { name, hash: sha256(bytes), blocks };
  }

  async transfer({ name }: Content): Promise<Transfer | undefined> {
    const { code, out } = await inProcess(['transfers', '--json', '--data', 'asker'], this.base);
    if (code !== 0) return undefined;
    return (JSON.parse(out) as readonly Transfer[]).find((one) => one.name === name);
  }

  /** Blocks that lie whole on the asker's disk. */
  async whole({ name, blocks }: Content): Promise<ReadonlySet<number>> {
    const folder = join(this.base, 'downloaded');
    const names = await readdir(folder).catch(() => []);
    const file = names.find((one) => one === name) ?? names.find((one) => one.endsWith('.part'));
    const found = new Set<number>();
    const handle = file === undefined ? null : await open(join(folder, file)).catch(() => null);
    if (handle === null) return found;
    const block = Buffer.alloc(MiB);
    for (const [at, hash] of blocks.entries()) {
      const { bytesRead } = await handle.read(block, 0, MiB, at * MiB);
      if (bytesRead === MiB && sha256(block) === hash) found.add(at);
    }
    await handle.close();
    return found;
  }
}

test(`${KILLS} kills of either node at random moments: the download goes on by itself and loses nothing`, async (t) => {
  const seed = Number(env['KELANA_SEED'] ?? randomInt(2 ** 31));
  t.diagnostic(`KELANA_SEED=${seed}`);
  const random = seeded(seed);
  const base = await temporaryFolder(t);
  const [holder = 0, asker = 0] = await freePorts(2);
  const pair = new Pair(t, base, [holder, asker]);
  await settledFile(join(base, 'empty', 'baca.txt'), 'x');
  await settledFile(join(base, 'shared', 'baca.txt'), 'y');
  await pair.start(0);
  await pair.start(1);
  const contents = [await pair.next(1)];
  let [had, wrote, again, most]: [ReadonlySet<number>, number, number, number] = [new Set(), 0, 0, 0];
  const kills: [number, number] = [0, 0];
  const isDone = async (content: Content): Promise<boolean> =>
    (await pair.transfer(content))?.state === 'done';
  /** What was written since the last look beyond what is new on the disk. */
  const look = async (what: string): Promise<void> => {
    const [now, all] = await pair.frozen(async () => [
      await pair.whole(contents.at(-1) as Content),
      pair.wrote(),
    ]);
    const lost = [...had].filter((block) => !now.has(block));
    assert.deepEqual(lost, [], `${what}: blocks that were whole are not any more`);
    const more = (all - wrote) / MiB - (now.size - had.size);
    assert.ok(more <= MOST, `${what}: ${more.toFixed(1)} MiB written again`);
    again += Math.max(0, more);
    most = Math.max(most, more);
    [had, wrote] = [now, all];
  };
  while (kills[0] + kills[1] < KILLS) {
    await sleep(random() * LIFE);
    if (await isDone(contents.at(-1) as Content)) {
      await look('at the end');
      contents.push(await pair.next(contents.length + 1));
      had = new Set();
      continue;
    }
    const side = random() < 0.5 ? 0 : 1;
    kills[side] += 1;
    await look(`kill ${kills[0] + kills[1]}, of the ${side === 0 ? 'holder' : 'asker'}`);
    await pair.kill(side);
    await pair.start(side);
    if ((kills[0] + kills[1]) % 10 === 0) t.diagnostic(`${kills[0] + kills[1]} kills`);
  }
  await until('it is there', () => isDone(contents.at(-1) as Content), 120_000, 100);
  await look('at the end');
  const sent = await pair.sent();
  await pair.stop();
  const names = contents.map(({ name }) => name).toSorted();
  assert.deepEqual(await filesBelow(join(base, 'downloaded')), names, 'no temporary file is left');
  for (const content of contents) {
    const bytes = await readFile(join(base, 'downloaded', content.name));
    assert.equal(sha256(bytes), content.hash, content.name);
  }
  t.diagnostic(
    `${contents.length} files of ${SIZE} MiB, ${kills[0]} kills of the holder, ${kills[1]} of the asker; ` +
      `beside new blocks ${again.toFixed(1)} MiB were written in all, ${most.toFixed(1)} between two kills at most; ` +
      `${(sent / MiB - SIZE * contents.length).toFixed(1)} MiB crossed in vain`,
  );
});
