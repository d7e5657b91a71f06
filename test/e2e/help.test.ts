import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { COMMON, type Command } from '../../src/cli/command.ts';
import { temporaryFolder } from '../support/basics.ts';
import { inProcess } from '../support/in-process.ts';
import { kelana, MAIN } from '../support/run.ts';

/** Makes a process tell its own CPU time, in seconds, on stderr when it ends. */
const CPU = `--import=data:text/javascript,${encodeURIComponent(
  "process.on('exit',()=>{const u=process.cpuUsage();process.stderr.write('CPU '+(u.user+u.system)/1e6)})",
)}`;

/** Every module of src/cli/commands that exports a command. */
async function commands(): Promise<readonly Command[]> {
  const folder = join(dirname(MAIN), 'commands');
  const found: Command[] = [];
  for (const file of await readdir(folder)) {
    if (file.endsWith('.test.ts')) continue;
    const module = (await import(join(folder, file))) as { command?: Command };
    if (module.command !== undefined) found.push(module.command);
  }
  return found.toSorted((a, b) => a.name.localeCompare(b.name));
}

const LANGS = ['id', 'en'] as const;

test('--help of every command lists every option in both languages, within a second of CPU', async (t) => {
  const folder = await temporaryFolder(t);
  const all = await commands();
  assert.ok(all.length >= 12, `${all.length} commands`);
  const seconds: number[] = [];
  for (const [at, command] of all.entries()) {
    await t.test(command.name, async (t) => {
      // A process for one language, this process for the other: all of the words, half of the time.
      const lang = LANGS[at % 2] ?? 'id';
      const own = await kelana(t, [command.name, '--help', '--lang', lang], {
        cwd: folder,
        env: { NODE_OPTIONS: CPU },
      });
      assert.equal(own.code, 0, own.err);
      const cpu = Number(/CPU ([\d.]+)/.exec(own.err)?.[1]);
      assert.ok(cpu < 1, `${cpu} s of CPU`);
      seconds.push(cpu);
      const other = lang === 'id' ? 'en' : 'id';
      const here = await inProcess([command.name, '--help', '--lang', other], folder);
      assert.equal(here.code, 0);
      // In this process the words follow the context's language; both texts must name all options.
      for (const text of [own.out, here.out]) {
        for (const option of [...command.options, ...COMMON])
          assert.match(text, new RegExp(`^  --${option.name}\\b`, 'm'), option.name);
        for (const example of command.examples) assert.ok(text.includes(example.line), example.line);
      }
      assert.ok(own.out.includes(command.summary[lang]));
      for (const option of command.options) {
        assert.notEqual(option.help.id, option.help.en, `${option.name}: not translated`);
        assert.ok(own.out.includes(option.help[lang]));
      }
    });
  }
  t.diagnostic(`most CPU: ${Math.max(...seconds).toFixed(2)} s`);
});

test('kelana --help names every command; kelana alone does too, as wrong usage', async (t) => {
  const folder = await temporaryFolder(t);
  const all = await commands();
  for (const [args, code] of [
    [['--help'], 0],
    [['help'], 0],
    [[], 2],
  ] as const) {
    const ended = await kelana(t, args, { cwd: folder });
    assert.equal(ended.code, code);
    for (const command of all) assert.match(ended.out, new RegExp(`^  ${command.name} +\\S`, 'm'));
  }
  const version = await kelana(t, ['--version'], { cwd: folder });
  assert.match(version.out, /^kelana \d+\.\d+\.\d+/);
});
