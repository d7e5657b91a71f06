import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { builtinModules } from 'node:module';
import { dirname, join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from './support/basics.ts';

/** The rules of the house, checked from outside: each fence is shown to hold by a file that breaks it. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  readonly devDependencies: Readonly<Record<string, string>>;
  readonly scripts: Readonly<Record<string, string>>;
}
interface Lock {
  readonly packages: Readonly<Record<string, { version?: string; resolved?: string; integrity?: string }>>;
}

const json = async <T>(file: string): Promise<T> => JSON.parse(await readFile(join(ROOT, file), 'utf8')) as T;

/** Files that git tracks, and new ones that it would take. */
function tracked(...paths: readonly string[]): readonly string[] {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', ...paths];
  const files = execFileSync('git', list, { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });
  return [...new Set(files.split('\0').filter((file) => file !== ''))];
}

/** A house of its own with the rules of this one, and only these files in it. */
async function houseWith(t: TestContext, files: Readonly<Record<string, string>>): Promise<string> {
  const folder = await temporaryFolder(t);
  for (const rule of [
    '.oxlintrc.json',
    'tsconfig.json',
    'package.json',
    'src/core/tsconfig.json',
    'src/core/globals.d.ts',
  ]) {
    await mkdir(dirname(join(folder, rule)), { recursive: true });
    await cp(join(ROOT, rule), join(folder, rule));
  }
  await symlink(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  for (const [file, source] of Object.entries(files)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), source);
  }
  return folder;
}

function run(
  folder: string,
  command: string,
  args: readonly string[],
): Promise<{ code: number; out: string }> {
  return new Promise((resolve) => {
    execFile(join(ROOT, 'node_modules', '.bin', command), args, { cwd: folder }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), out: out + err }),
    );
  });
}

const USE = (from: string): string => `import { x } from '${from}';\nexport const y = x;\n`;

/** A file that breaks a rule, and what lint says of it. */
const BREACHES: Readonly<Record<string, readonly [source: string, says: RegExp]>> = {
  'src/core/a.ts': [USE('node:fs'), /core is pure/],
  'src/core/search/b.ts': [USE('libp2p'), /core is pure/],
  'src/core/c.ts': [USE('../overlay/x.ts'), /core imports only core/],
  'src/core/search/d.ts': [USE('../../library/x.ts'), /core imports only core/],
  'src/core/e.ts': ['export const at = Date.now();\n', /core is given the time/],
  'src/core/f.ts': ['export const dice = Math.random();\n', /core is given its randomness/],
  'src/core/g.ts': ['export const home = process.env;\n', /Unexpected use of 'process'/],
  'src/core/h.ts': ["export const b = Buffer.from('');\n", /Unexpected use of 'Buffer'/],
  'src/core/i.ts': ['export const t = setTimeout;\n', /Unexpected use of 'setTimeout'/],
  'src/overlay/a.ts': [USE('../library/x.ts'), /overlay imports core, not other rooms/],
  'src/library/a.ts': [USE('../overlay/x.ts'), /library imports core, not other rooms/],
  'src/server/a.ts': [USE('../mailbox/x.ts'), /server imports core, not other rooms/],
  'src/balancer/a.ts': [USE('../server/x.ts'), /balancer imports core, not other rooms/],
  'src/clients/a.ts': [USE('../balancer/x.ts'), /clients imports core, not other rooms/],
  'src/mailbox/a.ts': [USE('../cli/x.ts'), /mailbox imports core, not other rooms/],
  'src/telemetry/a.ts': [USE('../cli/x.ts'), /telemetry imports core, not other rooms/],
  'src/control/a.ts': [USE('../overlay/x.ts'), /control imports core, not other rooms/],
  'src/transfers/a.ts': [USE('../library/x.ts'), /transfers imports core, not other rooms/],
  'src/library/b.ts': [USE('../transfers/x.ts'), /library imports core, not other rooms/],
  'src/overlay/b.ts': ['export const home = process.env;\n', /Only cli\/context\.ts touches the process/],
  'src/server/b.ts': ['export const home = process.env;\n', /Only cli\/context\.ts touches the process/],
  'src/cli/a.ts': ['export const a: any = 1;\n', /any/],
  'src/cli/b.ts': ['declare const a: string | null;\nexport const b = a!.length;\n', /[Nn]on-null/],
};

test('a deliberate breach of each import and purity rule fails lint', async (t) => {
  const files = Object.fromEntries(Object.entries(BREACHES).map(([file, [source]]) => [file, source]));
  const folder = await houseWith(t, files);
  const { code, out } = await run(folder, 'oxlint', ['--deny-warnings', '--format', 'json']);
  assert.notEqual(code, 0);
  const { diagnostics } = JSON.parse(out) as {
    diagnostics: readonly { filename: string; message: string; help?: string }[];
  };
  for (const [file, [, says]] of Object.entries(BREACHES)) {
    const told = diagnostics
      .filter((one) => one.filename.endsWith(file))
      .map((one) => `${one.message} ${one.help ?? ''}`);
    assert.ok(
      told.some((text) => says.test(text)),
      `${file}: ${told.join(' | ')}`,
    );
  }
});

test('a house without a breach passes the same lint', async (t) => {
  const folder = await houseWith(t, {
    'src/core/a.ts': 'export const x = 1;\n',
    'src/overlay/b.ts': USE('../core/a.ts'),
  });
  const { code, out } = await run(folder, 'oxlint', ['--deny-warnings']);
  assert.equal(code, 0, out);
});

test("core's own compiler settings know neither process nor Buffer nor timers nor node modules", async (t) => {
  const folder = await houseWith(t, {
    'src/core/a.ts':
      "import fs from 'node:fs';\nexport const a = [fs, process, Buffer, setTimeout, console, fetch];\n",
  });
  const { code, out } = await run(folder, 'tsc', ['-p', 'src/core/tsconfig.json']);
  assert.notEqual(code, 0);
  for (const name of ['node:fs', 'process', 'Buffer', 'setTimeout', 'console', 'fetch'])
    assert.match(out, new RegExp(`Cannot find (?:name|module) '${name}'`), out);
});

/** Static imports and exports from a module, and dynamic imports, as Prettier lays them out. */
const IMPORT = /(?:^(?:import|export|\}) ?[^'\n]*\bfrom |^import |\bimport\()'([^'\n]+)'/gm;

/** What source files import, by package name. */
async function importsOf(files: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>> {
  const found = new Map<string, string[]>();
  for (const file of files) {
    const source = await readFile(join(ROOT, file), 'utf8');
    for (const [, from = ''] of source.matchAll(IMPORT)) {
      const name = from.startsWith('@') ? from.split('/').slice(0, 2).join('/') : (from.split('/')[0] ?? '');
      found.set(name, [...(found.get(name) ?? []), file]);
    }
  }
  return found;
}

test('core imports nothing of node', async () => {
  const files = tracked('src/core').filter(
    (file) => file.endsWith('.ts') && !/\.(test|testkit)\.ts$/.test(file),
  );
  assert.ok(files.length > 20);
  const names = [...(await importsOf(files)).keys()];
  assert.deepEqual(
    names.filter((name) => name.startsWith('node:') || builtinModules.includes(name)),
    [],
  );
});

test('every dependency is used, and everything that is imported is a dependency', async () => {
  const { dependencies, devDependencies, scripts } = await json<Manifest>('package.json');
  const sources = (...paths: readonly string[]) => tracked(...paths).filter((file) => file.endsWith('.ts'));
  const inSource = await importsOf(sources('src').filter((file) => !/\.(test|testkit)\.ts$/.test(file)));
  assert.deepEqual(
    Object.keys(dependencies).filter((name) => !inSource.has(name)),
    [],
    'imported nowhere',
  );
  const everywhere = await importsOf(sources('src', 'test', 'bench'));
  // What a bench compares kelana with has a manifest of its own.
  const peers = await json<Manifest>('bench/peers/package.json');
  const known = new Set(
    [dependencies, devDependencies, peers.dependencies].flatMap((all) => Object.keys(all)),
  );
  const foreign = [...everywhere.keys()].filter((name) => !/^(\.|node:)/.test(name));
  assert.deepEqual(
    foreign.filter((name) => !known.has(name)),
    [],
    'not in package.json',
  );
  // Tools that are run, not imported: `oxlint --type-aware` needs tsgolint, tsc needs the types of node.
  const commands = Object.values(scripts).join('\n');
  const tools: Readonly<Record<string, boolean>> = {
    node: /\bnode\b/.test(commands),
    typescript: /\btsc\b/.test(commands),
    oxlint: /\boxlint\b/.test(commands),
    'oxlint-tsgolint': /--type-aware/.test(commands),
    prettier: /\bprettier\b/.test(commands),
    '@types/node': true,
  };
  assert.deepEqual(
    Object.keys(devDependencies).filter((name) => !everywhere.has(name) && tools[name] !== true),
    [],
    'used by no test and no script',
  );
});

/** FAULTS: versions below these have known holes. */
const LEAST: Readonly<Record<string, string>> = {
  '@libp2p/crypto': '5.1.22',
  '@libp2p/gossipsub': '15.0.23',
};

test('the lock file names no place to download from, has a hash for each package, and no version with known holes', async () => {
  const { packages } = await json<Lock>('package-lock.json');
  const entries = Object.entries(packages).filter(([path]) => path !== '');
  assert.ok(entries.length > 100);
  for (const [path, { resolved, integrity, version = '' }] of entries) {
    assert.equal(resolved, undefined, path);
    assert.match(integrity ?? '', /^sha512-/, path);
    const least = LEAST[path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)];
    if (least === undefined) continue;
    const ascending = [least, version].toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    assert.equal(ascending[0], least, `${path} ${version} is below ${least}`);
  }
});

test('no tracked file names a path of one machine or the host of a package registry', async () => {
  const forbidden = [
    /(?<![\w.$}/-])\/(?:work|root|Users)\/\w/,
    /(?<![\w.$}/-])\/tmp\/\w/,
    /\bregistry\.[a-z]+\.[a-z]+/,
  ];
  for (const file of tracked()) {
    const source = await readFile(join(ROOT, file), 'utf8').catch(() => '');
    for (const [at, line] of source.split('\n').entries())
      for (const pattern of forbidden) assert.doesNotMatch(line, pattern, `${file}:${at + 1}`);
  }
});
