/** The rows with several providers for one getter. */
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { startLiar } from './liar.ts';
import { whyNot } from './compare.ts';
import { digits, spreadOf, spreadText, tableOf, type Goal, type Spread } from './figures.ts';
import { KelanaNode, nodeHas } from './kelana.ts';
import { check, makeFile, type Material } from './material.ts';
import { Meter, type Sample } from './meter.ts';
import type { Section, Setting } from './section.ts';
import { until, type Workshop } from './workshop.ts';

const MB = 1e6;
const GiB = 1024 ** 3;
const PROVIDERS = 4;
/** MB/s of each provider that is limited. */
const LIMIT_MB = 50;
/** Bytes of the file that limited providers send: some seconds at 200 MB/s. */
const LIMITED_BYTES = 512 * 1024 * 1024;
/** Share of the file at which a provider dies. */
const DIES_AT = 0.4;

/** Nodes that share the same file, each from a process of its own. */
async function providers(
  workshop: Workshop,
  row: string,
  share: string,
  count: number,
  more: readonly string[] = [],
): Promise<readonly KelanaNode[]> {
  const nodes: KelanaNode[] = [];
  for (let at = 0; at < count; at += 1) {
    const node = await KelanaNode.start(workshop, { name: `${row}-p${at}`, share, more });
    nodes.push(node);
    await node.files();
  }
  return nodes;
}

async function measured(
  getter: KelanaNode,
  senders: readonly number[],
  cid: string,
  material: Material,
  watch: (bytes: number) => void = () => undefined,
): Promise<Sample> {
  const meter = new Meter({ sender: senders, receiver: [getter.pid] }, getter.downloads);
  try {
    const path = await getter.measuredGet(cid, meter, (event) => {
      if (event.type === 'progress') watch(event.bytes);
    });
    const sample = await meter.sample();
    await check(material, path);
    await rm(path);
    return sample;
  } finally {
    meter.end();
  }
}

async function cidIn(node: KelanaNode | undefined, { name }: Material): Promise<string> {
  const found = (await node?.files())?.find((holding) => holding.name === name);
  if (found === undefined) throw new Error(`${name} is not in the library`);
  return found.cid;
}

interface Line {
  readonly what: string;
  readonly rate: Spread | null;
  readonly cpuSeconds: Spread | null;
  /** MiB. */
  readonly receiver: Spread | null;
}

function lineOf(what: string, bytes: number, samples: readonly Sample[]): Line {
  return {
    what,
    rate: spreadOf(samples.map(({ seconds }) => bytes / MB / seconds)),
    cpuSeconds: spreadOf(samples.map(({ cpuSeconds }) => cpuSeconds / (bytes / GiB))),
    receiver: spreadOf(samples.map(({ peak }) => peak.receiver / 1024 / 1024)),
  };
}

function textOf(lines: readonly Line[]): string {
  const rows = lines.map(({ what, rate, cpuSeconds, receiver }) => [
    what,
    spreadText(rate),
    spreadText(cpuSeconds),
    spreadText(receiver),
  ]);
  return tableOf([['', 'MB/s', 'CPU s/GiB', 'receiver MiB'], ...rows]);
}

/** One to four providers at full speed: the same two cores serve all, so that more of them need not be faster. */
export async function providersRow(setting: Setting): Promise<Section> {
  const { workshop, progress, runs, size } = setting;
  progress(`providers: making ${size / 1024 / 1024} MiB`);
  const material = await makeFile(join(workshop.folder, 'many'), 'many.bin', size);
  const share = join(workshop.folder, 'many');
  const lines: Line[] = [];
  for (let count = 1; count <= PROVIDERS; count += 1) {
    const row = `many-${count}`;
    const all = await providers(workshop, row, share, count);
    const getter = await KelanaNode.start(workshop, { name: `${row}-g`, peers: all });
    const cid = await cidIn(all[0], material);
    const samples: Sample[] = [];
    for (let run = 0; run <= runs; run += 1) {
      const sample = await measured(
        getter,
        all.map(({ pid }) => pid),
        cid,
        material,
      );
      progress(
        `providers: ${count}, ${run === 0 ? 'warm-up' : `run ${run}`}: ${digits(size / MB / sample.seconds)} MB/s`,
      );
      if (run > 0) samples.push(sample);
    }
    lines.push(lineOf(`${count} provider${count > 1 ? 's' : ''}`, size, samples));
    await Promise.all([getter, ...all].map((node) => node.stop()));
  }
  await rm(material.path);
  const title = `1 to ${PROVIDERS} providers for one getter, unlimited; ${runs} runs, median (min–max)`;
  return { row: 'providers', title, table: textOf(lines), figures: lines, goals: [], skipped: [] };
}

/** Four providers that send 50 MB/s each, in good times and in bad ones. */
export async function limitedRow(setting: Setting): Promise<Section> {
  const { workshop, progress, runs } = setting;
  const goal = (what: string, limit: number, line: Line | undefined): Goal => ({
    what: `limited: ${what}`,
    value: line === undefined ? null : (line.rate?.median ?? 0),
    limit,
    sense: 'at least',
    unit: ' MB/s',
  });
  const title = `${PROVIDERS} providers of ${LIMIT_MB} MB/s each for one getter; ${runs} runs, median (min–max)`;
  const [good, bad] = ['all well', 'one lies, one dies mid-way'];
  const section = (lines: readonly Line[], skipped: readonly string[]): Section => {
    const goals = [goal(good, 190, lines[0]), goal(bad, 90, lines[1])];
    return { row: 'limited', title, table: textOf(lines), figures: lines, goals, skipped };
  };
  if (!(await nodeHas('--upload-limit'))) return section([], ['kelana node has no --upload-limit yet']);
  progress(`limited: making ${LIMITED_BYTES / 1024 / 1024} MiB`);
  const share = join(workshop.folder, 'limited');
  await mkdir(share, { recursive: true });
  const material = await makeFile(share, 'limited.bin', LIMITED_BYTES);
  const more = ['--upload-limit', `${LIMIT_MB}MB/s`];
  const lines: Line[] = [];

  const all = await providers(workshop, 'limited', share, PROVIDERS, more);
  const getter = await KelanaNode.start(workshop, { name: 'limited-g', peers: all });
  const cid = await cidIn(all[0], material);
  const samples: Sample[] = [];
  for (let run = 0; run <= runs; run += 1) {
    const sample = await measured(
      getter,
      all.map(({ pid }) => pid),
      cid,
      material,
    );
    const rate = `${digits(LIMITED_BYTES / MB / sample.seconds)} MB/s`;
    progress(`limited: ${good}, ${run === 0 ? 'warm-up' : `run ${run}`}: ${rate}`);
    if (run > 0) samples.push(sample);
  }
  lines.push(lineOf(good, LIMITED_BYTES, samples));
  await Promise.all([getter, ...all].map((node) => node.stop()));

  const troubled: Sample[] = [];
  const failures: string[] = [];
  for (let run = 0; run < runs && failures.length === 0; run += 1) {
    try {
      const { sample, remark } = await troubledRun(setting, share, material, cid, run);
      progress(
        `limited: ${bad}, run ${run + 1}: ${digits(LIMITED_BYTES / MB / sample.seconds)} MB/s${remark}`,
      );
      troubled.push(sample);
    } catch (thrown) {
      failures.push(whyNot(bad, thrown));
    }
  }
  // A download that fails is as slow as can be.
  if (failures.length > 0) troubled.length = 0;
  lines.push(lineOf(bad, LIMITED_BYTES, troubled));
  await rm(material.path);
  return section(lines, failures);
}

/**
 * Nodes of its own: a liar that was caught is not asked again, and the dead one is dead. They warm up as those of other
 * rows do, without the liar, which comes after that.
 */
async function troubledRun(
  { workshop }: Setting,
  share: string,
  material: Material,
  cid: string,
  run: number,
): Promise<{ readonly sample: Sample; readonly remark: string }> {
  const row = `bad-${run}`;
  const more = ['--upload-limit', `${LIMIT_MB}MB/s`];
  const honest = await providers(workshop, row, share, PROVIDERS - 1, more);
  const liar = await startLiar(workshop, { name: `${row}-liar`, share, bytesPerSecond: LIMIT_MB * MB });
  const asker = await KelanaNode.start(workshop, { name: `${row}-g`, peers: honest });
  const [victim, ...survivors] = honest;
  let dead: Promise<void> | undefined;
  try {
    await rm(await asker.get(cid));
    await asker.client.addPeer(`127.0.0.1:${liar.port}`);
    await until('the liar to be linked', async () =>
      (await asker.client.status()).neighbours.some(({ label }) => label.endsWith(`:${liar.port}`)),
    );
    const senders = [...honest.map(({ pid }) => pid), liar.pid];
    const sample = await measured(asker, senders, cid, material, (bytes) => {
      if (bytes >= DIES_AT * LIMITED_BYTES) dead ??= victim?.stop('SIGKILL');
    });
    const died = dead === undefined ? ', but none died: no progress was told' : '';
    const lied = (await liar.lies()) > 0 ? '' : ', but the liar was not asked';
    return { sample, remark: `${died}${lied}` };
  } finally {
    await (dead ?? victim?.stop());
    await Promise.all([asker, ...survivors, liar].map((node) => node.stop()));
  }
}
