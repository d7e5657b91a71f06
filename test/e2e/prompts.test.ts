import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath } from 'node:process';
import test, { type TestContext } from 'node:test';
import { afterwards, freePorts, settledFile, temporaryFolder } from '../support/basics.ts';
import { killAllIn, MAIN, plainEnv, Run, start } from '../support/run.ts';

/** `kelana …` in a terminal of its own (script(1) of util-linux); what is written to stdin is typed. */
function terminal(t: TestContext, args: string, cwd: string): Run {
  const child = spawn('script', ['-qec', `'${execPath}' '${MAIN}' ${args}`, '/dev/null'], {
    cwd,
    env: { ...plainEnv({ TERM: 'xterm' }), E2E_FOLDER: cwd },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  afterwards(t, () => killAllIn(cwd));
  return new Run(child);
}

function type(run: Run, line: string): void {
  run.child.stdin?.write(`${line}\r`);
}

test('kelana node, bare in a terminal, asks for a file, finds, downloads, and asks again', async (t) => {
  const folder = await temporaryFolder(t);
  await settledFile(join(folder, 'jauh', 'contoh.txt'), 'INI ADALAH KOMUNIKASI P2P\n');
  const args = ['node', '--json', '--host', '127.0.0.1', '--port', '0', '--data', 'lain', '--share', 'jauh'];
  const other = start(t, args, { cwd: folder });
  const port = Number((await other.ready())['port']);
  const [own = 0] = await freePorts(1);
  await writeFile(
    join(folder, 'kelana.toml'),
    `[node]\nhost = "127.0.0.1"\nport = ${own}\npeer = ["localhost:${port}"]\n`,
  );
  const run = terminal(t, 'node', folder);
  await run.says(/Nama berkas:/);
  type(run, 'contoh.txt');
  await run.says(new RegExp(`'contoh\\.txt' ditemukan di node localhost:${port}`));
  await run.says(/Tersimpan di .*contoh\.txt/);
  await run.says(/Tersimpan di [^]*Nama berkas:/);
  assert.equal(
    await readFile(join(folder, 'downloaded', 'contoh.txt'), 'utf8'),
    'INI ADALAH KOMUNIKASI P2P\n',
  );
  type(run, 'tidak-ada.txt');
  await run.says(/'tidak-ada\.txt' tidak ada: sidik nama/);
  await run.says(/tidak ada: sidik nama[^]*Nama berkas:/);
  run.child.stdin?.write('\u0003');
  assert.equal((await run.ended).code, 0, run.out);
});

test('kelana clients, bare in a terminal, asks how many and what, and shows the report', async (t) => {
  const folder = await temporaryFolder(t);
  const [port = 0] = await freePorts(1);
  const args = ['server', '--json', '--port', String(port), '--p2p-host', '127.0.0.1'];
  await start(t, args, { cwd: folder }).ready();
  await writeFile(join(folder, 'kelana.toml'), `[clients]\nurl = "http://localhost:${port}"\n`);
  const run = terminal(t, 'clients', folder);
  await run.says(/Jumlah client \[10\]:/);
  type(run, 'banyak');
  await run.says(/'banyak' bukan bilangan bulat/);
  type(run, '3');
  await run.says(/Kirim teks atau file\?/);
  type(run, 'teks');
  await run.says(/Pesan:/);
  type(run, 'halo dari terminal');
  await run.says(/Jumlah permintaan tiap client \[10\]:/);
  type(run, '2');
  const { code, out } = await run.ended;
  assert.equal(code, 0, out);
  assert.match(out, /\b6\b/, 'six requests in the report');
  const response = await fetch(`http://localhost:${port}/messages`);
  const { messages } = (await response.json()) as { messages: readonly { text: string }[] };
  assert.deepEqual(
    messages.map((message) => message.text),
    Array.from({ length: 6 }, () => 'halo dari terminal'),
  );
});
