import type { SendHandle } from 'node:child_process';
import { enableCompileCache, flushCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
import { EXIT, KelanaError, reason } from '../core/errors.ts';
import { langFrom, type Lang, type Text } from '../core/lang.ts';
import { trimHeap } from './trim-heap.ts';

export interface Screen {
  size(): { readonly columns: number; readonly rows: number };
  /** Gives the way to hear no more of it. */
  onResize(handler: () => void): () => void;
}

/** Everything a command may know of the process it runs in. Tests make their own. */
export interface Context {
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadStream | NodeJS.ReadableStream;
  readonly interactive: boolean;
  /** Terminal on stdout: progress and colour are shown only there. */
  readonly terminal: boolean;
  readonly columns: number;
  readonly color: boolean;
  readonly lang: Lang;
  readonly pid: number;
  /** The user it runs as; left out where the system has no such numbers. */
  readonly uid?: number;
  /** The Node that runs this, for the processes that `up` starts. */
  readonly execPath: string;
  /** Seconds since the process started. */
  uptime(): number;
  /** Resident memory, bytes. */
  memory(): number;
  /** Aborted by the first SIGINT or SIGTERM; `reason` is the signal's name. A second one ends the process. */
  readonly signal: AbortSignal;
  /** Takes a signal over for a part that runs; without it SIGHUP ends the process, and SIGUSR2 does so by itself. */
  readonly on?: (signal: 'SIGHUP' | 'SIGUSR2', handler: () => void) => void;
  /** The terminal on stdout, as large as it is now; left out where there is none. */
  readonly screen?: Screen;
  out(text: string): void;
  /** Writes to stdout as it is, with no line end: prompts and the progress line, only on a terminal. */
  write(text: string): void;
  err(text: string): void;
  say(text: Text): void;
  /** Resolves when stdout took what was written, so that a large result is never cut at exit. */
  flush(): Promise<void>;
}

/** Beside the installed packages only those who may change the code can write; in /tmp, Node's choice, anybody could. */
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/kelana-compiled', import.meta.url));

/**
 * Keeps compiled code between runs, for this process, its threads and the parts it starts: six of them start at once,
 * and libp2p is large.
 */
export function keepCompiledCode(): void {
  enableCompileCache(COMPILED);
  process.env['NODE_COMPILE_CACHE'] ??= COMPILED;
}

/**
 * How V8 is to use memory in a node. `max-semi-space-size`: MiB of the young generation; three such halves are kept
 * once it was busy, and Node's own default is 16. `invocation-count-for-turbofan`: the last of V8's compilers takes
 * 6 MiB as soon as it compiles one function, and with V8's own 3,000 it compiles two of Node's loader, which nobody
 * needs again; with 100,000 still. What a scan or a search does over and over comes to more. `expose-gc`: for `tidyUp`.
 */
const LEAN = [
  '--max-semi-space-size=2',
  '--invocation-count-for-turbofan=400000',
  '--expose-gc',
  '--disable-warning=ExperimentalWarning',
];

/** Bytes of free memory that glibc keeps at the end of its heap: more than a socket takes and gives back all the time. */
const TRIM_BYTES = '1048576';

/**
 * Bytes from which glibc takes pages anew for each piece of memory. Naming the one above fixes this too, at 128 KiB: what a
 * socket encrypts at once (TRANSFER.pieceBytes) would then cost a third of a second more for each GiB.
 */
const MMAP_BYTES = '1048576';

/**
 * ms after the start at which a node tidies up: a second later, when the first download has what it needs to begin, once when
 * the threads of the start have ended, and once when its links and the first scan are there, with their garbage.
 */
const TIDY_MS = [1_000, 4_000, 15_000];

/**
 * Gives back what the start of a node has left behind (some 20 MiB): V8 does so only where more is asked for, and an idle
 * node asks for little; Node keeps what it read of the cache of compiled code until it is told to write it. A pause of
 * some 50 ms each time, and of half a second more where the code has changed, as the cache is written then. A node of its
 * own begins at once, before a download needs the memory; of the parts of `up` others still start, on the same cores.
 */
export function tidyUp(env: Context['env']): void {
  const tidy = (ms: number): void => {
    if (gc === undefined) return;
    // At once would be too soon: code that runs later is not kept.
    if (ms > 0) flushCompileCache();
    gc({ type: 'major', execution: 'sync', flavor: 'last-resort' });
    void trimHeap();
  };
  const alone = (env['KELANA_SUPERVISED'] ?? '') === '';
  for (const ms of alone ? [0, ...TIDY_MS] : TIDY_MS) setTimeout(tidy, ms, ms).unref();
}

/**
 * Begins again, in the same process, where this is a node: it lives for months, is idle for most of them, and would
 * keep some 60 MiB for a busy moment. V8 takes its options only at its start; and only with the cache of compiled code
 * from the start does Node not load its TypeScript compiler (20 MiB) for the first few files.
 */
export function beginLean(verb: string | undefined): void {
  const { execArgv, execPath, argv, env } = process;
  const said = [...execArgv, env['NODE_OPTIONS'] ?? ''].some((text) => text.includes('semi-space'));
  if (verb !== 'node' || said || process.platform === 'win32') return;
  const lean = {
    ...env,
    NODE_COMPILE_CACHE: env['NODE_COMPILE_CACHE'] ?? COMPILED,
    // Of glibc: else each thread takes an arena of its own, and what was free is kept, as large as it ever was.
    MALLOC_ARENA_MAX: env['MALLOC_ARENA_MAX'] ?? '2',
    MALLOC_TRIM_THRESHOLD_: env['MALLOC_TRIM_THRESHOLD_'] ?? TRIM_BYTES,
    MALLOC_MMAP_THRESHOLD_: env['MALLOC_MMAP_THRESHOLD_'] ?? MMAP_BYTES,
  };
  try {
    process.execve?.(execPath, [execPath, ...LEAN, ...execArgv, ...argv.slice(1)], lean);
  } catch {
    // Then it is a node that needs more memory.
  }
}

/** The one place that touches argv, env, the standard streams and signals. */
export function processContext(): Context {
  const args = process.argv.slice(2);
  const env = process.env;
  const lang = langFrom(flagLang(args), env['KELANA_LANG'], env['LC_ALL'], env['LC_MESSAGES'], env['LANG']);
  const controller = new AbortController();
  const handlers = new Map<string, () => void>();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    let seen = 0;
    process.on(name, () => {
      const handler = handlers.get(name);
      if (handler !== undefined) {
        handler();
        return;
      }
      seen += 1;
      if (seen === 1) controller.abort(new KelanaError('INTERRUPTED', { command: args[0] ?? '' }));
      else process.exit(EXIT.interrupted);
    });
  }
  // `kelana up` holds the other end of stdin: when it is gone, however it ended, its parts end too.
  if ((env['KELANA_SUPERVISED'] ?? '') !== '') {
    process.stdin.once('end', () => controller.abort(new KelanaError('INTERRUPTED'))).resume();
  }
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // A reader that went away (`kelana log | head`) ends us quietly, as it does any Unix filter; `up` has parts to stop.
    if (error.code === 'EPIPE' && args[0] === 'up') controller.abort(new KelanaError('INTERRUPTED'));
    else if (error.code === 'EPIPE') process.exit(EXIT.done);
    else {
      const { says, fix } = new KelanaError('CANNOT_WRITE', { path: 'stdout', why: reason(error) }).describe(
        lang,
      );
      process.stderr.write(`kelana: ${says}\n  → ${fix}\n`);
      process.exit(EXIT.failed);
    }
  });
  process.stderr.on('error', () => undefined);
  const terminal = process.stdout.isTTY === true;
  return {
    args,
    env,
    cwd: process.cwd(),
    stdin: process.stdin,
    interactive: process.stdin.isTTY === true && terminal,
    terminal,
    // A terminal that nobody sized (script, some CI) says 0.
    columns: (process.stdout.columns ?? 0) > 0 ? process.stdout.columns : 80,
    color: terminal && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    lang,
    pid: process.pid,
    ...(process.geteuid === undefined ? {} : { uid: process.geteuid() }),
    execPath: process.execPath,
    uptime: () => process.uptime(),
    memory: () => process.memoryUsage.rss(),
    signal: controller.signal,
    on: (name, handler) => {
      handlers.set(name, handler);
      if (name === 'SIGUSR2') process.on(name, handler);
    },
    ...(terminal ? { screen: SCREEN } : {}),
    out: (text) => void process.stdout.write(text + '\n'),
    write: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text + '\n'),
    say: (text) => void process.stdout.write(text[lang] + '\n'),
    flush: () =>
      new Promise((resolve) => {
        // One turn later an error of what was written before has been told.
        process.stdout.write('', () => setImmediate(resolve));
      }),
  };
}

const SCREEN: Screen = {
  // A terminal that nobody sized (script, some CI) says 0.
  size: () => ({ columns: process.stdout.columns || 80, rows: process.stdout.rows || 24 }),
  onResize: (handler) => {
    process.stdout.on('resize', handler);
    return () => process.stdout.off('resize', handler);
  },
};

/** What a process that this one started says to it, and hears; each with the handle that goes along. */
export interface ParentChannel {
  send(message: unknown, handle?: SendHandle): void;
  listen(message: (message: unknown, handle: SendHandle | undefined) => void, gone: () => void): void;
}

/** The channel to the process that started this one, where it was started with one. */
export function parentChannel(): ParentChannel | null {
  if (process.send === undefined) return null;
  return {
    send(message, handle) {
      // The other side may be gone: `gone` tells of it.
      if (process.connected) process.send?.(message, handle, undefined, () => undefined);
    },
    listen(message, gone) {
      process.on('message', (said, handle) => message(said, handle));
      process.once('disconnect', gone);
      if (!process.connected) gone();
    },
  };
}

/** The same context in the language that the settings file asks for, where neither flag nor environment did. */
export function inLang(context: Context, lang: string | undefined): Context {
  if ((lang !== 'id' && lang !== 'en') || lang === context.lang) return context;
  return { ...context, lang, say: (text) => context.out(text[lang]) };
}

function flagLang(args: readonly string[]): string | undefined {
  const at = args.findIndex((arg) => arg === '--lang' || arg.startsWith('--lang='));
  if (at < 0) return undefined;
  const arg = args[at] ?? '';
  return arg.includes('=') ? arg.slice(arg.indexOf('=') + 1) : args[at + 1];
}
