import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { KelanaError } from '../src/core/errors.ts';
import type { Transfer } from '../src/core/transfer/ports.ts';
import { afterwards, freePorts, MiB, sample, settledFile, temporaryFolder, until } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { startTestNode } from './testnet.ts';
import { kelana, start } from './support/run.ts';

test('get --background: the node fetches by itself, and kelana transfers shows, pauses, resumes and cancels', async (t) => {
  const base = await temporaryFolder(t);
  const bytes = sample(3 * MiB + 5, 3);
  await settledFile(join(base, 'holder', 'shared', 'besar.bin'), bytes);
  const holder = await startTestNode({ folder: join(base, 'holder') });
  afterwards(t, () => holder.close());
  const [port = 0] = await freePorts(1);
  const node = start(
    t,
    [
      'node',
      '--host',
      '127.0.0.1',
      '--port',
      String(port),
      '--peer',
      holder.address,
      '--neighbours',
      '0',
      '--json',
    ],
    { cwd: base },
  );
  await node.ready();

  const none = await inProcess(['transfers'], base);
  assert.match(none.out, /No background downloads yet/);
  const queued = await inProcess(['get', 'besar.bin', '--background', '--json', '--log-db', 'none'], base);
  assert.equal(queued.code, 0, queued.err);
  const last = JSON.parse(queued.out.trim().split('\n').at(-1) ?? '') as { type: string; transfer: Transfer };
  assert.deepEqual([last.type, last.transfer.name], ['queued', 'besar.bin']);
  const listed = async (): Promise<readonly Transfer[]> =>
    JSON.parse((await inProcess(['transfers', '--json'], base)).out) as readonly Transfer[];
  const done = await until('it is there', async () => (await listed()).find(({ state }) => state === 'done'));
  assert.deepEqual(await readFile(done.path ?? ''), bytes);
  assert.equal(done.bytes, bytes.length);

  const id = String(done.id);
  const row = await inProcess(['transfers', 'priority', id, '90'], base);
  assert.match(row.out, /done +100 % +3\.1 MB +priority 90 +besar\.bin\n {3}→ .*downloaded\/besar\.bin/);
  const indonesian = await kelana(t, ['transfers', '--lang', 'id'], { cwd: base });
  assert.match(indonesian.out, /selesai +100 % +3,1 MB +prioritas 90/);
  for (const verb of ['pause', 'resume'])
    assert.match((await inProcess(['transfers', verb, id], base)).out, /done/, 'a finished one stays so');
  assert.match((await inProcess(['transfers', 'cancel', id], base)).out, /Transfer 1 cancelled/);
  assert.deepEqual(await listed(), []);
  assert.deepEqual(await readFile(done.path ?? ''), bytes, 'a finished file stays');

  const gone = await inProcess(['transfers', 'pause', id], base);
  assert.deepEqual([gone.code, /no transfer number 1/.test(gone.err)], [3, true], gone.err);
});

test('Ctrl+C of get: exit 130, and it says that the same command resumes', async (t) => {
  const base = await temporaryFolder(t);
  const piece = sample(MiB, 4);
  await settledFile(join(base, 'holder', 'shared', 'lama.bin'), Buffer.concat(Array(200).fill(piece)));
  const holder = await startTestNode({ folder: join(base, 'holder') });
  afterwards(t, () => holder.close());
  const args = ['get', 'lama.bin', '--peer', holder.address, '--json', '--log-db', 'none', '--lang', 'en'];
  const get = start(t, args, { cwd: base });
  await get.says(/"type":"progress"/);
  const { code, err } = await get.end('SIGINT');
  assert.equal(code, 130, err);
  const told = JSON.parse(err.trim().split('\n').at(-1) ?? '') as { error: string; fix: string };
  assert.equal(told.error, 'DOWNLOAD_STOPPED');
  assert.match(told.fix, /kelana get baf/);
  await assert.rejects(readFile(join(base, 'downloaded', 'lama.bin')));
});

test('stopped before the search ends, find and get say no more than that, with 130', async (t) => {
  const cwd = await temporaryFolder(t);
  const holder = await startTestNode({ folder: join(cwd, 'holder') });
  afterwards(t, () => holder.close());
  const stopped = AbortSignal.abort(new KelanaError('INTERRUPTED', { command: 'get' }));
  for (const verb of ['find', 'get']) {
    const args = [verb, 'x.bin', '--peer', holder.address, '--log-db', 'none'];
    const { code, out, err } = await inProcess(args, cwd, 'en', stopped);
    assert.deepEqual([code, out], [130, ''], err);
    assert.equal(err, 'kelana: Stopped.\n  → The same command begins it again\n');
  }
});

test('kelana transfers says what is wrong with its arguments, and needs a running node', async (t) => {
  const cwd = await temporaryFolder(t);
  for (const args of [
    ['fly'],
    ['pause'],
    ['pause', '1', '2'],
    ['pause', '-'],
    ['ls', '1'],
    ['priority', '1'],
    ['priority', '1', '101'],
    ['cancel', '1.5'],
  ]) {
    const { code, err } = await inProcess(['transfers', ...args], cwd);
    assert.equal(code, 2, `${args.join(' ')}: ${err}`);
  }
  assert.equal((await inProcess(['transfers'], cwd)).code, 1);
  const { code, err } = await inProcess(['get', 'x', '--background', '--log-db', 'none'], cwd);
  assert.deepEqual([code, /No kelana node is running/.test(err)], [1, true]);
});
