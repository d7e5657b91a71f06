import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { getuid } from 'node:process';
import test, { type TestContext } from 'node:test';
import { ERRORS, type ErrorCode } from '../../src/core/errors.ts';
import { afterwards, settledFile, temporaryFolder } from '../support/basics.ts';
import { inProcess } from '../support/in-process.ts';
import { kelana, start } from '../support/run.ts';

/**
 * Which of them have a process of their own: the first of each error, and all that open a port or a file. The rest
 * differ from those in words only, and are typed in this process, in both languages.
 */
const ALONE = new Set<ErrorCode>([
  'PORT_IN_USE',
  'BAD_ADDRESS',
  'CANNOT_READ',
  'PEER_UNREACHABLE',
  'NOT_KELANA',
]);

/** What a person types, the error that it is, and what the message must name. `%PORT%` is one that is in use. */
type Case = readonly [args: readonly string[], code: ErrorCode, names: readonly string[]];

const CASES: readonly Case[] = [
  [['nod'], 'UNKNOWN_COMMAND', ["'nod'", 'kelana node?']],
  [['../node'], 'UNKNOWN_COMMAND', ["'../node'"]],
  [['constructor'], 'UNKNOWN_COMMAND', ["'constructor'"]],
  [['node', '--prot', '5001'], 'UNKNOWN_FLAG', ["'--prot'", '--port?', 'kelana node --help']],
  [['node', '-p', '5001'], 'UNKNOWN_FLAG', ["'-p'"]],
  [['node', '--port', 'banyak'], 'BAD_VALUE', ["'banyak'", '--port', '65535']],
  [['node', '--port', '70000'], 'BAD_VALUE', ["'70000'", '65535']],
  [['server', '--port', '-1'], 'BAD_VALUE', ["'-1'"]],
  [['node', '--port'], 'BAD_VALUE', ['--port']],
  [['node', '--json=ya'], 'BAD_VALUE', ['--json', "'ya'"]],
  [['node', '--peer', 'bukan alamat'], 'BAD_VALUE', ["'bukan alamat'", '--peer', '192.168.1.5:5001']],
  [['node', '--peer', 'localhost:99999'], 'BAD_VALUE', ["'localhost:99999'"]],
  [['balancer', '--listen', 'localhost'], 'BAD_VALUE', ["'localhost'", '--listen']],
  [['balancer', '--backend', 'ftp://x'], 'BAD_VALUE', ["'ftp://x'", '--backend']],
  [['balancer', '--method', 'acak'], 'BAD_VALUE', ["'acak'", 'round-robin']],
  [['find', 'x', '--strategy', 'teleport'], 'BAD_VALUE', ["'teleport'", 'walk']],
  [['get', 'x', '--timeout', '0'], 'BAD_VALUE', ["'0'", '--timeout']],
  [['find', 'n'.repeat(1025)], 'BAD_VALUE', ['QUERY', '1024']],
  [['find', ''], 'BAD_VALUE', ['QUERY']],
  [['client', '--url', 'bukan-url', '--message', 'x'], 'BAD_VALUE', ["'bukan-url'", '--url']],
  [['clients', '--clients', '0', '--message', 'x'], 'BAD_VALUE', ["'0'", '--clients']],
  [['find'], 'USAGE', ['QUERY', 'kelana find --help']],
  [['peers', 'add'], 'USAGE', ['peers add ADDR', 'kelana peers --help']],
  [['status', 'lebih'], 'USAGE', ["'lebih'"]],
  [['client', '--message', 'a', '--file', 'b'], 'USAGE', ['--message', '--file']],
  [['node', '--config', 'nul.toml'], 'BAD_CONFIG', ['nul.toml', '2', 'NUL']],
  [['node', '--config', 'tidak-ada.toml'], 'CANNOT_READ', ['tidak-ada.toml', 'ENOENT']],
  [['node', '--port', '0', '--share', 'tidak-ada'], 'NO_FOLDER', ['tidak-ada', 'mkdir -p', '--share']],
  [['node', '--port', '0', '--data', 'berkas.txt'], 'NOT_A_FOLDER', ['berkas.txt', '--data']],
  [['client', '--file', 'tidak-ada.bin'], 'CANNOT_READ', ['tidak-ada.bin', 'ENOENT', 'ls -l']],
  [['client', '--file', '.'], 'CANNOT_READ', ['ls -l']],
  [['node', '--port', '%PORT%'], 'PORT_IN_USE', ['%PORT%', 'ss -ltnp', '--port']],
  [['server', '--port', '%PORT%'], 'PORT_IN_USE', ['%PORT%', '--port']],
  [['balancer', '--listen', 'localhost:%PORT%'], 'PORT_IN_USE', ['%PORT%', '--listen']],
  [['node', '--port', '0', '--host', '203.0.113.7'], 'BAD_ADDRESS', ['203.0.113.7', 'EADDRNOTAVAIL']],
  [['status'], 'NO_NODE', ['.kelana', 'kelana node', '--data']],
  [['find', 'x', '--peer', 'localhost:1'], 'PEER_UNREACHABLE', ['localhost:1', 'ECONNREFUSED']],
  [['find', 'x', '--peer', 'localhost:%PORT%'], 'NOT_KELANA', ['localhost:%PORT%', '5001']],
  [
    ['client', '--url', 'http://localhost:1', '--message', 'x'],
    'SERVER_UNREACHABLE',
    ['localhost:1', 'kelana up'],
  ],
  [['log'], 'NO_LOG', ['kelana.db', 'combined_log.txt']],
];

/** A folder with what the cases need, and a port on which something listens that is no part of kelana. */
async function prepared(t: TestContext): Promise<{ folder: string; port: number }> {
  const folder = await temporaryFolder(t);
  await settledFile(join(folder, 'berkas.txt'), 'x');
  await writeFile(join(folder, 'nul.toml'), '[node]\nshare = ["a\\u0000b"]\n');
  const blocker = createServer((socket) => socket.end('220 surat siap\r\n'));
  afterwards(t, () => blocker.close());
  await new Promise<void>((resolve) => blocker.listen(0, 'localhost', resolve));
  return { folder, port: (blocker.address() as AddressInfo).port };
}

/** The words of an error's row that hold no parameter: they show that the whole sentence came, in that language. */
function wordsOf(template: string): string {
  return template
    .split(/\{\w+\}/)
    .reduce((longest, part) => (part.length > longest.length ? part : longest), '');
}

test('bad input through the real command names the cause and the next step, in both languages and as JSON', async (t) => {
  const { folder, port } = await prepared(t);
  const put = (text: string): string => text.replaceAll('%PORT%', String(port));
  const queue = CASES.map((one, at) => ({
    one,
    alone: ALONE.has(one[1]) || CASES.findIndex(([, code]) => code === one[1]) === at,
  }));
  const run = async ([args, code, names]: Case, alone: boolean): Promise<void> => {
    const typed = [...args.map(put), '--log', 'none', '--log-db', 'none'].slice(
      0,
      code === 'UNKNOWN_COMMAND' || ['status', 'peers', 'log'].includes(args[0] ?? '')
        ? args.length
        : undefined,
    );
    await t.test(`${args.join(' ').slice(0, 60)}: ${code}`, async (t) => {
      const row = ERRORS[code];
      const plain = alone
        ? await kelana(t, [...typed, '--lang', 'id'], { cwd: folder })
        : await inProcess(typed, folder, 'id');
      assert.equal(plain.code, row.exit, plain.err);
      assert.equal(plain.out, '', 'nothing on stdout');
      const [says = '', fix = ''] = plain.err.split('\n  → ');
      for (const name of names) assert.ok(plain.err.includes(put(name)), `${put(name)} in: ${plain.err}`);
      assert.ok(says.includes(wordsOf(row.says.id)), plain.err);
      assert.ok(fix.includes(wordsOf(row.fix.id)), plain.err);

      const json = await inProcess([...typed, '--json', '--lang', 'en'], folder);
      assert.equal(json.code, row.exit, json.err);
      assert.equal(json.out, '');
      const told = JSON.parse(json.err) as Record<string, unknown>;
      assert.equal(told['error'], code);
      assert.ok(String(told['message']).includes(wordsOf(row.says.en)), json.err);
      assert.ok(String(told['fix']).includes(wordsOf(row.fix.en)), json.err);
      assert.equal(told['retryable'], row.retryable);
    });
  };
  const lane = async (): Promise<void> => {
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) await run(next.one, next.alone);
  };
  await Promise.all([lane(), lane()]);
});

test('a second node with the same data folder is refused and the first goes on', async (t) => {
  const folder = await temporaryFolder(t);
  const args = ['node', '--json', '--host', '127.0.0.1', '--port', '0'];
  const first = start(t, args, { cwd: folder });
  await first.ready();
  const second = await kelana(t, ['node', '--port', '0'], { cwd: folder });
  assert.equal(second.code, 1);
  assert.match(second.err, new RegExp(`sedang dipakai proses kelana lain \\(pid ${first.pid}\\)`));
  assert.match(second.err, /--data/);
  assert.equal((await kelana(t, ['status'], { cwd: folder })).code, 0);
});

test('a file that may not be read is named with the reason', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, 'terkunci.txt');
  await writeFile(path, 'x');
  await chmod(path, 0);
  await chmod(folder, 0o755);
  const nobody = 65_534;
  const as = getuid?.() === 0 ? { uid: nobody } : {};
  const works = await kelana(t, ['--version'], { cwd: folder, ...as }).catch(() => null);
  if (works?.code !== 0) {
    t.skip('root reads every file, and this checkout is closed to other users');
    return;
  }
  const args = ['client', '--file', 'terkunci.txt', '--log', 'none', '--log-db', 'none'];
  const { code, err } = await kelana(t, args, { cwd: folder, ...as });
  assert.equal(code, 1);
  assert.match(err, /terkunci\.txt' tidak bisa dibaca \(EACCES\)/);
});
