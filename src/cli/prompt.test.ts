import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { suite, test } from 'node:test';
import { PROMPT } from '../core/config.ts';
import { KelanaError, type ErrorCode } from '../core/errors.ts';
import type { Context } from './context.ts';
import { ask } from './prompt.ts';

interface Person {
  readonly context: Context;
  readonly stdin: PassThrough;
  readonly stop: AbortController;
  shown: string;
}

/** A context whose stdin the test writes; `shown` is all that a person sees. */
function person(interactive: boolean): Person {
  const stdin = new PassThrough();
  const stop = new AbortController();
  const show = (text: string): void => {
    made.shown += text;
  };
  const context: Context = {
    args: ['clients'],
    env: {},
    cwd: '/',
    stdin,
    interactive,
    terminal: interactive,
    columns: 80,
    color: false,
    lang: 'id',
    pid: 1,
    execPath: process.execPath,
    uptime: () => 0,
    memory: () => 0,
    signal: stop.signal,
    out: (text) => show(`${text}\n`),
    write: show,
    err: (text) => show(`${text}\n`),
    say: (text) => show(`${text.id}\n`),
    flush: () => Promise.resolve(),
  };
  const made: Person = { context, stdin, stop, shown: '' };
  return made;
}

const NAME = { id: 'Nama', en: 'Name' };
const fails = (code: ErrorCode) => (error: unknown) => error instanceof KelanaError && error.code === code;

suite('piped answers', () => {
  test('are taken line by line, whatever ends the lines and however they are cut', async () => {
    const text = Buffer.from('satu\r\n  dua \ntiga – é\nempat');
    for (let cut = 0; cut <= text.length; cut += 1) {
      const { context, stdin } = person(false);
      stdin.write(text.subarray(0, cut));
      stdin.end(text.subarray(cut));
      const answers = [];
      for (let count = 0; count < 4; count += 1) answers.push(await ask(context, NAME));
      assert.deepEqual(answers, ['satu', 'dua', 'tiga – é', 'empat']);
    }
  });

  test('fall back to the default when they are empty or have ended', async () => {
    const { context, stdin } = person(false);
    stdin.end('\n');
    assert.equal(await ask(context, NAME, { default: 'a' }), 'a');
    assert.equal(await ask(context, NAME, { default: 'b' }), 'b');
    await assert.rejects(ask(context, NAME), fails('USAGE'));
  });

  test('that are wrong to the end are an error with the reason, not the default', async () => {
    const { context, stdin } = person(false);
    stdin.end('x\ny\n');
    const check = () => ({ id: 'bukan angka', en: 'not a number' });
    await assert.rejects(ask(context, NAME, { default: '1', check }), /not a number/);
  });

  test('may not be one endless line', async () => {
    const { context, stdin } = person(false);
    stdin.write('x'.repeat(PROMPT.maxLineBytes + 1));
    await assert.rejects(ask(context, NAME), fails('USAGE'));
  });

  test('are not waited for once the process is asked to stop', async () => {
    const { context, stop } = person(false);
    const answer = ask(context, NAME);
    stop.abort('SIGTERM');
    await assert.rejects(answer, fails('UNANSWERED'));
  });
});

suite('typed answers', () => {
  test('that were pasted together each answer their own question', async () => {
    const { context, stdin } = person(true);
    const first = ask(context, NAME);
    stdin.write('satu\ndua\ntiga\n');
    assert.equal(await first, 'satu');
    assert.equal(await ask(context, NAME), 'dua');
    assert.equal(await ask(context, NAME), 'tiga');
  });

  test('that are wrong are asked for again with the reason', async () => {
    const made = person(true);
    const check = (text: string) => (text === 'ya' ? undefined : { id: 'harus ya', en: 'must be yes' });
    const answer = ask(made.context, NAME, { check });
    made.stdin.write('tidak\n\nya\n');
    assert.equal(await answer, 'ya');
    assert.match(made.shown, /harus ya\n[^]*Jawabannya tidak boleh kosong/);
  });

  for (const [name, key] of [
    ['Ctrl+C', '\u0003'],
    ['Ctrl+D', '\u0004'],
  ] as const) {
    test(`end with UNANSWERED on ${name}, and so does the next question`, async () => {
      const { context, stdin } = person(true);
      const answer = ask(context, NAME, { default: 'x' });
      stdin.write(key);
      await assert.rejects(answer, fails('UNANSWERED'));
      if (key === '\u0004') await assert.rejects(ask(context, NAME), fails('UNANSWERED'));
    });
  }
});
