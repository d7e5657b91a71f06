import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { getuid } from 'node:process';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIBRARY } from '../src/core/config.ts';
import { Ignores, isIgnored, DEFAULT_IGNORES } from '../src/library/ignores.ts';
import type { Library } from '../src/library/library.ts';
import { file, folder, opened, until } from './library.helpers.ts';

const names = (library: Library): readonly string[] =>
  library
    .list()
    .map(({ name }) => name)
    .sort();

test('rules in any folder count for what lies below it, and the nearest to a file decides', async (t) => {
  const base = await folder(t);
  const shared = join(base, 'shared');
  for (const path of [
    'a.log',
    'keep.log',
    'build/out.bin',
    'src/build/out.bin',
    'src/a.log',
    'src/deep/a.log',
    'src/deep/b.txt',
    'Laporan.TXT',
  ])
    await file(join(shared, path), path);
  await file(join(shared, '.kelanaignore'), '# rules\n*.log\n!keep.log\n/build/\nlaporan.txt\n');
  await file(join(shared, 'src/.kelanaignore'), '!a.log\n');
  await file(join(shared, 'src/deep/.kelanaignore'), '*.log\r\n');
  const { library } = await opened(t, base);
  assert.deepEqual(names(library), [
    'Laporan.TXT',
    'keep.log',
    'src/a.log',
    'src/build/out.bin',
    'src/deep/b.txt',
  ]);
});

test('what machines make again is left out unless a rule takes it back; dot names always are', async (t) => {
  const base = await folder(t);
  const shared = join(base, 'shared');
  for (const path of [
    'node_modules/x/index.js',
    'a.tmp',
    'b.part',
    '~$surat.docx',
    'Thumbs.db',
    'surat.docx',
    '.env',
  ])
    await file(join(shared, path), path);
  const { library } = await opened(t, base);
  assert.deepEqual(names(library), ['surat.docx']);
  await file(join(shared, '.kelanaignore'), '!node_modules/\n!*.tmp\n!.env\n');
  await library.rescan();
  assert.deepEqual(names(library), ['a.tmp', 'node_modules/x/index.js', 'surat.docx']);
});

test('a rule that is written, changed or removed counts at once', async (t) => {
  const base = await folder(t);
  const shared = join(base, 'shared');
  for (const path of ['a.txt', 'b.log', 'tmp/c.txt']) await file(join(shared, path), path);
  const { library } = await opened(t, base, { rescanMs: 3_600_000 });
  assert.equal(library.list().length, 3);
  await writeFile(join(shared, '.kelanaignore'), '*.log\ntmp/\n');
  await until(() => names(library).join() === 'a.txt');
  await writeFile(join(shared, 'late.log'), 'ignored');
  await writeFile(join(shared, 'late.txt'), 'shared');
  await until(() => names(library).join() === 'a.txt,late.txt');
  await rm(join(shared, '.kelanaignore'));
  await until(() => library.list().length === 5);
});

test('rules that cannot be read leave everything in their folder out, and it is said', async (t) => {
  const base = await folder(t);
  const shared = join(base, 'shared');
  for (const path of ['open/a.txt', 'large/a.txt', 'long/a.txt']) await file(join(shared, path), path);
  await file(join(shared, 'large/.kelanaignore'), '#'.repeat(LIBRARY.maxIgnoreBytes + 1));
  await file(join(shared, 'long/.kelanaignore'), '\n'.repeat(LIBRARY.maxIgnoreLines));
  if (getuid?.() !== 0) {
    await file(join(shared, 'closed/a.txt'), 'a');
    await file(join(shared, 'closed/.kelanaignore'), '');
    await chmod(join(shared, 'closed/.kelanaignore'), 0);
  }
  const { library, events } = await opened(t, base);
  assert.deepEqual(names(library), ['open/a.txt']);
  const codes = events.flatMap((event) => (event.type === 'error' ? event.code : []));
  assert.ok(codes.length >= 2 && codes.every((code) => code === 'CANNOT_READ'), codes.join());
});

/** Files that git would take in a folder with these rules, which stand in `.gitignore` there. */
function takenByGit(shared: string): readonly string[] {
  const git = (...args: readonly string[]) => execFileSync('git', args, { cwd: shared, encoding: 'utf8' });
  git('init', '-q');
  const list = git('-c', 'core.excludesFile=/dev/null', 'ls-files', '-z', '--others', '--exclude-standard');
  return list.split('\0').filter((name) => name !== '' && !/(^|\/)\./.test(name));
}

const segment = fc.constantFrom('a', 'b', 'ab', 'x.txt', 'y.log', 'Z');
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const rule = fc.constantFrom(
  'b/',
  '!b/',
  'ab',
  '!ab',
  '!/a/b/',
  '*.txt',
  '!*.txt',
  'a/',
  '/a',
  'a/b',
  'b/**',
  '**/ab',
  '!a/',
  'a/*',
  '!a/b',
  '?',
  '[ab]',
  'z',
  '# a',
  '',
  '!/b/x.txt',
  'ab/**/y.log',
);

test('rules mean what they mean to git', async (t) => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(path, { minLength: 1, maxLength: 12 }),
      fc.array(rule, { maxLength: 5 }),
      fc.array(rule, { maxLength: 3 }),
      async (paths, rules, below) => {
        const shared = await folder(t);
        const taken = new Set<string>();
        for (const one of paths) {
          if ([...taken].some((other) => other.startsWith(`${one}/`) || one.startsWith(`${other}/`)))
            continue;
          taken.add(one);
          await file(join(shared, one), one);
        }
        for (const name of ['.gitignore', '.kelanaignore']) {
          await file(join(shared, name), rules.join('\n'));
          if ([...taken].some((one) => one.startsWith('a/')))
            await file(join(shared, 'a', name), below.join('\n'));
        }
        const ignores = new Ignores((_path, thrown) => {
          throw thrown;
        });
        const ours: string[] = [];
        const visit = async (inside: string): Promise<void> => {
          const own = await ignores.rules(shared, inside);
          for (const entry of await readdir(join(shared, inside), { withFileTypes: true })) {
            const name = inside === '' ? entry.name : `${inside}/${entry.name}`;
            if (entry.name.startsWith('.') || isIgnored(own, name, entry.isDirectory())) continue;
            if (entry.isDirectory()) await visit(name);
            else ours.push(name);
          }
        };
        await visit('');
        assert.deepEqual(ours.sort(), takenByGit(shared).toSorted());
      },
    ),
    { numRuns: 25 },
  );
});

test('the guides name every rule that holds without a file', async () => {
  const { readFile } = await import('node:fs/promises');
  for (const guide of ['../docs/sharing.md', '../docs/sharing.id.md']) {
    const text = await readFile(new URL(guide, import.meta.url), 'utf8');
    for (const one of DEFAULT_IGNORES) assert.ok(text.includes(`\`${one}\``), `${guide}: ${one}`);
  }
});

test('a link in the place of a file of rules is no file of rules', async (t) => {
  const base = await folder(t);
  await file(join(base, 'shared/a.txt'), 'a');
  await mkdir(join(base, 'shared/.kelanaignore'));
  const { library, events } = await opened(t, base);
  assert.deepEqual(names(library), ['a.txt']);
  assert.deepEqual(events, []);
});
