import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { UP } from '../../core/config.ts';
import { ERRORS, KelanaError, type ErrorCode } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import type { Context } from '../context.ts';
import type { Part } from './plan.ts';

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url));
const WHO = 'kelana up';

export interface SupervisorOptions {
  readonly context: Context;
  readonly emit: Emit;
  /** A part died or came back, or said something on its standard error. */
  readonly onNotice: (part: Part, notice: Notice) => void;
}

export type Notice =
  | { readonly type: 'died'; readonly reason: string; readonly restartSeconds: number }
  | { readonly type: 'back'; readonly pid: number }
  | { readonly type: 'says'; readonly text: string };

interface Running {
  readonly part: Part;
  child: ChildProcess | null;
  ready: boolean;
  /** Ends the wait before a restart. */
  wake: () => void;
  done: Promise<void>;
}

/** Runs one process per part, restarts what dies with backoff, and stops all together. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #running: Running[] = [];
  #stopping = false;
  #stopped: Promise<void> | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
  }

  /**
   * Starts all parts at once; resolves when each said that it is ready.
   * @throws KelanaError of the first part that could not start; the others are then stopped by `stop`
   */
  async start(parts: readonly Part[]): Promise<void> {
    await Promise.all(
      parts.map(async (part) => {
        const running: Running = {
          part,
          child: null,
          ready: false,
          wake: () => undefined,
          done: Promise.resolve(),
        };
        this.#running.push(running);
        const exited = await this.#launch(running);
        running.done = this.#keep(running, exited);
      }),
    );
  }

  pidOf(part: Part): number | undefined {
    return this.#running.find((running) => running.part === part)?.child?.pid;
  }

  /** SIGTERM to all, once (a second one would cut their clean end short); SIGKILL to who has not ended in `UP.stopMs`. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll();
    return this.#stopped;
  }

  async #stopAll(): Promise<void> {
    this.#stopping = true;
    for (const running of this.#running) {
      running.wake();
      // Who is not ready yet has promised nobody anything, and would finish starting first.
      running.child?.kill(running.ready ? 'SIGTERM' : 'SIGKILL');
    }
    const kill = setTimeout(() => {
      for (const running of this.#running) running.child?.kill('SIGKILL');
    }, UP.stopMs);
    await Promise.all(this.#running.map((running) => running.done));
    await Promise.all(this.#running.map((running) => ended(running.child)));
    clearTimeout(kill);
  }

  /** Starts one process; resolves once it is ready, to the promise of its end. */
  async #launch(running: Running): Promise<{ exit: Promise<string> }> {
    const { context, emit, onNotice } = this.#options;
    const { part } = running;
    const child = spawn(context.execPath, [...EXEC_ARGS, MAIN, ...part.args], {
      cwd: context.cwd,
      env: { ...context.env, KELANA_SUPERVISED: '1' },
      // Its own process group: Ctrl+C reaches this process alone, which then stops the parts in good order.
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.child = child;
    running.ready = false;
    const problems: string[] = [];
    const exit = new Promise<string>((resolve) => {
      child.once('error', (error) => resolve(error.message));
      child.once('close', (code, signal) => resolve(signal ?? `exit ${String(code)}`));
    });
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (problems.length < 20) problems.push(line);
      if (ready && line !== '') onNotice(part, { type: 'says', text: line });
    });
    let ready = false;
    const started = new Promise<boolean>((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        if (line.startsWith('{"ready":true')) resolve(true);
      });
      void exit.then(() => resolve(false));
      setTimeout(() => resolve(false), UP.readyMs).unref();
    });
    ready = await started;
    if (!ready) {
      child.kill('SIGKILL');
      await exit;
      throw errorOf(part, problems, await exit);
    }
    running.ready = true;
    emit({ type: 'part.started', who: WHO, part: part.name, pid: child.pid ?? 0 });
    return { exit };
  }

  async #keep(running: Running, first: { exit: Promise<string> }): Promise<void> {
    const { emit, onNotice } = this.#options;
    const { part } = running;
    let { exit } = first;
    let wait: number = UP.restartMinMs;
    for (;;) {
      const since = performance.now();
      const reason = await exit;
      if (this.#stopping) {
        emit({ type: 'part.stopped', who: WHO, part: part.name });
        return;
      }
      if (performance.now() - since > UP.stableMs) wait = UP.restartMinMs;
      const restartSeconds = wait / 1000;
      emit({ type: 'part.exited', who: WHO, part: part.name, reason, restartSeconds });
      onNotice(part, { type: 'died', reason, restartSeconds });
      await this.#sleep(running, wait);
      wait = Math.min(wait * 2, UP.restartMaxMs);
      if (this.#stopping) return;
      try {
        ({ exit } = await this.#launch(running));
        onNotice(part, { type: 'back', pid: running.child?.pid ?? 0 });
      } catch (thrown) {
        exit = Promise.resolve(thrown instanceof Error ? thrown.message : String(thrown));
      }
    }
  }

  #sleep(running: Running, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      running.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Type stripping is no news to a person; everything else that Node warns of is shown. */
const EXEC_ARGS = ['--disable-warning=ExperimentalWarning'];

function ended(child: ChildProcess | null): Promise<void> {
  return new Promise((resolve) => {
    if (child === null || child.exitCode !== null || child.signalCode !== null) resolve();
    else child.once('close', () => resolve());
  });
}

/** The error that the part printed as JSON, so that its cause and next step reach the person. */
function errorOf(part: Part, problems: readonly string[], exit: string): KelanaError {
  for (const line of problems) {
    try {
      const { error, message, fix } = JSON.parse(line) as { error: string; message: string; fix: string };
      if (Object.hasOwn(ERRORS, error))
        return new KelanaError('PART_FAILED', { part: part.name, code: error as ErrorCode, message, fix });
    } catch {
      // Not the error line; the next one may be.
    }
  }
  const detail = problems.slice(-3).join(' | ');
  return new KelanaError('PART_FAILED', {
    part: part.name,
    code: exit,
    message: detail === '' ? exit : detail,
    fix: 'KELANA_DEBUG=1',
  });
}
