/**
 * Transfers beside those of others, in one run. Run: npm run bench:transfer [-- --runs 5 --size 1024 --only file,small]
 *
 * Everything runs on this machine: files in memory (/dev/shm, else the temporary folder), traffic over loopback, every
 * program with settings, keys and ports of its own, which are removed at the end, also on Ctrl+C. Contenders take turns
 * in every round, after one round that does not count; what arrived is compared by SHA-256 after each transfer.
 *   file       a file of --size MiB: a get between two nodes, beside the ceiling (raw node:tls with hash and write),
 *              scp, rsync, curl from nginx with and without sha256sum, Syncthing, WebTorrent, Helia
 *   small      a folder of 10,000 files of 4 KiB: a get by its CID, beside rsync, tar over ssh, WebTorrent
 *   providers  one getter and 1 to 4 providers
 *   limited    four providers of 50 MB/s each; and with one that lies and one that dies mid-way
 *   first      from `get` to the first byte, median of 50 small gets
 *   idle       memory of a node after --idle seconds
 *   big        memory of both nodes while 4 GiB are transferred; only with --big, or where --only names it
 * Columns: speed; CPU seconds of both sides, all processes, for a GiB (the figure that noise disturbs least); from the
 * start to the first byte in the receiver's folder; the most memory of each side; speed and CPU of kelana divided by
 * those of the other, of the same round. From npm come WebTorrent and Helia (bench/peers, installed at the first run); Debian's
 * packages are used where they are installed. Linux only: figures of processes are read from /proc.
 *
 * --runs N (default 5)  --only ROW,…  --peers NAME,… (those beside kelana in file and small)  --size MiB (default 1024)
 * --idle S (default 60)  --big  --json prints one document. Ends with 5 where a goal is missed.
 */
import { cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { listOf, misused, readArguments, wholeNumber } from './arguments.ts';
import { goalText, judge } from './transfer/figures.ts';
import { whyNot } from './transfer/compare.ts';
import { limitedRow, providersRow } from './transfer/many-rows.ts';
import { bigRow, firstRow, idleRow } from './transfer/node-rows.ts';
import { fileRow, PEER_NAMES, smallRow } from './transfer/rows.ts';
import type { Section, Setting } from './transfer/section.ts';
import { Workshop } from './transfer/workshop.ts';

const ROWS: Readonly<Record<string, (setting: Setting) => Promise<Section>>> = {
  file: fileRow,
  small: smallRow,
  providers: providersRow,
  limited: limitedRow,
  first: firstRow,
  idle: idleRow,
  big: bigRow,
};
const MISSED = 5;

const values = readArguments(
  `npm run bench:transfer -- [--runs N] [--only ROW,…] [--peers NAME,…] [--size MiB] [--idle S] [--big] [--json]
rows: ${Object.keys(ROWS).join(', ')}
peers: ${PEER_NAMES.join(', ')}`,
  () =>
    parseArgs({
      options: {
        runs: { type: 'string', default: '5' },
        only: { type: 'string' },
        peers: { type: 'string' },
        size: { type: 'string', default: '1024' },
        idle: { type: 'string', default: '60' },
        big: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
      },
    }),
);
const started = performance.now();
function progress(text: string): void {
  process.stderr.write(`${((performance.now() - started) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
}

const rows =
  values.only === undefined
    ? Object.keys(ROWS).filter((row) => row !== 'big' || values.big)
    : listOf(values.only);
const unknown = rows.find((row) => ROWS[row] === undefined);
if (unknown !== undefined) misused(`there is no row '${unknown}'; rows: ${Object.keys(ROWS).join(', ')}`);
const peers = values.peers === undefined ? null : listOf(values.peers);
const stranger = peers?.find(
  (peer) => !PEER_NAMES.some((name) => name.toLowerCase().startsWith(peer.toLowerCase())),
);
if (stranger !== undefined) misused(`there is no peer '${stranger}'; peers: ${PEER_NAMES.join(', ')}`);
if (process.platform !== 'linux') misused('bench:transfer reads /proc and runs on Linux only');

const size = wholeNumber('size', values.size) * 1024 * 1024;
const [runs, idleSeconds] = [wholeNumber('runs', values.runs), wholeNumber('idle', values.idle)];
const workshop = await Workshop.open();
const sections: Section[] = [];
const failed: string[] = [];
const loadBefore = loadavg()[0] ?? 0;
try {
  for (const row of rows) {
    if (workshop.closing) break;
    try {
      const section = await ROWS[row]?.({ workshop, progress, runs, size, idleSeconds, peers });
      if (section === undefined) continue;
      sections.push(section);
      if (!values.json) process.stdout.write(`\n${textOf(section)}\n\n`);
    } catch (thrown) {
      if (workshop.closing) break;
      failed.push(whyNot(row, thrown));
      progress(whyNot(row, thrown));
    }
  }
} finally {
  await workshop.close();
}

function textOf({ title, table, goals, skipped }: Section): string {
  return [title, table, ...goals.map(goalText), ...skipped.map((why) => `  skipped: ${why}`)].join('\n');
}

const goals = sections.flatMap((section) => section.goals);
const missed = goals.filter((goal) => judge(goal) === 'missed');
const machine = {
  node: process.version,
  cpu: cpus()[0]?.model ?? '',
  cores: cpus().length,
  inMemory: workshop.inMemory,
  load: [loadBefore, loadavg()[0] ?? 0],
};
if (values.json) {
  const judged = goals.map((goal) => ({ ...goal, result: judge(goal) }));
  const shown = sections.map(({ row, title, figures, skipped }) => ({ row, title, figures, skipped }));
  process.stdout.write(`${JSON.stringify({ machine, runs, size, rows: shown, goals: judged, failed })}\n`);
} else {
  const { node, cpu, cores, load, inMemory } = machine;
  const where = inMemory ? 'files in memory' : 'FILES ON A DISK';
  process.stdout.write(
    `Node ${node}, ${cores} cores (${cpu}), ${where}, load ${load.map((one) => one.toFixed(1)).join(' to ')}\n`,
  );
  const open = goals.filter((goal) => judge(goal) === 'open').length;
  process.stdout.write(`${missed.length} of ${goals.length} goals missed, ${open} not measured.\n`);
}
for (const why of failed) process.stderr.write(`${why}\n`);
process.exitCode = failed.length > 0 ? 1 : missed.length > 0 ? MISSED : 0;
