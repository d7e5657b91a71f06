import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { getuid } from 'node:process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { EventBody } from '../src/core/events.ts';
import type { Bytes } from '../src/core/ports.ts';
import { cidFrom } from '../src/library/hash.ts';
import { openLibrary, type Library, type LibraryOptions } from '../src/library/library.ts';

export const MiB = 1024 * 1024;
export const HERE = dirname(fileURLToPath(import.meta.url));

/** A folder of its own, removed after the test. */
export async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'kelana-library-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A disk of 3 MiB, or null where none can be mounted (only root may). */
export async function smallDisk(t: TestContext): Promise<string | null> {
  if (getuid?.() !== 0) return null;
  const path = await mkdtemp(join(tmpdir(), 'kelana-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    await rm(path, { recursive: true });
    return null;
  }
  t.after(async () => {
    execFileSync('umount', ['-l', path]);
    await rm(path, { recursive: true });
  });
  return path;
}

/** Writes a file whose last write lies a minute back, so that no scan takes it for one still being written. */
export async function file(path: string, content: string | Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
  const past = new Date(Date.now() - 60_000);
  await utimes(path, past, past);
}

export interface Opened {
  readonly library: Library;
  readonly shared: string;
  readonly data: string;
  readonly events: EventBody[];
}

/** A library over `<base>/shared`, with scans only on request. */
export async function opened(
  t: TestContext,
  base: string,
  more: Partial<LibraryOptions> = {},
): Promise<Opened> {
  const shared = join(base, 'shared');
  const data = join(base, 'data');
  await mkdir(shared, { recursive: true });
  await mkdir(data, { recursive: true });
  const events: EventBody[] = [];
  const library = await openLibrary({
    roots: [shared],
    dataDir: data,
    rescanMs: 0,
    emit: (event) => events.push(event),
    ...more,
  });
  t.after(() => library.close());
  await library.ready;
  return { library, shared, data, events };
}

export async function joined(bytes: Bytes): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

export async function* pieces(...parts: readonly (string | Uint8Array)[]): Bytes {
  for (const part of parts) yield typeof part === 'string' ? Buffer.from(part) : part;
}

export function sample(size: number, seed = 1): Buffer {
  const bytes = Buffer.alloc(size);
  let state = seed;
  for (let at = 0; at < size; at += 1) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[at] = state >>> 24;
  }
  return bytes;
}

export function cidOfBytes(bytes: Uint8Array): string {
  const digests: Buffer[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += MiB)
    digests.push(
      createHash('sha256')
        .update(bytes.subarray(at, at + MiB))
        .digest(),
    );
  return cidFrom(Buffer.concat(digests), bytes.length);
}

export const fails = (code: string) => (thrown: unknown) => {
  if ((thrown as { code?: unknown }).code === code) return true;
  throw thrown;
};

/** Waits for a condition; the runner's own timeout ends a test for which it never comes. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`not within a minute: ${String(condition)}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/**
 * Runs a module's source in a Node of its own, beside the tests so that its imports resolve; `through` is a command
 * that runs the one after it.
 */
export function child(
  t: TestContext,
  source: string,
  { through = [], ...options }: { uid?: number; through?: readonly string[] } = {},
): ChildProcess {
  const node = ['--input-type=module-typescript', '--eval', source];
  const [command = process.execPath, ...before] = through;
  const args = through.length > 0 ? [...before, process.execPath, ...node] : node;
  const process_ = spawn(command, args, { cwd: HERE, stdio: ['ignore', 'pipe', 'pipe'], ...options });
  t.after(() => process_.kill('SIGKILL'));
  return process_;
}

export async function outputOf(
  process_: ChildProcess,
): Promise<{ code: number | null; out: string; err: string }> {
  let out = '';
  let err = '';
  process_.stdout?.on('data', (chunk: Buffer) => (out += chunk.toString()));
  process_.stderr?.on('data', (chunk: Buffer) => (err += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) => {
    process_.once('error', reject);
    process_.once('close', resolve);
  });
  return { code, out, err };
}
