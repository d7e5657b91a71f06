import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { PROMPT } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import type { Context } from './context.ts';

export interface Asking {
  /** Taken for an empty answer, and where piped input ends before this question. */
  readonly default?: string;
  /** Says what is wrong with an answer, or nothing where it is right. A wrong answer is asked for again. */
  readonly check?: (answer: string) => Text | undefined | Promise<Text | undefined>;
}

/**
 * Asks one question and resolves to the trimmed answer. In a terminal with line editing; elsewhere the answers are
 * the lines of stdin, in the order of the questions. Lines that arrive before their question are kept for it.
 * @throws KelanaError UNANSWERED (exit 130) after Ctrl+C, Ctrl+D or an abort of `context.signal`;
 *   USAGE where piped input ends and there is no default
 */
export async function ask(context: Context, question: Text, asking: Asking = {}): Promise<string> {
  const preset = asking.default === undefined ? '' : ` [${asking.default}]`;
  const prompt = `${question[context.lang]}${preset}:`;
  const lines = linesOf(context);
  let wrong: Text | undefined;
  for (;;) {
    const line = await lines.next(prompt, context);
    if (line === null && asking.default !== undefined && wrong === undefined) return asking.default;
    if (line === null) {
      throw new KelanaError('USAGE', {
        detail: wrong ?? {
          id: `Masukan berakhir sebelum '${question.id}' dijawab.`,
          en: `The input ended before '${question.en}' was answered.`,
        },
        command: context.args[0] ?? '',
      });
    }
    const given = line.trim();
    const answer = given === '' && asking.default !== undefined ? asking.default : given;
    wrong =
      answer === ''
        ? { id: 'Jawabannya tidak boleh kosong.', en: 'The answer must not be empty.' }
        : await asking.check?.(answer);
    if (wrong === undefined) return answer;
    if (context.interactive) context.write(`  ${wrong[context.lang]}\n`);
    else context.err(`  ${wrong[context.lang]}`);
  }
}

/** Shows a line of news above the question that is open, in a terminal; the question and what was typed stay. */
export function interject(context: Context, text: string): void {
  const lines = readers.get(context.stdin);
  if (lines?.interject === undefined) context.out(text);
  else lines.interject(text, context);
}

interface Lines {
  interject?(text: string, context: Context): void;
  /** The next line without its end; null at the end of piped input. */
  next(prompt: string, context: Context): Promise<string | null>;
}

/** One reader per stdin, so that what it has read ahead serves the next question too. */
const readers = new WeakMap<object, Lines>();

function linesOf(context: Context): Lines {
  const known = readers.get(context.stdin);
  if (known !== undefined) return known;
  const lines = context.interactive ? new TypedLines(context) : new PipedLines(context);
  readers.set(context.stdin, lines);
  return lines;
}

const interrupted = (context: Context): KelanaError =>
  new KelanaError('UNANSWERED', { command: context.args[0] ?? '' });

/** Settles with `work`, or rejects with UNANSWERED as soon as the process is asked to stop. */
async function orAborted<T>(context: Context, work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(interrupted(context));
  if (context.signal.aborted) stop();
  context.signal.addEventListener('abort', stop, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    context.signal.removeEventListener('abort', stop);
  }
}

/**
 * Lines typed at a terminal. Raw mode is on only while a question is open: between questions Ctrl+C is a signal as
 * anywhere else.
 */
class TypedLines implements Lines {
  readonly #readline;
  readonly #ahead: string[] = [];
  #ended = false;
  #closed = false;
  #waiting: ((line: string | null) => void) | null = null;

  constructor(context: Context) {
    const output = Object.assign(
      new Writable({
        decodeStrings: false,
        write(chunk: string | Uint8Array, _, done) {
          context.write(String(chunk));
          done();
        },
      }),
      { columns: context.columns },
    );
    this.#readline = createInterface({ input: context.stdin, output, terminal: true, historySize: 0 });
    this.#readline.on('line', (line) => this.#take(line));
    this.#readline.on('SIGINT', () => this.#end());
    this.#readline.on('close', () => {
      this.#closed = true;
      this.#end();
    });
  }

  #take(line: string): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting !== null) waiting(line);
    else if (this.#ahead.length < PROMPT.maxAhead) this.#ahead.push(line);
  }

  #end(): void {
    this.#ended = true;
    this.#waiting?.(null);
  }

  interject(text: string, context: Context): void {
    context.write(`\r\x1b[K${text}\n`);
    if (this.#waiting !== null) this.#readline.prompt(true);
  }

  async next(prompt: string, context: Context): Promise<string> {
    const early = this.#ahead.shift();
    if (early !== undefined) {
      context.write(`${prompt} ${early}\n`);
      return early;
    }
    if (this.#ended) throw interrupted(context);
    const { promise, resolve } = Promise.withResolvers<string | null>();
    this.#waiting = resolve;
    try {
      rawMode(context, true);
      this.#readline.setPrompt(`${prompt} `);
      this.#readline.prompt();
      const line = await orAborted(context, promise);
      if (line !== null) return line;
      context.write('\n');
      throw interrupted(context);
    } finally {
      this.#waiting = null;
      rawMode(context, false);
      if (!this.#closed) this.#readline.pause();
    }
  }
}

function rawMode(context: Context, on: boolean): void {
  if ('setRawMode' in context.stdin) context.stdin.setRawMode(on);
}

/** Lines from a pipe or file; the questions go to stderr, so that stdout holds only the result. */
class PipedLines implements Lines {
  readonly #chunks: AsyncIterator<string | Uint8Array>;
  readonly #decoder = new TextDecoder();
  #rest = '';
  #ended = false;

  constructor(context: Context) {
    this.#chunks = context.stdin[Symbol.asyncIterator]();
  }

  next(prompt: string, context: Context): Promise<string | null> {
    context.err(prompt);
    return orAborted(context, this.#read(context));
  }

  async #read(context: Context): Promise<string | null> {
    for (;;) {
      const end = this.#rest.indexOf('\n');
      if (end >= 0) {
        const line = this.#rest.slice(0, end).replace(/\r$/, '');
        this.#rest = this.#rest.slice(end + 1);
        return line;
      }
      if (this.#ended) {
        const last = this.#rest;
        this.#rest = '';
        return last === '' ? null : last;
      }
      if (this.#rest.length > PROMPT.maxLineBytes) {
        throw new KelanaError('USAGE', {
          detail: {
            id: `Satu baris masukan lebih dari ${PROMPT.maxLineBytes} byte.`,
            en: `A line of the input is longer than ${PROMPT.maxLineBytes} bytes.`,
          },
          command: context.args[0] ?? '',
        });
      }
      const { done, value } = await this.#chunks.next();
      if (done === true) {
        this.#ended = true;
        this.#rest += this.#decoder.decode();
      } else {
        this.#rest += typeof value === 'string' ? value : this.#decoder.decode(value, { stream: true });
      }
    }
  }
}
