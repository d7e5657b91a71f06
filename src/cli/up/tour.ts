import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Text } from '../../core/lang.ts';
import { showable } from '../../core/render/escape.ts';
import type { Context } from '../context.ts';
import { bytesText, durationText, numberText, table } from '../format.ts';
import { shortPath, type Part } from './plan.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
/** ms for one step; each takes about a second. */
const STEP_MS = 60_000;
const SENTENCE = 'INI ADALAH KOMUNIKASI P2P';
const FILE_BYTES = 2 * 1024 * 1024;
/** The tour shows the method of the name; everyday searches look into the prints first and need no step. */
const WALK = ['--strategy', 'walk'];

interface Step {
  readonly title: Text;
  /** Does the work for real and says what was measured; throws where it did not come out right. */
  run(): Promise<readonly string[]>;
}

/**
 * Does the main job once, with the very commands a person would type, and prints what it measured.
 * Resolves to true when every step came out right.
 */
export async function runTour(context: Context, parts: readonly Part[]): Promise<boolean> {
  const id = context.lang === 'id';
  context.say({
    id: '\nTur singkat: pekerjaan utama, sungguhan.',
    en: '\nA short tour: the main job, for real.',
  });
  const folder = await mkdtemp(join(tmpdir(), 'kelana-tour-'));
  let good = true;
  try {
    for (const [at, step] of stepsOf(context, parts, folder).entries()) {
      if (context.signal.aborted) return false;
      context.out(`\n${at + 1}. ${step.title[context.lang]}`);
      try {
        for (const line of await step.run()) context.out(`   ${line}`);
      } catch (thrown) {
        // Ctrl+C took the parts from under the step; it did not fail.
        if (context.signal.aborted) return false;
        good = false;
        context.out(
          `   ${id ? 'GAGAL' : 'FAILED'}: ${showable(thrown instanceof Error ? thrown.message : String(thrown))}`,
        );
      }
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  if (good) {
    context.say({ id: '\nSemua langkah berhasil.', en: '\nEvery step came out right.' });
    context.out(whatNext(context, parts));
  } else {
    context.say({
      id: '\nAda langkah yang gagal; lihat di atas dan: kelana log --kind error',
      en: '\nA step failed; see above and: kelana log --kind error',
    });
  }
  return good;
}

function stepsOf(context: Context, parts: readonly Part[], folder: string): readonly Step[] {
  const { lang } = context;
  const id = lang === 'id';
  const balancer = parts.find((part) => part.kind === 'balancer')?.shows ?? '';
  const seeker = parts.find((part) => part.kind === 'node');
  const steps: Step[] = [
    {
      title: {
        id: '8 client mengirim 25 pesan masing-masing lewat balancer',
        en: '8 clients send 25 messages each through the balancer',
      },
      run: async () => {
        const report = await json(context, [
          'clients',
          '--url',
          balancer,
          '--clients',
          '8',
          '--requests',
          '25',
          '--message',
          SENTENCE,
          '--unique',
          '--json',
        ]);
        const { requests, ok, failed, requestsPerSecond, responseMs, servers } =
          report as unknown as ClientsReport;
        if (failed > 0 || ok !== requests) throw new Error(`${failed} of ${requests} failed`);
        const share = Object.entries(servers).map(([name, count]) => `${showable(name)}: ${count}`);
        return [
          id
            ? `${ok} dari ${requests} dibalas, ${numberText(requestsPerSecond, lang)} per detik`
            : `${ok} of ${requests} answered, ${numberText(requestsPerSecond, lang)} a second`,
          `${id ? 'waktu respon' : 'response time'}: p50 ${durationText(responseMs.p50, lang)}, p99 ${durationText(responseMs.p99, lang)}`,
          `${id ? 'dibagi ke' : 'shared by'} ${share.join(', ')}`,
        ];
      },
    },
    {
      title: {
        id: 'sebuah berkas diunggah lewat balancer, lalu diambil dari kedua server',
        en: 'a file goes up through the balancer and comes back from both servers',
      },
      run: () => fileStep(context, parts, balancer, folder),
    },
  ];
  if (seeker?.data !== null && seeker !== undefined) {
    steps.push(
      {
        title: {
          id: `${seeker.name} mencari contoh.txt dengan jalan acak dan mengunduhnya`,
          en: `${seeker.name} finds contoh.txt by random walk and downloads it`,
        },
        run: () => walkStep(context, seeker),
      },
      {
        title: {
          id: 'berkas yang tidak ada: dibuktikan tidak ada',
          en: 'a file that does not exist: proved absent',
        },
        run: async () => {
          const verdict = (
            await events(
              context,
              ['find', 'berkas-yang-tidak-ada.txt', ...WALK, '--data', seeker.data ?? '', '--json'],
              3,
            )
          ).at(-1);
          if (verdict?.['verdict'] !== 'absent') throw new Error(JSON.stringify(verdict));
          const asked = Number(verdict['asked']);
          const took = durationText(Number(verdict['elapsedMs']), lang);
          return [
            id
              ? `semua ${asked} node lain ditanya, masing-masing sekali, ${took}`
              : `all ${asked} other nodes were asked, once each, ${took}`,
          ];
        },
      },
    );
  }
  return steps;
}

interface ClientsReport {
  readonly requests: number;
  readonly ok: number;
  readonly failed: number;
  readonly requestsPerSecond: number;
  readonly responseMs: { readonly p50: number; readonly p99: number };
  readonly servers: Readonly<Record<string, number>>;
}

async function fileStep(
  context: Context,
  parts: readonly Part[],
  balancer: string,
  folder: string,
): Promise<readonly string[]> {
  const { lang } = context;
  const id = lang === 'id';
  // Always the same bytes under the same name, so that tours do not fill the servers' folders.
  const name = 'tur-kelana.bin';
  const bytes = createHash('shake256', { outputLength: FILE_BYTES }).update(name).digest();
  const wanted = createHash('sha256').update(bytes).digest('hex');
  await writeFile(join(folder, name), bytes);
  const sent = performance.now();
  const put = await json(context, ['client', '--url', balancer, '--file', join(folder, name), '--json']);
  const up = performance.now() - sent;
  const lines = [
    id
      ? `${bytesText(bytes.length, lang)} naik dalam ${durationText(up, lang)} → ${String(put['server'])}`
      : `${bytesText(bytes.length, lang)} up in ${durationText(up, lang)} → ${String(put['server'])}`,
  ];
  for (const server of parts.filter((part) => part.kind === 'server')) {
    const begun = performance.now();
    const response = await fetch(`${server.shows}/files/${name}`, { signal: AbortSignal.timeout(STEP_MS) });
    const got = createHash('sha256')
      .update(new Uint8Array(await response.arrayBuffer()))
      .digest('hex');
    if (got !== wanted) throw new Error(`${server.shows}: HTTP ${response.status}, SHA-256 ${got}`);
    const took = durationText(performance.now() - begun, lang);
    lines.push(
      id
        ? `dari ${server.shows} kembali dengan SHA-256 yang sama dalam ${took}`
        : `back from ${server.shows} with the same SHA-256 in ${took}`,
    );
  }
  return lines;
}

async function walkStep(context: Context, seeker: Part): Promise<readonly string[]> {
  const { lang } = context;
  const id = lang === 'id';
  const all = await events(context, ['get', 'contoh.txt', ...WALK, '--data', seeker.data ?? '', '--json'], 0);
  const hit = all.find((event) => event['type'] === 'hit');
  const saved = all.find((event) => event['type'] === 'saved');
  if (hit === undefined || saved === undefined) throw new Error(JSON.stringify(all.at(-1)));
  const path = String(saved['path']);
  const text = (await readFile(path, 'utf8')).trim();
  if (text !== SENTENCE) throw new Error(`${path}: ${text}`);
  const [from, hops] = [showable(String(saved['from'])), Number(hit['hops'])];
  const found = durationText(Number(hit['elapsedMs']), lang);
  const took = durationText(Number(saved['seconds']) * 1000, lang);
  return [
    id
      ? `ditemukan di node ${from} setelah ${hops} langkah, ${found}`
      : `found at node ${from} after ${hops} hops, ${found}`,
    id
      ? `diunduh dan diverifikasi, total ${took}: ${shortPath(context, path)}`
      : `downloaded and verified, ${took} in all: ${shortPath(context, path)}`,
    `"${text}"`,
  ];
}

function whatNext(context: Context, parts: readonly Part[]): string {
  const node = parts.find((part) => part.kind === 'node');
  const rows: (readonly [string, Text])[] = [
    [
      'kelana clients',
      {
        id: 'client manager: banyak client, dengan laporan',
        en: 'client manager: many clients, with a report',
      },
    ],
    [
      'kelana log --stats',
      {
        id: 'waktu respon, latency, throughput tiap bagian',
        en: 'response time, latency, throughput of each part',
      },
    ],
  ];
  if (node !== undefined)
    rows.unshift([
      `kelana get pantun.txt --data ${node.data ?? ''}`,
      { id: 'cari dan unduh berkas lain', en: 'find and fetch another file' },
    ]);
  const head =
    context.lang === 'id'
      ? 'Coba berikutnya (di dalam klon: npx kelana …):'
      : 'Try next (inside a clone: npx kelana …):';
  return `\n${head}\n${table(rows.map(([line, what]) => [`  ${line}`, what[context.lang]]))}`;
}

async function json(context: Context, args: readonly string[]): Promise<Record<string, unknown>> {
  const all = await events(context, args, 0);
  const last = all.at(-1);
  if (last === undefined) throw new Error(`kelana ${args.join(' ')}: no output`);
  return last;
}

/** Runs a kelana command and reads its JSON lines. */
function events(
  context: Context,
  args: readonly string[],
  expected: number,
): Promise<readonly Record<string, unknown>[]> {
  return new Promise((resolve, reject) => {
    const child = spawn(context.execPath, ['--disable-warning=ExperimentalWarning', MAIN, ...args], {
      cwd: context.cwd,
      env: { ...context.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: STEP_MS,
    });
    let out = '';
    let problems = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      problems = (problems + text).slice(-2000);
    });
    child.once('error', reject);
    child.once('close', (code) => {
      try {
        const lines = out
          .trim()
          .split('\n')
          .filter((line) => line !== '');
        // A single document may be spread over lines; a stream is one document a line.
        const parsed = lines.every((line) => line.startsWith('{') && line.endsWith('}'))
          ? lines.map((line) => JSON.parse(line) as Record<string, unknown>)
          : [JSON.parse(out) as Record<string, unknown>];
        if (code === expected) resolve(parsed);
        else reject(new Error(`exit ${String(code)}: ${problems.trim()}`));
      } catch {
        reject(new Error(`exit ${String(code)}: ${problems.trim()} ${out.trim().slice(0, 200)}`));
      }
    });
  });
}
