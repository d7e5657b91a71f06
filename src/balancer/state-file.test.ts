import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { NO_CHANGES, type Changes } from '../core/balance/changes.ts';
import { KelanaError } from '../core/errors.ts';
import { readChanges, writeChanges } from './state-file.ts';

const parse = (spec: string) => {
  if (!spec.startsWith('http://')) throw new KelanaError('BAD_VALUE', { value: spec });
  return { name: spec.slice(7), spec, weight: 1 };
};

test('changes are read back as they were written, by their user alone, and a file that is not there is none', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-changes-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'changes.json');
  assert.deepEqual(await readChanges(file, parse), NO_CHANGES);
  const changes: Changes = {
    version: 1,
    method: { to: 'ewma', over: 'round-robin' },
    added: [parse('http://a:1')],
    removed: ['b:1'],
    weights: [{ name: 'c:1', to: 2, over: 1 }],
    drained: ['c:1'],
  };
  await writeChanges(file, changes);
  assert.deepEqual(await readChanges(file, parse), changes);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder), ['changes.json']);
});

test('a file that says what no command could is refused, and what is wrong with it is told', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-changes-'));
  t.after(() => rm(folder, { recursive: true }));
  const file = join(folder, 'changes.json');
  for (const text of [
    '',
    '{',
    '[]',
    '{"version":2}',
    JSON.stringify({ ...NO_CHANGES, extra: 1 }),
    JSON.stringify({ ...NO_CHANGES, drained: [1] }),
    JSON.stringify({ ...NO_CHANGES, added: [{ name: 'a', spec: 'ftp://a', weight: 1 }] }),
    JSON.stringify({ ...NO_CHANGES, removed: Array.from({ length: 2_000 }, () => 'a') }),
    JSON.stringify({ ...NO_CHANGES, method: { to: 'best', over: 'ewma' } }),
  ]) {
    await writeFile(file, text);
    await assert.rejects(
      readChanges(file, parse),
      (error) => error instanceof KelanaError && error.code === 'BAD_CHANGES',
    );
  }
  await assert.rejects(readChanges(file, parse), /\(.*'best'/);
  await writeFile(file, JSON.stringify(NO_CHANGES).padEnd(2 * 1024 * 1024));
  await assert.rejects(readChanges(file, parse), /too large/);
});

test('a link, a device, a pipe and a folder in its place are refused at once, and nothing of them is read', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-changes-'));
  t.after(() => rm(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  await symlink('/dev/zero', at('zero'));
  await writeFile(at('real'), JSON.stringify(NO_CHANGES));
  await symlink(at('real'), at('link'));
  await symlink(at('nowhere'), at('broken'));
  await mkdir(at('folder'));
  execFileSync('mkfifo', [at('pipe')]);
  for (const name of ['zero', 'link', 'broken', 'folder', 'pipe'])
    await assert.rejects(
      readChanges(at(name), parse),
      (error) =>
        error instanceof KelanaError && error.code === 'BAD_CHANGES' && /no plain file/.test(error.message),
      name,
    );
  await assert.rejects(readChanges('/dev/zero', parse), /no plain file/);
});

test('what is written goes through no link, whatever lies in the folder, and leaves nothing where it fails', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-changes-'));
  t.after(() => rm(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  await writeFile(at('victim'), 'precious');
  for (const name of ['changes.json', 'changes.json.new']) await symlink(at('victim'), at(name));
  await writeChanges(at('changes.json'), NO_CHANGES);
  assert.equal(await readFile(at('victim'), 'utf8'), 'precious');
  assert.deepEqual(await readChanges(at('changes.json'), parse), NO_CHANGES);
  await mkdir(at('taken'));
  await assert.rejects(writeChanges(at('taken'), NO_CHANGES), /taken/);
  assert.deepEqual(await readdir(folder), ['changes.json', 'changes.json.new', 'taken', 'victim']);
});
