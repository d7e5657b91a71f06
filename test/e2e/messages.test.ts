import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'node:test';
import { freePorts, sample, settledFile, temporaryFolder, until } from '../support/basics.ts';
import { inProcess } from '../support/in-process.ts';
import { start } from '../support/run.ts';

test('send and inbox, from one command line to another', async (t) => {
  const base = await temporaryFolder(t);
  const [one = 0, two = 0] = await freePorts(2);
  const [a, b] = [join(base, 'a'), join(base, 'b')];
  for (const folder of [a, b]) await mkdir(folder);
  const node = (cwd: string, port: number, ...more: string[]) =>
    start(
      t,
      ['node', '--host', '127.0.0.1', '--port', String(port), '--neighbours', '0', '--json', ...more],
      { cwd },
    );
  const sender = node(a, one);
  const receiver = node(b, two, '--peer', `localhost:${one}`);
  await Promise.all([sender.ready(), receiver.ready()]);
  const to = `localhost:${two}`;

  const sent = await inProcess(['send', to, 'halo', 'dari', 'a'], a);
  assert.deepEqual([sent.code, sent.out], [0, `Delivered to node ${to}, and stored there.\n`]);
  const listed = await inProcess(['inbox', '--unread'], b);
  assert.match(listed.out, /^1 {2}\d{4}-.*\[new\]\n {2}halo dari a\n1 of 1 shown, 1 not read/);
  assert.match((await inProcess(['inbox', 'read', '1'], b)).out, /\[read\]\n {2}halo dari a/);

  await settledFile(join(a, 'laporan.bin'), sample(1_500_000));
  const offering = inProcess(['send', to, '--file', 'laporan.bin', '--json'], a);
  const view = await until('an offer', async () => {
    const { items } = JSON.parse((await inProcess(['inbox', '--unread', '--json'], b)).out) as {
      items: readonly { no: number }[];
    };
    return items[0];
  });
  const accepted = await inProcess(['inbox', 'accept', String(view.no)], b);
  assert.equal(accepted.code, 0, accepted.err);
  assert.match(accepted.out, /Saved as .*laporan\.bin, verified\.\n$/);
  assert.deepEqual(await readFile(join(b, 'downloaded', 'laporan.bin')), sample(1_500_000));
  const offered = await offering;
  assert.equal(offered.code, 0, offered.err);
  const types = offered.out
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { type: string }).type);
  assert.equal(types.at(-1), 'done');

  await receiver.end();
  const late = await inProcess(['send', to, 'nanti'], a);
  assert.equal(late.code, 4);
  assert.match(late.out, /^Not delivered to node .*\n {2}→ This node sends it by itself/);
  assert.match((await inProcess(['inbox', '--sent'], a)).out, /waits for that node/);

  for (const [args, code, cwd] of [
    [['send', to], 2, a],
    [['send', to, 'x', '--file', 'y'], 2, a],
    [['inbox', 'accept'], 2, a],
    [['inbox', 'accept', '0'], 2, a],
    [['inbox', 'buang', '1'], 2, a],
    [['inbox', 'accept', '99'], 3, a],
    [['inbox', 'read', '99'], 3, a],
    [['inbox'], 1, b],
  ] as const)
    assert.equal((await inProcess(args, cwd)).code, code, args.join(' '));
});
