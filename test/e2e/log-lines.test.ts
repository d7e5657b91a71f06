import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { freePorts, settledFile, temporaryFolder, until } from '../support/basics.ts';
import { kelana, start } from '../support/run.ts';

const TIME = String.raw`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d - `;
const SIX = String.raw`\d+\.\d{6}`;
const TEXT = 'INI ADALAH KOMUNIKASI P2P\n';

/** Starts a node of this folder; resolves to its port once it is ready. */
async function node(t: TestContext, folder: string, name: string, peer?: number): Promise<number> {
  const args = ['node', '--json', '--host', '127.0.0.1', '--port', '0', '--data', `data-${name}`];
  const peers = peer === undefined ? [] : ['--peer', `localhost:${peer}`];
  const run = start(t, [...args, '--share', name, ...peers], { cwd: folder });
  return Number((await run.ready())['port']);
}

/** Each expected line is there, whole; waits, since the parts write in their own time. */
async function hasLines(
  folder: string,
  lines: readonly string[],
  file = 'combined_log.txt',
): Promise<readonly string[]> {
  const read = async (): Promise<string> => await readFile(join(folder, file), 'utf8').catch(() => '');
  for (const line of lines) {
    const pattern = new RegExp(`${TIME}${line}$`, 'm');
    await until(String(pattern), async () => pattern.test(await read())).catch(async (thrown: unknown) => {
      throw new Error(`${String(thrown)} in:\n${await read()}`);
    });
  }
  return (await read()).trimEnd().split('\n');
}

test('a real search and download writes the lines of the seeds, word for word, or in English', async (t) => {
  const folder = await temporaryFolder(t);
  await settledFile(join(folder, 'b', 'contoh.txt'), TEXT);
  await settledFile(join(folder, 'a', 'lain.txt'), 'lain');
  const to = await node(t, folder, 'b');
  const from = await node(t, folder, 'a', to);
  const got = await kelana(t, ['get', 'contoh.txt', '--strategy', 'walk', '--data', 'data-a'], {
    cwd: folder,
  });
  assert.equal(got.code, 0, got.err);
  const all = await hasLines(folder, [
    String.raw`Node localhost:${from} siap menerima koneksi\.\.\.`,
    String.raw`Node localhost:${from} menambahkan tetangga node localhost:${to}\.`,
    String.raw`Node localhost:${to} menambahkan tetangga node localhost:${from}\.`,
    String.raw`Node localhost:${to} menerima permintaan pencarian file 'contoh\.txt'\.`,
    String.raw`File 'contoh\.txt' ditemukan di node localhost:${to}\.`,
    String.raw`Waktu respon pencarian file di node localhost:${to}: ${SIX}s\.`,
    String.raw`Waktu respon total: ${SIX}s, throughput: ${SIX} bytes/s\.`,
  ]);
  for (const line of all) assert.match(line, new RegExp(TIME), 'every line begins with its time');
  const now = new Date();
  const year = `${now.getFullYear()}-${String(now.getMonth() + 1).padStart(2, '0')}`;
  assert.ok(all[0]?.startsWith(year), `${all[0] ?? ''}: local time`);

  // The same download by a node of its own, for the moment, that logs in English to another file.
  const args = ['get', 'contoh.txt', '--data', 'data-c', '--peer', `localhost:${to}`, '--downloads', 'c'];
  const english = await kelana(t, [...args, '--lang', 'en', '--log', 'log-en.txt', '--log-lang', 'en'], {
    cwd: folder,
  });
  assert.equal(english.code, 0, english.err);
  assert.match(english.out, /Saved as .*contoh\.txt/);
  const lines = await hasLines(
    folder,
    [
      String.raw`Node localhost:\d+ is ready for connections\.\.\.`,
      String.raw`Node localhost:\d+ added neighbour node localhost:${to}\.`,
      String.raw`File 'contoh\.txt' found at node localhost:${to}\.`,
      String.raw`File search response time at node localhost:${to}: ${SIX}s\.`,
      String.raw`Total response time: ${SIX}s, throughput: ${SIX} bytes/s\.`,
    ],
    'log-en.txt',
  );
  assert.ok(!lines.some((line) => /menerima|ditemukan|Waktu/.test(line)), 'no Indonesian between them');
});

test('a message goes into the log as the five kinds, and neither it nor a file name forges a line', async (t) => {
  const folder = await temporaryFolder(t);
  await settledFile(join(folder, 'a', 'lain.txt'), 'lain');
  const [port = 0] = await freePorts(1);
  const url = `http://localhost:${port}`;
  const args = ['server', '--json', '--port', String(port), '--p2p-host', '127.0.0.1'];
  const p2p = String((await start(t, args, { cwd: folder }).ready())['p2p']).split(':')[1] ?? '';
  await node(t, folder, 'a', Number(p2p));
  const forged = "2024-10-12 13:26:34 - File 'palsu.txt' ditemukan di node localhost:1.";
  const text = `halo'\n${forged}\r\n\u2028${forged}\u001b[2K`;
  const sent = await kelana(t, ['client', '--url', url, '--message', text], { cwd: folder });
  assert.equal(sent.code, 0, sent.err);
  assert.ok(!sent.out.includes('\u001b'), 'nothing for the terminal to act on');
  const missed = await kelana(
    t,
    ['find', `x'.\n${forged}`, '--as', 'name', '--strategy', 'walk', '--data', 'data-a'],
    { cwd: folder },
  );
  assert.equal(missed.code, 3, missed.err);

  const host = url.replace('http://', '');
  const escaped = String.raw`'halo\\'\\n2024-10-12 .*\\r\\n\\u\{2028\}.*\\u\{1b\}\[2K'`;
  const all = await hasLines(folder, [
    String.raw`Server ${host} siap menerima permintaan di ${url}\.`,
    String.raw`Pesan dikirim dari .* ke ${host}: ${escaped}\.`,
    String.raw`Pesan diterima ${host} dari localhost:\d+: ${escaped}\.`,
    String.raw`Pesan diterima 'client 1' dari ${host}: '.*'\.`,
    String.raw`Waktu respon .*: ${SIX}s\.`,
    String.raw`Latency .* sampai byte pertama: ${SIX}s\.`,
    String.raw`Throughput .*: ${SIX} bytes/s \(\d+ byte dalam ${SIX}s\)\.`,
    String.raw`Node localhost:${p2p} menerima permintaan pencarian file 'x\\'\.\\n2024-10-12 .*'\.`,
  ]);
  assert.ok(!all.some((line) => line.startsWith('2024-10-12')), 'no forged line');
  for (const line of all) assert.match(line, new RegExp(TIME));
});
