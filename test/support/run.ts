import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { env as environment, execPath, kill as killProcess } from 'node:process';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { afterwards, until, within } from './basics.ts';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

/** Variable that tells the processes of one test from all others of the machine. */
const MARK = 'E2E_FOLDER';

export interface RunOptions {
  readonly cwd: string;
  /** Added to a plain environment (Indonesian, no colour, none of the caller's KELANA settings). */
  readonly env?: Readonly<Record<string, string>>;
  /** Text for stdin, which is then closed; without it stdin is empty. */
  readonly input?: string;
  /** Words before `node`, for example `ip netns exec NAME`. */
  readonly prefix?: readonly string[];
  readonly uid?: number;
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** A kelana process under test, with all that it printed. */
export class Run {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  out = '';
  err = '';
  over = false;

  constructor(child: ChildProcess) {
    this.child = child;
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.out += text;
    });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.err += text;
    });
    this.ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (code, signal) => {
        this.over = true;
        resolve({ code, signal, out: this.out, err: this.err });
      });
    });
    this.ended.catch(() => undefined);
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Waits until stdout matches; fails at once when the process ends before. */
  async says(pattern: RegExp, ms = 20_000): Promise<RegExpExecArray> {
    return await until(
      `${String(pattern)} in:\n${this.out}\n${this.err}`,
      () => {
        const match = pattern.exec(this.out);
        if (match === null && this.over)
          throw new Error(`ended without ${String(pattern)}:\n${this.out}\n${this.err}`);
        return match;
      },
      ms,
    );
  }

  /** The JSON line with `"ready":true` that every part prints with `--json`. */
  async ready(): Promise<Record<string, unknown>> {
    const [line] = await this.says(/^\{"ready":true.*$/m);
    return JSON.parse(line) as Record<string, unknown>;
  }

  async end(signal: NodeJS.Signals = 'SIGTERM', ms = 10_000): Promise<Ended> {
    if (!this.over) this.child.kill(signal);
    return await within(`end after ${signal}`, this.ended, ms);
  }
}

/** Starts `kelana …`; whatever happens it is gone after the test. */
export function start(t: TestContext, args: readonly string[], options: RunOptions): Run {
  const run = startKept(args, options);
  afterwards(t, async () => {
    if (!run.over) run.child.kill('SIGKILL');
    await run.ended.catch(() => undefined);
  });
  return run;
}

/** As `start`, for callers that end the process themselves. */
export function startKept(args: readonly string[], options: RunOptions): Run {
  const [command = execPath, ...before] = options.prefix ?? [];
  const words = command === execPath ? [] : [...before, execPath];
  const child = spawn(command, [...words, MAIN, ...args], {
    cwd: options.cwd,
    env: { ...plainEnv(options.env), [MARK]: options.cwd },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    ...(options.uid === undefined ? {} : { uid: options.uid }),
  });
  child.stdin?.on('error', () => undefined).end(options.input);
  return new Run(child);
}

/** Runs `kelana …` to its end. */
export async function kelana(
  t: TestContext,
  args: readonly string[],
  options: RunOptions,
  ms = 30_000,
): Promise<Ended> {
  return await within(`kelana ${args.join(' ').slice(0, 200)}`, start(t, args, options).ended, ms);
}

/** As `kelana`, for output of one JSON document a line. */
export async function kelanaJson(
  t: TestContext,
  args: readonly string[],
  options: RunOptions,
  code = 0,
): Promise<readonly Record<string, unknown>[]> {
  const ended = await kelana(t, [...args, '--json'], options);
  if (ended.code !== code) throw new Error(`exit ${String(ended.code)}: ${ended.out}\n${ended.err}`);
  return ended.out
    .trim()
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

export function plainEnv(more: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept = ['PATH', 'HOME', 'TMPDIR', 'NODE_COMPILE_CACHE'].flatMap((name) => {
    const value = environment[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return { ...Object.fromEntries(kept), LANG: 'id_ID.UTF-8', NO_COLOR: '1', ...more };
}

/** Pids of processes that were started with this working directory, and of what they started (proc(5), environ). */
export function processesIn(folder: string): readonly number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`${MARK}=${folder}\0`);
      } catch {
        return false;
      }
    });
}

/** Ends what `processesIn` finds: a test that fails must leave nothing behind. */
export function killAllIn(folder: string): void {
  for (const pid of processesIn(folder)) {
    try {
      killProcess(pid, 'SIGKILL');
    } catch {
      // It ended by itself meanwhile.
    }
  }
}
