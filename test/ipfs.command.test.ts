import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { cidOf, RAW } from '../src/core/transfer/cid.ts';
import { MiB, sample, settledFile, sha256, temporaryFolder } from './support/basics.ts';
import { startHelia } from './support/helia.ts';
import { inProcess } from './support/in-process.ts';
import { kelana, kelanaJson, start } from './support/run.ts';

const FILE = sample(2 * MiB + 5, 3);
const NOWHERE = cidOf(RAW, new Uint8Array(32).fill(7)).toString();

function linesOf(out: string): readonly Record<string, unknown>[] {
  return out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}

test('get fetches a CID from an IPFS node with --peer, with no node running', async (t) => {
  const cwd = await temporaryFolder(t);
  await using helia = await startHelia({ encrypter: 'noise' });
  const cid = (await helia.fs.addBytes(FILE)).toString();
  const got = await inProcess(['get', cid, '--peer', helia.address, '--json'], cwd);
  assert.equal(got.code, 0, got.err);
  const [hit, found, ...later] = linesOf(got.out);
  assert.deepEqual([hit?.['type'], hit?.['name'], hit?.['size']], ['hit', cid, FILE.length]);
  assert.deepEqual([found?.['type'], found?.['verdict']], ['verdict', 'found']);
  const saved = later.at(-1);
  assert.equal(saved?.['type'], 'saved');
  assert.equal(saved?.['path'], join(cwd, 'downloaded', cid));
  assert.equal(sha256(await readFile(join(cwd, 'downloaded', cid))), sha256(FILE));

  const absent = await inProcess(['get', NOWHERE, '--peer', helia.address, '--json'], cwd);
  assert.equal(absent.code, 3);
  const [verdict] = linesOf(absent.out);
  assert.deepEqual([verdict?.['verdict'], verdict?.['asked'], verdict?.['ipfs']], ['absent', 0, 1]);
  const byName = await inProcess(['get', 'contoh.txt', '--peer', helia.address], cwd);
  assert.equal(byName.code, 1);
  assert.match(byName.err, /not a kelana node/);
});

test('a running node serves Helia with --ipfs, and get asks it to fetch from Helia, which stays no neighbour', async (t) => {
  const cwd = await temporaryFolder(t);
  await mkdir(join(cwd, 'shared'));
  await settledFile(join(cwd, 'shared', 'a.bin'), FILE);
  const args = ['node', '--host', '127.0.0.1', '--port', '0', '--ipfs', '--neighbours', '0', '--json'];
  const node = start(t, args, { cwd });
  const ready = await node.ready();
  await using helia = await startHelia();
  await helia.dial(String((ready['addresses'] as readonly string[])[0]));
  const [file] = await kelanaJson(t, ['ls'], { cwd }).then(([row]) => row as unknown as { cid: string }[]);
  assert.equal(sha256(await helia.read(file?.cid ?? '')), sha256(FILE));

  const other = sample(700_000, 9);
  const cid = (await helia.fs.addBytes(other)).toString();
  const got = await kelana(t, ['get', cid, '--peer', helia.address], { cwd });
  assert.equal(got.code, 0, got.out + got.err);
  assert.match(got.out, /terverifikasi/);
  assert.equal(sha256(await readFile(join(cwd, 'downloaded', cid))), sha256(other));
  const peers = await kelana(t, ['peers'], { cwd });
  assert.doesNotMatch(peers.out, /tcp|bukan node/);
  // A connected node that speaks bitswap is asked without being named.
  const third = sample(1_000, 10);
  const unnamed = (await helia.fs.addBytes(third)).toString();
  assert.equal((await kelana(t, ['get', unnamed], { cwd })).code, 0);
  assert.equal((await node.end()).code, 0);
});
