import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { execPath } from 'node:process';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { afterwards, until } from './support/basics.ts';

const BENCHES = ['balancer', 'big-files', 'incoming', 'lanes', 'scan', 'search', 'transfer'];
const fileOf = (name: string): string => fileURLToPath(new URL(`../bench/${name}.ts`, import.meta.url));

function run(name: string, word: string): Promise<{ code: unknown; out: string; err: string }> {
  return new Promise((resolve) => {
    execFile(execPath, [fileOf(name), word], { timeout: 60_000 }, (error, out, err) => {
      resolve({ code: error === null ? 0 : error.code, out, err });
    });
  });
}

for (const name of BENCHES)
  test(`bench ${name} tells its options, and says in one line that it does not know one`, async () => {
    const [help, wrong] = await Promise.all([run(name, '--help'), run(name, '--salah')]);
    assert.deepEqual([help.code, help.err], [0, '']);
    assert.match(help.out, /^npm run bench:[a-z]+ -- \[--/);
    assert.deepEqual([wrong.code, wrong.out], [2, '']);
    assert.match(wrong.err, /^[^\n]*--salah[^\n]*\n$/);
  });

test('bench lanes leaves nothing behind when it is told to end', async (t) => {
  if (process.platform !== 'linux') return t.skip('its children are looked up in /proc');
  const bench = spawn(execPath, [fileOf('lanes'), '--size', '1'], { stdio: 'ignore' });
  afterwards(t, () => bench.kill('SIGKILL'));
  const ended = once(bench, 'exit');
  const { pid = 0 } = bench;
  const folder = await until('the process that shares', async () => {
    const children = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8');
    for (const child of children.split(' ').filter(Boolean)) {
      const words = (await readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')).split('\0');
      if (words.includes('--share')) return words[words.indexOf('--share') + 1];
    }
    return null;
  });
  assert.ok(existsSync(folder));
  bench.kill('SIGTERM');
  assert.equal((await ended)[0], 130);
  assert.ok(!existsSync(folder));
});
