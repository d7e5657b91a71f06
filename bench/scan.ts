import { execFileSync, fork, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readArguments, wholeNumber } from './arguments.ts';
import type { Report } from './scan-child.ts';

/**
 * Scanning a large shared folder: `npm run bench:scan`. Makes files on a memory disk, then shares them by a library in a
 * process of its own: the first scan, a scan with nothing changed, one change, a kill in the middle of a scan and what
 * the next one still has to do, reading all files once, and hashing one large file beside `sha256sum` in the same run.
 */
const values = readArguments(
  `npm run bench:scan -- [--files N] [--bytes N] [--large MiB, 0: none] [--threads N] [--flat]`,
  () =>
    parseArgs({
      options: {
        files: { type: 'string', default: '100000' },
        bytes: { type: 'string', default: '4096' },
        large: { type: 'string', default: '1024' },
        threads: { type: 'string', default: '' },
        flat: { type: 'boolean', default: false },
      },
    }),
);
const FILES = wholeNumber('files', values.files);
const BYTES = wholeNumber('bytes', values.bytes, 4);
const LARGE = wholeNumber('large', values.large, 0);
const PER_FOLDER = values.flat ? FILES : 100;
const MiB = 1024 * 1024;

const disk = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const base = await mkdtemp(join(disk, 'kelana-bench-scan-'));
const shared = join(base, 'shared');
const CHILD = fileURLToPath(new URL('scan-child.ts', import.meta.url));

function row(what: string, figure: string): void {
  console.log(`${what.padEnd(46)} ${figure}`);
}

const seconds = (ms: number): string => `${(ms / 1000).toFixed(2)} s`;
/** Time, and CPU seconds of all threads: on a busy machine the second says more. */
const taken = ({ ms, cpu }: Report): string => `${seconds(ms)} (CPU ${cpu.toFixed(2)} s)`;
const mib = (bytes: number): string => `${(bytes / MiB).toFixed(0)} MiB`;

/** A library of `shared` in a process of its own. */
function start(data: string, threads: string): { child: ChildProcess; next: () => Promise<Report> } {
  const child = fork(CHILD, [shared, join(base, data), threads], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const come: Report[] = [];
  let wake: () => void = () => undefined;
  child.on('message', (report: Report) => {
    come.push(report);
    wake();
  });
  child.on('exit', () => wake());
  const next = async (): Promise<Report> => {
    for (;;) {
      const report = come.shift();
      if (report !== undefined) return report;
      if (child.exitCode !== null || child.signalCode !== null) throw new Error('the library ended');
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
  };
  return { child, next };
}

async function make(): Promise<void> {
  const content = Buffer.alloc(BYTES, 'kelana ');
  for (let from = 0; from < FILES; from += PER_FOLDER) {
    const folder = join(
      shared,
      `bagian ${Math.floor(from / PER_FOLDER / 32)}`,
      `folder ${from / PER_FOLDER}`,
    );
    await mkdir(folder, { recursive: true });
    for (let at = from; at < Math.min(FILES, from + PER_FOLDER); at += 1) {
      content.writeUInt32LE(at);
      await writeFile(join(folder, `berkas nomor ${at}.txt`), content);
    }
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null)
    await new Promise((resolve) => child.once('exit', resolve));
}

async function measure(threads: string): Promise<void> {
  const data = `data-${threads}`;
  console.log(`\n${FILES} files of ${BYTES} bytes, ${PER_FOLDER} a folder; hashing threads: ${threads}`);
  const first = start(data, threads);
  const scan = await first.next();
  row('first scan', `${taken(scan)}  ${Math.round((scan.hashed / scan.ms) * 1000)} files/s`);
  row('  longest wait of the event loop', `${scan.lagMs.toFixed(0)} ms`);
  row('  memory of the process', mib(scan.rss));
  row('  folders with a CID', String(scan.folders));
  first.child.send('rescan');
  const again = await first.next();
  row('scan, nothing changed', `${taken(again)}  hashed ${again.hashed - scan.hashed}`);
  const times: number[] = [];
  for (let at = 0; at < 9; at += 1) {
    const began = performance.now();
    first.child.send('change');
    await appendFile(join(shared, 'bagian 0/folder 0/berkas nomor 0.txt'), 'more');
    const told = await first.next();
    times.push(performance.now() - began);
    if (at === 8) row('  whole scans since', `${told.scans - again.scans}`);
  }
  row(
    'one change, known after (median, worst)',
    `${median(times).toFixed(0)} ms, ${Math.max(...times).toFixed(0)} ms`,
  );
  first.child.send('read');
  const read = await first.next();
  row(
    'every file read once as a block',
    `${Math.round((read.reads / read.ms) * 1000)} files/s, ${((read.cpu / read.reads) * 1e6).toFixed(0)} µs CPU each`,
  );
  first.child.send('end');
  await ended(first.child);

  const restarted = start(data, threads);
  const known = await restarted.next();
  row('start again, nothing changed', `${taken(known)}  hashed ${known.hashed}, ${mib(known.rss)}`);
  restarted.child.send('end');
  await ended(restarted.child);

  const killed = start(`killed-${threads}`, threads);
  let halfway = 0;
  while (halfway < FILES / 2) {
    killed.child.send('progress');
    const { files } = await killed.next();
    halfway = files;
  }
  killed.child.kill('SIGKILL');
  await ended(killed.child);
  const resumed = start(`killed-${threads}`, threads);
  const rest = await resumed.next();
  row('killed with kill -9 after', `${halfway} files`);
  row('  scan after it', `${taken(rest)}  hashed ${rest.hashed}, lost ${halfway + rest.hashed - FILES}`);
  resumed.child.send('end');
  await ended(resumed.child);
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
}

/** One file, hashed by the library and by sha256sum, alternately. */
async function large(threads: string): Promise<void> {
  const bytes = LARGE * MiB;
  await rm(shared, { recursive: true });
  await mkdir(shared);
  const path = join(shared, 'large.bin');
  execFileSync('sh', ['-c', 'head -c "$1" /dev/urandom > "$2"', 'sh', String(bytes), path]);
  await new Promise((resolve) => setTimeout(resolve, 200));
  console.log(`\none file of ${LARGE} MiB`);
  const ratios: number[] = [];
  for (let round = 0; round < 3; round += 1) {
    const began = performance.now();
    execFileSync('sha256sum', [path]);
    const theirs = performance.now() - began;
    const library = start(`large-${threads}-${round}`, threads);
    const { ms } = await library.next();
    library.child.send('end');
    await ended(library.child);
    ratios.push(theirs / ms);
    row(
      'sha256sum, library',
      `${rate(bytes, theirs)}, ${rate(bytes, ms)}  ratio ${(theirs / ms).toFixed(2)}`,
    );
  }
  row('median ratio', median(ratios).toFixed(2));
}

const rate = (bytes: number, ms: number): string => `${Math.round(bytes / ms / 1000)} MB/s`;

try {
  await make();
  const counts = values.threads === '' ? ['1', '2'] : [values.threads];
  for (const threads of counts) await measure(threads);
  if (LARGE > 0) await large(counts[0] ?? '1');
} finally {
  await rm(base, { recursive: true, force: true });
}
