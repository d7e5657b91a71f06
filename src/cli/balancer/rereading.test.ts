import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { temporaryFolder } from '../../../test/support/basics.ts';
import { KelanaError } from '../../core/errors.ts';
import { command } from '../commands/balancer.ts';
import { settle } from '../options.ts';
import { Settings } from '../settings.ts';
import { Rereading } from './rereading.ts';

/** What is read again gives its backends; an error, what it says. */
async function house(t: TestContext, toml: string | null, ...flags: readonly string[]) {
  const cwd = await temporaryFolder(t);
  const file = join(cwd, 'kelana.toml');
  const save = (text: string): Promise<void> => writeFile(file, text);
  if (toml !== null) await save(toml);
  const context = { args: ['balancer', ...flags], cwd, env: {} };
  const first = settle(command, flags, {}, Settings.load(cwd, undefined));
  const rereading = new Rereading(context, command, first);
  const again = (): readonly string[] | string => {
    try {
      return rereading.read([]).given.backends.map(({ name }) => name);
    } catch (thrown) {
      assert.ok(thrown instanceof KelanaError);
      return ['en', 'id'].map((lang) => thrown.describe(lang as 'en' | 'id').says).join('\n');
    }
  };
  return { file, save, again };
}

const TOML = '[balancer]\nmax-active = 7\n[[balancer.backend]]\nurl = "http://a:1"\n';

test('a file that is gone, or names no backend where it did, is refused as often as it is read', async (t) => {
  const { file, save, again } = await house(t, TOML);
  assert.deepEqual(again(), ['a:1']);
  for (const cut of [
    '',
    '# nothing yet\n',
    'log = "a.txt"\n',
    '[balancer]\n',
    '[balancer]\nmax-active = 7\n[[bal',
  ])
    for (let times = 0; times < 2; times += 1) {
      await save(cut);
      assert.match(String(again()), /kelana\.toml', line|kelana\.toml, line/, cut);
    }
  await save('[balancer]\nmax-active = 7\n');
  assert.match(
    String(again()),
    /line 1: the file names no backend, though .*\n.*baris 1: berkas itu tidak lagi/,
  );
  await save('');
  assert.match(
    String(again()),
    /line 1: the file says nothing, though .*\n.*baris 1: berkas itu tidak lagi berisi/,
  );
  await rm(file);
  assert.match(String(again()), /cannot be read.*\n.*tidak bisa dibaca/);
  await save(TOML.replace('a:1', 'b:1'));
  assert.deepEqual(again(), ['b:1']);
});

test('with no file from the start a reload goes on, and takes one up', async (t) => {
  const { file, save, again } = await house(t, null);
  const demo = ['localhost:8080', 'localhost:8081'];
  assert.deepEqual([again(), again()], [demo, demo]);
  await save(TOML);
  assert.deepEqual(again(), ['a:1']);
  await rm(file);
  assert.match(String(again()), /cannot be read/);
});

test('a file need not name the backends of the command line, but may not be empty where it was not', async (t) => {
  const { save, again } = await house(t, '[balancer]\nmax-active = 7\n', '--backend', 'http://c:1');
  assert.deepEqual(again(), ['c:1']);
  await save('[balancer]\nmax-active = 8\n');
  assert.deepEqual(again(), ['c:1']);
  await save('\n');
  assert.match(String(again()), /says nothing/);
  await save('[balancer]\n# max-active = 8\n');
  assert.deepEqual(again(), ['c:1']);
});

test('a list of no backends does not stand for those of the demonstration', async (t) => {
  const { save, again } = await house(t, TOML);
  await save('[balancer]\nbackend = []\n');
  assert.match(String(again()), /line 2: .*at least one server/);
});
