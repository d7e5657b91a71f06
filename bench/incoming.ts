import { createHash, hash, randomFillSync } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cpuUsage } from 'node:process';
import { parseArgs } from 'node:util';
import { cidText, RAW } from '../src/core/transfer/cid.ts';
import type { Slot } from '../src/core/transfer/ports.ts';
import { cidFrom } from '../src/library/hash.ts';
import { openIncomingFolder } from '../src/library/incoming-folder.ts';
import { openIncoming } from '../src/library/incoming.ts';
import { Writer } from '../src/library/writer.ts';
import { readArguments, wholeNumber } from './arguments.ts';

/**
 * The disk side of downloads alone: slot → hash → write, with no network, beside a bare loop that does the same. `npm run bench:incoming -- --mib 1024
 * --files 20000`. Blocks are told apart by a stamp at their beginning, so that filling a slot costs next to nothing.
 */
const MiB = 1024 * 1024;
const values = readArguments(
  `npm run bench:incoming -- [--mib N] [--files N] [--folder DIR] [--rounds N]`,
  () =>
    parseArgs({
      options: {
        mib: { type: 'string', default: '1024' },
        files: { type: 'string', default: '20000' },
        folder: { type: 'string', default: existsSync('/dev/shm') ? '/dev/shm' : tmpdir() },
        rounds: { type: 'string', default: '3' },
      },
    }),
);

const [mib, files] = [wholeNumber('mib', values.mib), wholeNumber('files', values.files)];
const rounds = wholeNumber('rounds', values.rounds);
const folder = await mkdtemp(join(values.folder, 'kelana-bench-'));
const writer = new Writer();
try {
  for (let round = 0; round < rounds; round += 1) {
    ceiling(mib);
    await oneFile(mib, round);
    ceilingOfFiles(files);
    await manyFiles(files, round);
  }
} finally {
  await writer.close();
  await rm(folder, { recursive: true, force: true });
}

async function oneFile(count: number, round: number): Promise<void> {
  const block = randomFillSync(new Uint8Array(MiB));
  const digests = Buffer.concat(
    Array.from({ length: count }, (_, index) => sha256(stamped(block, index + round * count))),
  );
  const size = count * MiB;
  const layout = { root: cidFrom(digests, size), size, blockBytes: MiB, count, digests };
  const report = measure();
  const file = await openIncoming({ folder, name: 'besar.bin', layout, writer });
  const work: Promise<unknown>[] = [];
  const filled = new WeakSet<ArrayBufferLike>();
  for (let index = 0; index < count; index += 1) {
    const slot = await file.slot();
    // What the network would do; the ceiling here is the disk side, so each slot is filled once.
    if (!filled.has(slot.bytes.buffer)) slot.bytes.set(block);
    filled.add(slot.bytes.buffer);
    stamped(slot.bytes, index + round * count);
    work.push(mustBe(file.write(index, slot)));
    if (work.length >= 64) await Promise.all(work.splice(0));
  }
  await Promise.all(work);
  const path = await file.finish();
  const { seconds, cpu } = report();
  say(`${count} MiB`, `${(size / 1e6 / seconds).toFixed(0)} MB/s, ${perGiB(cpu, count)}`);
  await rm(path);
}

/** Hash and write in one loop of one thread, with neither messages nor a bitmap. */
function ceiling(count: number): void {
  const bytes = randomFillSync(new Uint8Array(new SharedArrayBuffer(MiB)));
  const path = join(folder, 'ceiling');
  const report = measure();
  const fd = openSync(path, 'wx');
  for (let index = 0; index < count; index += 1) {
    hash('sha256', stamped(bytes, index), 'buffer');
    writeSync(fd, bytes, 0, MiB, index * MiB);
  }
  fsyncSync(fd);
  closeSync(fd);
  const { seconds, cpu } = report();
  say('bare loop', `${((count * MiB) / 1e6 / seconds).toFixed(0)} MB/s, ${perGiB(cpu, count)}`);
  rmSync(path);
}

/** The same with files: a folder for each 100th. */
function ceilingOfFiles(count: number): void {
  const bytes = randomFillSync(new Uint8Array(4096));
  const root = join(folder, 'ceiling');
  const report = measure();
  for (let at = 0; at < 100; at += 1) mkdirSync(join(root, `d${at}`), { recursive: true });
  for (let index = 0; index < count; index += 1) {
    hash('sha256', stamped(bytes, index), 'buffer');
    const fd = openSync(join(root, `d${index % 100}`, `f${index}`), 'wx');
    writeSync(fd, bytes);
    closeSync(fd);
  }
  const { seconds, cpu } = report();
  say('bare loop', `${(count / seconds).toFixed(0)} files/s, ${cpu.toFixed(2)} CPU s`);
  rmSync(root, { recursive: true });
}

async function manyFiles(count: number, round: number): Promise<void> {
  const bytes = randomFillSync(new Uint8Array(4096));
  const entries = Array.from({ length: count }, (_, index) => {
    const digest = sha256(stamped(bytes, index + round * count));
    return { path: `d${index % 100}/f${index}`, size: bytes.length, cid: cidText(RAW, digest), digest };
  });
  const report = measure();
  const incoming = await openIncomingFolder({
    folder,
    name: 'banyak',
    cid: cidFrom(Buffer.concat(entries.map(({ digest }) => digest)), count * MiB),
    entries,
    writer,
  });
  const work: Promise<unknown>[] = [];
  for (let first = 0; first < count; first += 128) {
    const slot: Slot = await incoming.slot();
    const pieces = Array.from({ length: Math.min(128, count - first) }, (_, at) => {
      slot.bytes.set(stamped(bytes, first + at + round * count), at * bytes.length);
      return { index: first + at, offset: at * bytes.length };
    });
    work.push(incoming.write(pieces, slot));
  }
  for (const wrong of await Promise.all(work)) if ((wrong as number[]).length > 0) throw new Error('wrong');
  const path = await incoming.finish();
  const { seconds, cpu } = report();
  say(`${count} × 4 KiB`, `${(count / seconds).toFixed(0)} files/s, ${cpu.toFixed(2)} CPU s`);
  await rm(path, { recursive: true });
}

function stamped(bytes: Uint8Array, stamp: number): Uint8Array {
  for (let at = 0; at < 6; at += 1) bytes[at] = Math.floor(stamp / 256 ** at) & 255;
  return bytes;
}

function sha256(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

async function mustBe(written: Promise<boolean>): Promise<void> {
  if (!(await written)) throw new Error('a right block was refused');
}

function measure(): () => { seconds: number; cpu: number } {
  const [began, before] = [performance.now(), cpuUsage()];
  return () => {
    const { user, system } = cpuUsage(before);
    return { seconds: (performance.now() - began) / 1000, cpu: (user + system) / 1e6 };
  };
}

function perGiB(cpu: number, mib: number): string {
  return `${(cpu / (mib / 1024)).toFixed(2)} CPU s/GiB`;
}

function say(what: string, figures: string): void {
  console.log(`${what.padEnd(16)} ${figures}`);
}
