import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { execPath } from 'node:process';
import { join } from 'node:path';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { SWARM } from '../src/core/config.ts';
import { contentOf } from '../src/transfers/swarm.testkit.ts';
import { filesBelow, seeded, temporaryFolder } from './support/basics.ts';

const CHILD = fileURLToPath(new URL('transfers.child.ts', import.meta.url));
const COUNT = 300;

/** Runs the child until it has `killAt` blocks, or to its end; gives the first and last number of blocks it told. */
async function life(base: string, killAt: number) {
  const child = spawn(execPath, [CHILD, base, String(COUNT)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve));
  let [first, last, given] = [null as number | null, 0, null as number | null];
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, number] = line.split(' ');
    if (word === 'done') given = Number(number);
    else {
      last = Number(number);
      first ??= last;
      if (last >= killAt) child.kill('SIGKILL');
    }
  }
  return { first: first ?? 0, last, given, code: await exited };
}

test('killed at any moment, the queue goes on by itself, with all blocks that it had', async (t) => {
  const base = await temporaryFolder(t);
  const random = seeded(5);
  let had = 0;
  for (let kills = 0; kills < 5; kills += 1) {
    const killAt = had + 1 + Math.floor(random() * 40);
    const { first, last, given } = await life(base, killAt);
    assert.equal(given, null, 'it was killed before its end');
    assert.ok(first === 0 || first >= had, `began with ${first} blocks, had ${had}`);
    had = Math.max(had, last);
  }
  const { given, code } = await life(base, Infinity);
  assert.equal(code, 0);
  const again = (given ?? Infinity) - (COUNT - had);
  t.diagnostic(
    `had ${had} of ${COUNT} blocks, fetched ${given} more, ${again} of them in vain or unseen before`,
  );
  assert.ok(again <= SWARM.maxOutstanding, `${again} blocks fetched again`);
  const content = contentOf(COUNT * 1024, 1);
  assert.deepEqual(
    await filesBelow(join(base, 'downloaded')),
    [content.file.name],
    'no temporary file is left',
  );
  assert.deepEqual(await readFile(join(base, 'downloaded', content.file.name)), Buffer.from(content.bytes));
});
