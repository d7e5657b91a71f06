/**
 * A lane beside a stream of libp2p. Run: npm run bench:lanes [-- --size 1024 --runs 3 --json]; V8 then uses memory as in a node.
 *
 * One process shares a file of `--size` MiB (in /dev/shm where there is one), this one asks for all its blocks over the
 * blocks protocol, 16 at once, and hashes each in its own thread: over a lane and over a stream of libp2p in turn. For
 * each: MB/s, CPU seconds a GiB of the holder and of the asker, and the ratio of the rates, which should be 0.5 at least.
 * The first time each is opened is told too. Nothing is written to a disk; see bench:transfer for the whole way.
 */
import { hash, randomBytes } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openLibrary } from '../src/library/library.ts';
import { startOverlay } from '../src/overlay/overlay.ts';
import type { Holding } from '../src/core/ports.ts';
import type { BlockSession } from '../src/core/transfer/ports.ts';
import { readArguments, wholeNumber } from './arguments.ts';
import { Workshop } from './transfer/workshop.ts';

const values = readArguments(`npm run bench:lanes -- [--size MiB] [--runs N] [--json]`, () =>
  parseArgs({
    options: {
      size: { type: 'string', default: '1024' },
      runs: { type: 'string', default: '3' },
      json: { type: 'boolean', default: false },
      /** Of the process that shares. */
      share: { type: 'string' },
    },
  }),
);
const [size, runs] = [wholeNumber('size', values.size), wholeNumber('runs', values.runs)];
const MiB = 1024 * 1024;
const AT_ONCE = 16;

async function node(folder: string, share: string, lanes: boolean) {
  await mkdir(join(folder, 'data'), { recursive: true });
  await mkdir(share, { recursive: true });
  const library = await openLibrary({ roots: [share], dataDir: join(folder, 'data'), rescanMs: 0 });
  await library.ready;
  const overlay = await startOverlay({
    host: '127.0.0.1',
    port: 0,
    dataFolder: join(folder, 'data'),
    library,
    peers: [],
    emit: () => undefined,
    now: () => performance.now(),
    random: Math.random,
    dht: false,
    wantNeighbours: 0,
    lanes,
  });
  return { library, overlay };
}

interface Shared {
  readonly peer: string;
  readonly addresses: readonly string[];
  readonly file: Holding;
}

async function holder(folder: string): Promise<void> {
  const { library, overlay } = await node(folder, join(folder, 'share'), true);
  const [file] = library.list();
  process.send?.({ peer: overlay.peerId, addresses: overlay.addresses(), file });
  process.on('message', () => process.send?.(process.cpuUsage()));
  process.on('disconnect', () => process.exit(0));
}

async function fetchAll(session: BlockSession, file: Holding): Promise<void> {
  const count = Math.ceil(file.size / MiB);
  let next = 0;
  const lane = async (): Promise<void> => {
    const memory = new Uint8Array(new SharedArrayBuffer(MiB));
    while (next < count) {
      const index = next;
      next += 1;
      const into = memory.subarray(0, Math.min(MiB, file.size - index * MiB));
      await session.block(file.cid, index, into);
      hash('sha256', into, 'buffer');
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
}

async function asker(): Promise<number> {
  const workshop = await Workshop.open();
  const { folder } = workshop;
  try {
    await mkdir(join(folder, 'share'));
    const file = await open(join(folder, 'share', 'file.bin'), 'w');
    for (let at = 0; at < size; at += 16) await file.write(randomBytes(Math.min(16, size - at) * MiB));
    await file.close();
    const child = workshop.fork(new URL(import.meta.url), ['--share', folder]);
    const shared = await child.message<Shared>();
    const cpu = (): Promise<NodeJS.CpuUsage> => child.ask({});
    const gib = shared.file.size / (1024 * MiB);
    const rows: { via: string; openMs: number; mbPerSecond: number; holder: number; asker: number }[] = [];
    const nodes = {
      lane: await node(join(folder, 'a'), join(folder, 'a', 'share'), true),
      stream: await node(join(folder, 'b'), join(folder, 'b', 'share'), false),
    };
    for (let run = 0; run < runs; run += 1)
      for (const via of ['lane', 'stream'] as const) {
        const begun = performance.now();
        const session = await nodes[via].overlay.open({ ...shared, label: 'holder' });
        const openMs = performance.now() - begun;
        const theirs = await cpu();
        const ours = process.cpuUsage();
        const started = performance.now();
        await fetchAll(session, shared.file);
        const seconds = (performance.now() - started) / 1000;
        const used = process.cpuUsage(ours);
        const after = await cpu();
        const perGiB = (user: number, system: number): number => (user + system) / 1e6 / gib;
        rows.push({
          via: session.via,
          openMs,
          mbPerSecond: shared.file.size / 1e6 / seconds,
          holder: perGiB(after.user - theirs.user, after.system - theirs.system),
          asker: perGiB(used.user, used.system),
        });
        await session.close();
      }
    const median = (via: string, of: (row: (typeof rows)[number]) => number): number =>
      rows
        .filter((row) => row.via === via)
        .map(of)
        .toSorted((a, b) => a - b)[Math.floor(runs / 2)] ?? 0;
    const ratio = median('stream', (row) => row.mbPerSecond) / median('lane', (row) => row.mbPerSecond);
    if (values.json) process.stdout.write(`${JSON.stringify({ rows, ratio })}\n`);
    else {
      for (const via of ['lane', 'stream'])
        process.stdout.write(
          `${via.padEnd(7)} ${median(via, (row) => row.mbPerSecond)
            .toFixed(0)
            .padStart(
              5,
            )} MB/s, CPU s/GiB: holder ${median(via, (row) => row.holder).toFixed(2)}, asker ${median(via, (row) => row.asker).toFixed(2)}; opened in ${median(via, (row) => row.openMs).toFixed(1)} ms\n`,
        );
      process.stdout.write(
        `${ratio >= 0.5 ? 'ok    ' : 'MISSED'} stream / lane ${ratio.toFixed(2)}, goal 0.5\n`,
      );
    }
    for (const one of Object.values(nodes)) {
      await one.overlay.close();
      await one.library.close();
    }
    return ratio >= 0.5 ? 0 : 5;
  } finally {
    await workshop.close();
  }
}

if (values.share !== undefined) await holder(values.share);
else process.exit(await asker());
