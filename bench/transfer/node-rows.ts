/** The rows about a node itself: how soon its first byte is there, and the memory it takes. */
import { randomFillSync } from 'node:crypto';
import { mkdir, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { digits, spreadOf, spreadText, tableOf } from './figures.ts';
import { pairOf } from './kelana.ts';
import { check, makeFile } from './material.ts';
import { Meter } from './meter.ts';
import type { Section, Setting } from './section.ts';
import { residentOf } from './usage.ts';

const MiB = 1024 * 1024;
const GiB = 1024 * MiB;
/** Small gets, as many as make a median that does not hang on a few, and the bytes of each file: less than one block. */
const GETS = 150;
const SMALL = 64 * 1024;
/** Before those that count. */
const WARM_UP = 10;
const BIG_BYTES = 4 * GiB;

/** From the question on the control socket to the first byte, as the node tells it, and on the disk; links are up. */
export async function firstRow({ workshop, progress }: Setting): Promise<Section> {
  const share = join(workshop.folder, 'first');
  await mkdir(share, { recursive: true });
  const past = new Date(Date.now() - 3_600_000);
  for (let at = 0; at < GETS + WARM_UP; at += 1) {
    const path = join(share, `small-${at}.bin`);
    await writeFile(path, randomFillSync(Buffer.alloc(SMALL)));
    await utimes(path, past, past);
  }
  progress(`first: ${GETS} gets of ${SMALL / 1024} KiB`);
  const [holder, asker] = await pairOf(workshop, 'first', share);
  const [told, onDisk, whole]: [number[], number[], number[]] = [[], [], []];
  for (const [at, { cid }] of (await holder.files()).entries()) {
    const meter = new Meter({ sender: [holder.pid], receiver: [asker.pid] }, asker.downloads);
    const begun = performance.now();
    let first: number | undefined;
    const path = await asker.measuredGet(cid, meter, (event) => {
      if (event.type === 'saved' || (event.type === 'progress' && event.bytes > 0))
        first ??= performance.now() - begun;
    });
    const sample = await meter.sample();
    await rm(path);
    if (at < WARM_UP) continue;
    told.push(first ?? NaN);
    whole.push(sample.seconds * 1000);
    if (sample.firstByteMs !== null) onDisk.push(sample.firstByteMs);
  }
  await Promise.all([holder.stop(), asker.stop()]);
  const figures = { told: spreadOf(told), onDisk: spreadOf(onDisk), whole: spreadOf(whole) };
  const table = tableOf([
    ['ms from the question', ''],
    ['first byte on the disk (seen within 1 ms)', spreadText(figures.onDisk)],
    ['first byte told over the control socket', spreadText(figures.told)],
    ['file verified, synced and renamed', spreadText(figures.whole)],
  ]);
  const value = figures.onDisk?.median ?? figures.told?.median ?? null;
  return {
    row: 'first',
    title: `${GETS} gets of ${SMALL / 1024} KiB by CID, links up, median (min–max)`,
    table,
    figures,
    goals: [{ what: 'first: get to first byte, median', value, limit: 10, sense: 'below', unit: ' ms' }],
    skipped: [],
  };
}

/** The most memory that each node has during a transfer of 4 GiB. */
export async function bigRow({ workshop, progress }: Setting): Promise<Section> {
  progress(`big: making ${BIG_BYTES / MiB} MiB`);
  const material = await makeFile(join(workshop.folder, 'big'), 'big.bin', BIG_BYTES);
  const [holder, asker] = await pairOf(workshop, 'big', join(material.path, '..'));
  const cid = (await holder.files())[0]?.cid ?? '';
  const before = { sender: residentOf(holder.pid), receiver: residentOf(asker.pid) };
  const meter = new Meter({ sender: [holder.pid], receiver: [asker.pid] }, asker.downloads);
  progress('big: transferring');
  const path = await asker.measuredGet(cid, meter).finally(() => meter.end());
  const { peak, seconds, cpuSeconds } = await meter.sample();
  await check(material, path);
  await Promise.all([holder.stop(), asker.stop()]);
  await rm(path);
  await rm(material.path);
  const mib = (bytes: number): string => digits(bytes / MiB);
  const table = tableOf([
    ['MiB resident', 'before', 'peak'],
    ['sender', mib(before.sender), mib(peak.sender)],
    ['receiver', mib(before.receiver), mib(peak.receiver)],
  ]);
  const goal = (side: 'sender' | 'receiver') => ({
    what: `big: peak memory of the ${side}`,
    value: peak[side] / MiB,
    limit: 150,
    sense: 'at most' as const,
    unit: ' MiB',
  });
  return {
    row: 'big',
    title: `${BIG_BYTES / MiB} MiB, one run: ${digits(BIG_BYTES / 1e6 / seconds)} MB/s, CPU ${digits(cpuSeconds / (BIG_BYTES / GiB))} s/GiB`,
    table,
    figures: { before, peak, seconds, cpuSeconds },
    goals: [goal('sender'), goal('receiver')],
    skipped: [],
  };
}

/** Memory of two nodes that are linked and do nothing else. */
export async function idleRow({ workshop, progress, idleSeconds }: Setting): Promise<Section> {
  const share = join(workshop.folder, 'idle');
  await mkdir(share, { recursive: true });
  await makeFile(share, 'one.bin', MiB);
  const nodes = await pairOf(workshop, 'idle', share);
  progress(`idle: waiting for ${idleSeconds} s`);
  await sleep(idleSeconds * 1000);
  const bytes = nodes.map(({ pid }) => residentOf(pid));
  await Promise.all(nodes.map((node) => node.stop()));
  const value = Math.max(...bytes) / MiB;
  return {
    row: 'idle',
    title: `Two linked nodes, after ${idleSeconds} s in which nothing happened`,
    table: tableOf([['', 'MiB resident'], ...bytes.map((one, at) => [`node ${at + 1}`, digits(one / MiB)])]),
    figures: bytes,
    goals: [{ what: 'idle: memory of a node', value, limit: 100, sense: 'at most', unit: ' MiB' }],
    skipped: [],
  };
}
