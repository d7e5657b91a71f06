/** Where a bench works: a folder in memory, the processes it started, and the end of both, also on Ctrl+C. */
import { fork, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Files in memory, so that no disk is measured; where there is none, the temporary folder. */
const MEMORY = '/dev/shm';
/** ms that a process has to end by itself. */
const PATIENCE_MS = 10_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** As a shell counts a command that was interrupted. */
const INTERRUPTED = 130;

export class Workshop {
  readonly folder: string;
  readonly inMemory: boolean;
  readonly #children = new Set<ChildProcess>();
  readonly #closers: (() => void | Promise<void>)[] = [];
  #closed: Promise<void> | undefined;

  private constructor(folder: string, inMemory: boolean) {
    this.folder = folder;
    this.inMemory = inMemory;
  }

  static async open(): Promise<Workshop> {
    const inMemory = existsSync(MEMORY);
    // Short, as sockets have paths of at most 100 bytes in here.
    const workshop = new Workshop(await mkdtemp(join(inMemory ? MEMORY : tmpdir(), 'kb-')), inMemory);
    for (const signal of SIGNALS)
      process.once(signal, () => {
        process.stderr.write(`\n${signal}: cleaning up\n`);
        void workshop.close().finally(() => process.exit(INTERRUPTED));
      });
    // Whatever goes wrong, no process and no gigabytes stay behind.
    process.once('exit', () => workshop.#drop());
    return workshop;
  }

  /** To be done at the end, the latest first, before processes are ended. */
  defer(closer: () => void | Promise<void>): void {
    this.#closers.push(closer);
  }

  /** A program; what it says on stderr is shown where it fails (see `ended`). */
  spawn(program: string, args: readonly string[], options: SpawnOptions = {}): Child {
    const { cwd = this.folder, env = {} } = options;
    const child = spawn(program, args, {
      cwd,
      env: { ...ENVIRONMENT, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    return this.#own(child, program);
  }

  /** A program of ours in a process of its own, spoken to by messages; gone with this process. */
  fork(url: URL, args: readonly string[] = []): Child {
    const child = fork(url, args, {
      cwd: this.folder,
      env: ENVIRONMENT,
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      detached: true,
    });
    return this.#own(child, url.pathname);
  }

  #own(process: ChildProcess, program: string): Child {
    this.#children.add(process);
    process.once('exit', () => this.#children.delete(process));
    return new Child(process, program);
  }

  /** Nothing is to be started any more. */
  get closing(): boolean {
    return this.#closed !== undefined;
  }

  close(): Promise<void> {
    return (this.#closed ??= this.#close());
  }

  async #close(): Promise<void> {
    for (const closer of this.#closers.splice(0).reverse()) await Promise.resolve(closer()).catch(complain);
    const all = [...this.#children];
    for (const child of all) signalGroup(child, 'SIGTERM');
    const end = performance.now() + PATIENCE_MS;
    while (this.#children.size > 0 && performance.now() < end) await sleep(20);
    for (const child of this.#children) signalGroup(child, 'SIGKILL');
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  #drop(): void {
    for (const child of this.#children) signalGroup(child, 'SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }
}

interface SpawnOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** Settings of the person who runs the bench are not measured; /usr/sbin is where Debian has daemons. */
const ENVIRONMENT: NodeJS.ProcessEnv = {
  PATH: `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`,
  LC_ALL: 'C.UTF-8',
  ...(process.env['HOME'] === undefined ? {} : { HOME: process.env['HOME'] }),
};

function complain(thrown: unknown): void {
  process.stderr.write(`${thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)}\n`);
}

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch {
    // It ended meanwhile.
  }
}

/** Characters of a child's output that are kept: its last words. */
const KEPT = 20_000;

export class Child {
  readonly process: ChildProcess;
  readonly #program: string;
  readonly #ended: Promise<number | null>;
  readonly #heard: unknown[] = [];
  readonly #waiting: ((message: unknown) => void)[] = [];
  #fail: (error: Error) => void = () => undefined;
  readonly #failed: Promise<never>;
  out = '';
  err = '';

  constructor(child: ChildProcess, program: string) {
    this.process = child;
    this.#program = program;
    child.stdout
      ?.setEncoding('utf8')
      .on('data', (text: string) => (this.out = (this.out + text).slice(-KEPT)));
    child.stderr
      ?.setEncoding('utf8')
      .on('data', (text: string) => (this.err = (this.err + text).slice(-KEPT)));
    this.#failed = new Promise((_, reject) => (this.#fail = reject));
    this.#failed.catch(() => undefined);
    this.#ended = new Promise((resolve) => {
      const end = (code: number | null): void => {
        this.#fail(new Error(`${this.#program} ended with ${String(code)}: ${this.err.trim()}`));
        resolve(code);
      };
      child.once('close', end);
      child.once('error', (error) => {
        this.err += error.message;
        end(null);
      });
    });
    child.on('message', (message) => {
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#heard.push(message);
      else waiting(message);
    });
  }

  get pid(): number {
    return this.process.pid ?? 0;
  }

  /** Resolves when it has ended with 0. */
  async ended(): Promise<void> {
    const code = await this.#ended;
    if (code !== 0) throw new Error(`${this.#program} ended with ${String(code)}: ${this.err.trim()}`);
  }

  /** Its next message; fails where it ends before that, or says `{ error }`. */
  async message<T>(): Promise<T> {
    const first = this.#heard.shift();
    const heard =
      first ?? (await Promise.race([new Promise<unknown>((done) => this.#waiting.push(done)), this.#failed]));
    if (typeof heard === 'object' && heard !== null && 'error' in heard)
      throw new Error(`${this.#program}: ${String(heard.error)}`);
    return heard as T;
  }

  async ask<T>(order: object): Promise<T> {
    this.process.send(order);
    return await this.message<T>();
  }

  /** Waits for a line of its output. */
  async said(pattern: RegExp, ms = 60_000): Promise<RegExpExecArray> {
    let found: RegExpExecArray | null = null;
    const look = async (): Promise<void> => {
      await until(
        `${this.#program} to say ${String(pattern)}`,
        () => {
          found = pattern.exec(this.out) ?? pattern.exec(this.err);
          return found !== null;
        },
        ms,
      );
    };
    await Promise.race([look(), this.#failed]);
    return found ?? ([] as unknown as RegExpExecArray);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    signalGroup(this.process, signal);
    const late = setTimeout(() => signalGroup(this.process, 'SIGKILL'), PATIENCE_MS);
    await this.#ended;
    clearTimeout(late);
  }
}

export async function until(
  what: string,
  condition: () => boolean | Promise<boolean>,
  ms = 60_000,
  everyMs = 20,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited ${ms / 1000} s for ${what}`);
    await sleep(everyMs);
  }
}

/** A port that was free a moment ago, for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Whether a program is installed. */
export function installed(program: string): boolean {
  return (ENVIRONMENT['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, program)));
}
