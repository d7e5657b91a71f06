import { spawn, type ChildProcess } from 'node:child_process';
import type { Desired } from '../core/balance/changes.ts';
import type { Spent } from '../core/balance/rate.ts';
import { BALANCER, BALANCER_CHANGE } from '../core/config.ts';
import { ERRORS, KelanaError, type ErrorCode, type ErrorParams } from '../core/errors.ts';
import type { Lang } from '../core/lang.ts';
import type { Bound, BoundHandle } from './handles.ts';
import { parseFromWorker, PROTOCOL, socketOf, type Call, type StartOf, type ToWorker } from './protocol.ts';
import type { Worker, WorkerStats } from './worker.ts';

/** How a process that serves is started. */
export interface Launcher {
  /** Node, and what stands after it. */
  readonly execPath: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly lang: Lang;
}

interface Waiting {
  readonly resolve: (stats: WorkerStats | undefined) => void;
  readonly reject: (thrown: KelanaError) => void;
  readonly timer: NodeJS.Timeout;
}

/** A process of the balancer, started by this one. It ends by itself when this one is gone, however that came. */
export class RemoteWorker implements Worker {
  readonly pid: number;
  readonly ended: Promise<string | null>;
  onSpent: (spent: Spent) => void = () => undefined;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #echoed: Bound[] = [];
  #told: WorkerStats | null = null;
  #asked = false;
  #next = 0;
  #ready: ((failure: KelanaError | null) => void) | null = null;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.pid = child.pid ?? 0;
    this.ended = new Promise((resolve) => {
      child.once('error', (error) => resolve(error.message));
      // After the last of what it said was read.
      child.once('close', (code, signal) => resolve(this.#asked ? null : (signal ?? `exit ${String(code)}`)));
    });
    child.on('message', (message, handle) => this.#heard(message, handle));
    // A channel that breaks is told by the exit that follows.
    child.on('error', () => undefined);
    void this.ended.then((why) => this.#over(why ?? 'ended'));
  }

  /**
   * Starts one; resolves when it accepts.
   * @throws KelanaError what kept it from starting, or WORKER_FAILED
   */
  static async start(
    launcher: Launcher,
    start: StartOf,
    sockets: readonly Bound[],
    echo: boolean,
  ): Promise<RemoteWorker> {
    const child = spawn(launcher.execPath, [...launcher.args], {
      cwd: launcher.cwd,
      env: launcher.env,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Ctrl+C reaches the process that holds them alone, which then ends them in good order.
      detached: true,
    });
    const worker = new RemoteWorker(child);
    const ready = new Promise<KelanaError | null>((resolve) => {
      worker.#ready = resolve;
    });
    const timer = setTimeout(() => worker.#begun(failed('not ready in time')), BALANCER_CHANGE.startMs);
    const { lang } = launcher;
    for (const { handle, ...of } of sockets) worker.#send({ type: 'socket', ...of }, handle);
    worker.#send({ type: 'start', protocol: PROTOCOL, lang, echo, ...start });
    const failure = await ready;
    clearTimeout(timer);
    if (failure === null) return worker;
    worker.kill();
    await worker.ended;
    throw failure;
  }

  async apply(desired: Desired): Promise<void> {
    await this.#call({ type: 'apply', id: 0, desired });
  }

  async reloadCertificates(): Promise<void> {
    await this.#call({ type: 'certificates', id: 0 });
  }

  async stats(): Promise<WorkerStats> {
    const stats = await this.#call({ type: 'stats', id: 0 });
    if (stats === undefined) throw failed('no figures');
    this.#told = stats;
    return stats;
  }

  async drain(): Promise<void> {
    this.#asked = true;
    await this.#call({ type: 'drain', id: 0 });
  }

  async close(): Promise<void> {
    this.#asked = true;
    this.#send({ type: 'close', id: 0 });
    const timer = setTimeout(() => this.kill(), BALANCER.closeMs + 1_000);
    await this.ended;
    clearTimeout(timer);
  }

  get told(): WorkerStats | null {
    return this.#told;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  spend(spent: Spent): void {
    this.#send({ type: 'spent', spent });
  }

  bound(): readonly Bound[] {
    return this.#echoed;
  }

  #call(call: Call): Promise<WorkerStats | undefined> {
    this.#next += 1;
    const id = this.#next;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(failed('no answer in time'));
      }, BALANCER_CHANGE.answerMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#send({ ...call, id });
    });
  }

  #send(message: ToWorker, handle?: BoundHandle): void {
    if (!this.#child.connected) {
      this.#over('gone');
      return;
    }
    this.#child.send(message, handle, undefined, (error) => {
      if (error !== null) this.#over(error.message);
    });
  }

  #heard(message: unknown, handle: BoundHandle | undefined): void {
    const said = parseFromWorker(message);
    if (said === null) return;
    switch (said.type) {
      case 'echo':
        if (handle !== undefined) this.#echoed.push({ ...socketOf(said), handle });
        break;
      case 'last':
        this.#told = said.stats ?? this.#told;
        break;
      case 'spent':
        this.onSpent(said.spent);
        break;
      case 'ready':
        this.#begun(null);
        break;
      case 'failed':
        this.#begun(revive(said.error, said.params));
        break;
      case 'answer':
      case 'refused': {
        const waiting = this.#waiting.get(said.id);
        if (waiting === undefined) break;
        this.#waiting.delete(said.id);
        clearTimeout(waiting.timer);
        if (said.type === 'answer') waiting.resolve(said.stats);
        else waiting.reject(revive(said.error, said.params));
        break;
      }
    }
  }

  #begun(failure: KelanaError | null): void {
    this.#ready?.(failure);
    this.#ready = null;
  }

  #over(why: string): void {
    this.#begun(failed(why));
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(failed(why));
    }
    this.#waiting.clear();
  }
}

function failed(why: string): KelanaError {
  return new KelanaError('WORKER_FAILED', { why });
}

function revive(error: string, params: ErrorParams): KelanaError {
  return Object.hasOwn(ERRORS, error) ? new KelanaError(error as ErrorCode, params) : failed(error);
}
