import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { kill } from 'node:process';
import test from 'node:test';
import { filesBelow, temporaryFolder, until } from '../support/basics.ts';
import { inProcess } from '../support/in-process.ts';
import { kelana, processesIn, start, type Run } from '../support/run.ts';
import { SENTENCE, upFolder } from '../support/up.ts';

const READY = /Siap dalam ([^:]+):/;

/** A part that is killed is started again, and `up` and the log say so. */
async function killedPart(up: Run, folder: string, port: number): Promise<void> {
  const line = new RegExp(`^server +http://localhost:${port} +pid (\\d+)`, 'm').exec(up.out);
  const pid = Number(line?.[1]);
  assert.ok(pid > 0, up.out);
  kill(pid, 'SIGKILL');
  await up.says(new RegExp(`server localhost:${port} mati \\(SIGKILL\\); dimulai lagi dalam`));
  const [, back] = await up.says(new RegExp(`server localhost:${port} kembali \\(pid (\\d+)\\)`));
  assert.notEqual(Number(back), pid);
  assert.equal((await fetch(`http://localhost:${port}/healthz`)).status, 200);
  const said = new RegExp(
    `Bagian 'server localhost:${port}' berhenti sendiri: 'SIGKILL'; dijalankan lagi dalam`,
  );
  await until('the log says so', async () =>
    said.test(await readFile(join(folder, 'combined_log.txt'), 'utf8')),
  );
}

test('up --tour --exit does the main job, prints what it measured, ends with 0 and leaves nothing running; started again it starts again what is killed, and ends with Ctrl+C', async (t) => {
  const { folder, nodes, servers } = await upFolder(t);
  const { code, out, err } = await kelana(t, ['up', '--tour', '--exit'], { cwd: folder }, 60_000);
  assert.equal(code, 0, `${out}\n${err}`);
  assert.match(out, READY);
  assert.match(out, /200 dari 200 dibalas/);
  for (const port of servers)
    assert.match(out, new RegExp(`localhost:${port}: \\d+`), 'both servers answered');
  assert.match(out, new RegExp(`ditemukan di node localhost:${nodes[2]} setelah \\d langkah`));
  assert.match(out, new RegExp(`"${SENTENCE}"`));
  assert.match(out, /semua 4 node lain ditanya/, 'two nodes and two servers');
  assert.equal(err, '');
  assert.equal(await readFile(join(folder, 'downloaded', 'contoh.txt'), 'utf8'), `${SENTENCE}\n`);
  assert.deepEqual(processesIn(folder), []);

  const again = start(t, ['up'], { cwd: folder });
  const [, took] = await again.says(READY);
  t.diagnostic(`second start in the same folder: ready in ${took ?? ''}`);
  await again.says(/Berjalan\. Ctrl\+C/);
  assert.equal(processesIn(folder).length, 7, 'up and six parts');
  await killedPart(again, folder, servers[0]);
  const begun = performance.now();
  const stopped = await again.end('SIGINT', 6_000);
  const seconds = (performance.now() - begun) / 1000;
  t.diagnostic(`Ctrl+C: all ended after ${seconds.toFixed(2)} s`);
  assert.ok(seconds < 5, `Ctrl+C took ${seconds} s`);
  assert.equal(stopped.code, 0, stopped.err);
  assert.deepEqual(processesIn(folder), []);
  const left = (await filesBelow(folder)).filter((file) => /\.part$|\.sock$|-wal$/.test(file));
  assert.deepEqual(left, []);
});

test('when up is killed with -9, all parts end', async (t) => {
  const { folder } = await upFolder(t);
  const up = start(t, ['up'], { cwd: folder });
  await until('all parts are there', () => processesIn(folder).length >= 7, 20_000);
  await up.end('SIGKILL');
  // Those that were just starting are to be up before they see it.
  await until('all parts ended', () => processesIn(folder).length === 0, 20_000);
});

test('Ctrl+C while it is still starting ends all as well', async (t) => {
  const { folder } = await upFolder(t);
  const up = start(t, ['up'], { cwd: folder });
  await until('parts are starting', () => processesIn(folder).length >= 4);
  const { code } = await up.end('SIGINT', 6_000);
  assert.equal(code, 130, up.err);
  assert.deepEqual(processesIn(folder), []);
});

test('a port in use is named with what to do, exit 1, and nothing is left running', async (t) => {
  const { folder, servers } = await upFolder(t);
  const blocker = createServer();
  t.after(() => blocker.close());
  await new Promise<void>((resolve) => blocker.listen(servers[1], 'localhost', resolve));
  const { code, err } = await kelana(t, ['up', '--exit'], { cwd: folder });
  assert.equal(code, 1);
  assert.match(
    err,
    new RegExp(
      `server localhost:${servers[1]} tidak bisa mulai\\. Port ${servers[1]} di localhost sudah dipakai`,
    ),
  );
  assert.match(err, new RegExp(`ss -ltnp "sport = :${servers[1]}"`));
  assert.deepEqual(processesIn(folder), []);
});

const BAD: readonly (readonly [string, string, number, RegExp])[] = [
  ['an unknown key', 'lang = "id"\n\n[[node]]\nprot = 5001\n', 4, /'node\.prot' tidak dikenal \(port\?\)/],
  ['an unknown section', '[nodee]\nport = 5001\n', 1, /'nodee' tidak dikenal \(node\?\)/],
  ['an unknown key at the top', 'lang = "id"\nlog-lamg = "id"\n', 2, /'log-lamg' tidak dikenal/],
  ['a value of the wrong type', '[[node]]\nhost = "127.0.0.1"\nport = "banyak"\n', 3, /'banyak'.*port/],
  ['a value out of range', '[balancer]\n# method\nmethod = "acak"\n', 3, /'acak'.*round-robin/],
  ['broken syntax', '[[node]]\nport = 5001\nshare = ["a"\n[x\n', 4, /./],
];

for (const [what, toml, line, says] of BAD) {
  test(`a kelana.toml with ${what}: file and line are named, exit 2`, async (t) => {
    const folder = await temporaryFolder(t);
    await writeFile(join(folder, 'kelana.toml'), toml);
    // What is wrong in the file is told before anything is started.
    const { code, err } = await inProcess(['up', '--exit'], folder, 'id');
    assert.equal(code, 2, err);
    assert.match(err, new RegExp(`kelana\\.toml, baris ${line}: `));
    assert.match(err, says);
    assert.deepEqual(processesIn(folder), []);
  });
}
