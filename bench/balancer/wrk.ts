/** wrk as the client: what it counted, and what a request cost the proxy meanwhile. */
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Child, Workshop } from '../transfer/workshop.ts';

export interface Load {
  readonly port: number;
  readonly path: string;
  readonly connections: number;
  readonly seconds: number;
  /** A connection for each request. */
  readonly close?: boolean;
  readonly scheme?: 'https';
}

export interface Heard {
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  /** ms. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  /** Requests that failed in any way. */
  readonly errors: number;
}

const SCRIPT = `done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('KELANA {"requests":%d,"bytes":%d,"seconds":%f,"p50":%f,"p99":%f,"p999":%f,"errors":%d}\\n',
    summary.requests, summary.bytes, summary.duration / 1e6, latency:percentile(50) / 1000, latency:percentile(99) / 1000,
    latency:percentile(99.9) / 1000, e.connect + e.read + e.write + e.status + e.timeout))
end
`;

export async function wrk(workshop: Workshop, load: Load): Promise<Heard> {
  const child = await startWrk(workshop, load);
  await child.ended();
  return reportOf(child);
}

async function startWrk(workshop: Workshop, load: Load): Promise<Child> {
  const script = join(workshop.folder, 'report.lua');
  await writeFile(script, SCRIPT);
  const args = ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '--timeout', '10s', '-s', script];
  if (load.close === true) args.push('-H', 'Connection: close');
  return workshop.spawn('wrk', [...args, `${load.scheme ?? 'http'}://127.0.0.1:${load.port}${load.path}`]);
}

function reportOf(child: Child): Heard {
  const told = /^KELANA (.*)$/m.exec(child.out)?.[1];
  if (told === undefined) throw new Error(`wrk did not report: ${child.out}`);
  return JSON.parse(told) as Heard;
}

/** ms in which one of several loads runs while the others are stopped. */
const SLICE_MS = 250;
const INTERRUPT_MS = 50;
/** Seconds after which a load ends that nobody ended. */
const FORGOTTEN_SECONDS = 600;

/**
 * All loads, each running for `seconds` in slices, one at a time: what else the machine does then meets all of them alike,
 * which it does not in turns of seconds. The order turns round from one slice to the next. Only their counts of
 * requests mean something, as each is stopped most of the time.
 */
export async function wrkInSlices(workshop: Workshop, loads: readonly Load[]): Promise<readonly Heard[]> {
  const running: Child[] = [];
  try {
    for (const load of loads) {
      const child = await startWrk(workshop, { ...load, seconds: FORGOTTEN_SECONDS });
      child.process.kill('SIGSTOP');
      running.push(child);
    }
    const slices = Math.max(1, ...loads.map(({ seconds }) => Math.round((seconds * 1000) / SLICE_MS)));
    for (let slice = 0; slice < slices; slice += 1) {
      for (const child of slice % 2 === 0 ? running : running.toReversed()) {
        child.process.kill('SIGCONT');
        await sleep(SLICE_MS);
        child.process.kill('SIGSTOP');
      }
    }
  } finally {
    for (const child of running) child.process.kill('SIGCONT');
  }
  await Promise.all(running.map(interrupted));
  return running.map(reportOf);
}

/** It reports on an interrupt that its first thread gets, which may be another that it wakes. */
async function interrupted(child: Child): Promise<void> {
  const ended = child.ended().then(() => true);
  ended.catch(() => {});
  do child.process.kill('SIGINT');
  while (!(await Promise.race([ended, sleep(INTERRUPT_MS, false)])));
}

/** Whether something answers a small request with 200. */
export function answers(port: number, secure = false): Promise<boolean> {
  return new Promise((resolve) => {
    const at = { port, host: '127.0.0.1' };
    const socket = secure ? connectTls({ ...at, rejectUnauthorized: false }) : connect(at);
    socket.setTimeout(1_000, () => socket.destroy());
    socket.on(secure ? 'secureConnect' : 'connect', () =>
      socket.write('GET /small HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n'),
    );
    socket.on('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString('latin1').startsWith('HTTP/1.1 200'));
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(false));
  });
}
