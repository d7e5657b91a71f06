import { execPath } from 'node:process';
import { Readable } from 'node:stream';
import type { Context } from '../../src/cli/context.ts';
import { main } from '../../src/cli/main.ts';
import type { Lang } from '../../src/core/lang.ts';

/** A command line in this process, which is quicker than one of its own; no terminal, no environment. */
export async function inProcess(
  args: readonly string[],
  cwd: string,
  lang: Lang = 'en',
  signal = new AbortController().signal,
) {
  const said = { out: '', err: '' };
  const context: Context = {
    args,
    cwd,
    env: {},
    stdin: Readable.from([]),
    interactive: false,
    terminal: false,
    columns: 80,
    color: false,
    lang,
    pid: 0,
    ...(process.geteuid === undefined ? {} : { uid: process.geteuid() }),
    execPath,
    uptime: () => 0,
    memory: () => 0,
    signal,
    out: (text) => {
      said.out += `${text}\n`;
    },
    write: (text) => {
      said.out += text;
    },
    err: (text) => {
      said.err += `${text}\n`;
    },
    say: (text) => {
      said.out += `${text[lang]}\n`;
    },
    flush: () => Promise.resolve(),
  };
  return { code: await main(context), ...said };
}
