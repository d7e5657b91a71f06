import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { MiB, sample, settledFile, sha256, temporaryFolder, until } from '../support/basics.ts';
import { kelana, kelanaJson, start } from '../support/run.ts';
import { segment, unlessPossible } from './segment.ts';

test('four hosts on one segment, as in the seed: found, absent, joined at run time, unplugged and back', async (t) => {
  if (unlessPossible(t)) return;
  const folder = await temporaryFolder(t);
  const net = await segment(t, 5);
  const port = (host: number): number => 8000 + host;
  const label = (host: number): string => `${net.address(host)}:${port(host)}`;
  const at = (host: number) => ({ cwd: join(folder, `host${host}`), prefix: net.on(host) });
  const bytes = sample(3 * MiB + 17, 4);
  for (let host = 1; host <= 5; host += 1) {
    await settledFile(join(folder, `host${host}`, 'berkas', `punya-${host}.txt`), `milik host ${host}`);
    if (host === 3) await settledFile(join(folder, 'host3', 'berkas', 'contoh.bin'), bytes);
  }
  const list = [1, 2, 3, 4].flatMap((host) => ['--peer', label(host)]);
  const node = async (host: number, peers: readonly string[]): Promise<void> => {
    const args = ['node', '--json', '--port', String(port(host)), '--share', 'berkas', ...peers];
    await start(t, args, at(host)).ready();
  };
  // As the seed has it, each is given the whole list, itself included.
  await Promise.all([1, 2, 3, 4].map((host) => node(host, list)));
  const neighbours = async (host: number): Promise<number> => {
    const [answer] = await kelanaJson(t, ['peers'], at(host));
    const list = answer?.['neighbours'];
    return Array.isArray(list) ? list.length : -1;
  };
  await until('host 1 is linked to all', async () => (await neighbours(1)) === 3, 30_000, 300);

  const got = await kelanaJson(t, ['get', 'contoh.bin'], at(1));
  const saved = got.at(-1);
  assert.equal(saved?.['type'], 'saved');
  assert.equal(saved?.['from'], label(3));
  assert.equal(sha256(await readFile(join(folder, 'host1', 'downloaded', 'contoh.bin'))), sha256(bytes));
  const miss = await kelana(t, ['find', 'tidak-ada.txt', '--strategy', 'walk'], at(2));
  assert.equal(miss.code, 3, miss.err);
  assert.match(miss.out, /'tidak-ada\.txt' tidak ada: semua 3 node yang terjangkau sudah ditanya/);

  // A host whose plug is pulled says nothing: what lies with it is not known, and that is the answer.
  await net.plug(2, 'down');
  const [unsure] = await kelanaJson(
    t,
    ['find', 'tidak-ada.txt', '--strategy', 'walk', '--timeout', '3'],
    at(1),
    4,
  );
  assert.equal(unsure?.['verdict'], 'incomplete');
  const lacking = unsure?.['missing'];
  assert.ok(Array.isArray(lacking) && lacking.length > 0);

  // Meanwhile, until host 1 gives host 2 up, another joins.
  await node(5, []);
  const added = await kelana(t, ['peers', 'add', label(5)], at(1));
  assert.equal(added.code, 0, added.err);
  assert.match(added.out, new RegExp(`Tersambung ke node ${label(5)}`));
  const joined = await kelanaJson(t, ['find', 'punya-5.txt'], at(4));
  assert.deepEqual([joined.at(-1)?.['verdict'], joined[0]?.['name']], ['found', 'punya-5.txt']);
  await until('host 1 gave host 2 up', async () => (await neighbours(1)) === 3, 40_000, 500);
  await until(
    'a definitive answer without host 2',
    async () => {
      const { code, out } = await kelana(
        t,
        ['find', 'tidak-ada.txt', '--strategy', 'walk', '--timeout', '5'],
        at(1),
      );
      return code === 3 && /semua 3 node/.test(out);
    },
    40_000,
    500,
  );

  await net.plug(2, 'up');
  await until(
    'host 2 is found again',
    async () => (await kelana(t, ['find', 'punya-2.txt', '--timeout', '5'], at(1))).code === 0,
    40_000,
    500,
  );
});
