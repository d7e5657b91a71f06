import { mkdir } from 'node:fs/promises';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { openLibrary } from '../src/library/library.ts';

/** What the library of bench/scan.ts tells its parent. */
export interface Report {
  readonly ms: number;
  readonly files: number;
  readonly folders: number;
  readonly hashed: number;
  readonly scans: number;
  readonly reads: number;
  readonly rss: number;
  /** The longest that the event loop was held up since the last report. */
  readonly lagMs: number;
  /** CPU seconds of the process since the last report. */
  readonly cpu: number;
}

const [shared = '', data = '', threads = '1'] = process.argv.slice(2);
await mkdir(data, { recursive: true });
const delay = monitorEventLoopDelay({ resolution: 5 });
delay.enable();
const began = performance.now();
const library = await openLibrary({ roots: [shared], dataDir: data, threads: Number(threads) });

let cpuBefore = 0;

function report(ms: number, more: Partial<Report> = {}): void {
  const { hashed, scans, files } = library.stats;
  const { user, system } = process.cpuUsage();
  const cpu = (user + system) / 1e6 - cpuBefore;
  cpuBefore += cpu;
  const lagMs = delay.max / 1e6;
  delay.reset();
  const rss = process.memoryUsage.rss();
  const folders = library.folders().length;
  process.send?.({ ms, files, folders, hashed, scans, reads: 0, rss, lagMs, cpu, ...more } satisfies Report);
}

async function readAll(): Promise<void> {
  const files = library.list();
  const into = Array.from({ length: 64 }, () => new Uint8Array(1024 * 1024));
  const from = performance.now();
  let next = 0;
  await Promise.all(
    into.map(async (buffer) => {
      for (let file = files[next++]; file !== undefined; file = files[next++])
        await library.readBlock(file.cid, 0, buffer);
    }),
  );
  report(performance.now() - from, { reads: files.length });
}

process.on('message', (what) => {
  if (what === 'rescan') {
    const from = performance.now();
    void library.rescan().then(() => report(performance.now() - from));
  } else if (what === 'change') {
    const { hashed } = library.stats;
    const stop = library.onChange(() => {
      if (library.stats.hashed === hashed) return;
      stop();
      report(0);
    });
  } else if (what === 'progress') report(performance.now() - began);
  else if (what === 'read') void readAll();
  else if (what === 'end') void library.close().then(() => process.exit());
});

await library.ready;
report(performance.now() - began);
