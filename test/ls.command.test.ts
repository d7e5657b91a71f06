import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { freePorts, settledFile, temporaryFolder } from './support/basics.ts';
import { inProcess } from './support/in-process.ts';
import { start } from './support/run.ts';

test('ls NODE shows what another node shares, and ls what this one does', async (t) => {
  const base = await temporaryFolder(t);
  const [one = 0, two = 0, nobody = 0] = await freePorts(3);
  const [a, b] = [join(base, 'a'), join(base, 'b')];
  for (const folder of [a, b]) await mkdir(folder);
  await settledFile(join(a, 'shared/milik-a.txt'), 'a');
  await settledFile(join(b, 'shared/foto/satu.jpg'), 'satu');
  await settledFile(join(b, 'shared/foto/dua.jpg'), 'dua!!');
  const node = (cwd: string, port: number) =>
    start(
      t,
      [
        'node',
        '--host',
        '127.0.0.1',
        '--port',
        String(port),
        '--neighbours',
        '0',
        '--json',
        '--log',
        'none',
        '--log-db',
        'none',
      ],
      { cwd },
    );
  const [first, second] = [node(a, one), node(b, two)];
  await Promise.all([first.ready(), second.ready()]);
  const to = `localhost:${two}`;

  const shown = await inProcess(['ls', to], a);
  assert.equal(shown.code, 0, shown.err);
  assert.match(
    shown.out,
    /^foto\/ +9 B +bafybei\w+\nfoto\/dua\.jpg +5 B +bafkrei\w+\nfoto\/satu\.jpg +4 B +bafkrei\w+\nshared\/ +9 B +bafybei\w+\n$/,
  );
  const json = JSON.parse((await inProcess(['ls', to, '--json'], a)).out) as Record<string, unknown>[];
  const own = JSON.parse((await inProcess(['ls', '--json'], b)).out) as Record<string, unknown>[];
  const byName = (list: Record<string, unknown>[]) =>
    list.toSorted((x, y) => String(x['name']).localeCompare(String(y['name'])));
  assert.deepEqual(byName(json), byName(own), 'the same objects that ls gives there');
  assert.match((await inProcess(['ls'], a)).out, /^milik-a\.txt/);

  const { peerId } = JSON.parse((await inProcess(['status', '--json'], b)).out) as { peerId: string };
  for (const name of [peerId, `/ip4/127.0.0.1/tcp/${two}`, `kelana:127.0.0.1:${two}`])
    assert.equal((await inProcess(['ls', name], a)).out, shown.out, name);

  const found = await inProcess(['get', String(json[0]?.['cid']), '--peer', to], a);
  assert.equal(found.code, 0, found.err);

  for (const [args, code, says] of [
    [['ls', `localhost:${nobody}`], 1, /cannot be reached/],
    [['ls', 'bukan alamat'], 2, /must be host:port/],
    [['ls', `localhost:${one}`], 2, /this node itself/],
    [['ls', to, 'x'], 2, /./],
    [['ls', '12D3KooWDkjvsiCL4tomVsWtxkYZxbEx9q4fYZfh7d6Y38PY584X'], 1, /cannot be reached/],
  ] as const) {
    const wrong = await inProcess(args, a);
    assert.equal(wrong.code, code, `${args.join(' ')}: ${wrong.err}`);
    assert.match(wrong.err, says);
    assert.equal(wrong.out, '');
  }
  const indonesian = await inProcess(['ls', `localhost:${nobody}`, '--lang', 'id'], a);
  assert.match(indonesian.err, /./);
});
