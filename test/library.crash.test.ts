import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { env } from 'node:process';
import { createInterface } from 'node:readline';
import { describe, test, type TestContext } from 'node:test';
import type { Layout } from '../src/core/transfer/layout.ts';
import { folder, HERE, MiB } from './library.helpers.ts';
import { generatedLayout } from './library.generated.ts';

const KILLS = Number(env['KELANA_KILLS'] ?? 12);
/** Kills of each half that come around the end, where the file gets its name. */
const NEAR_END = 3;
/** Blocks a kill may cost: 4 MiB. */
const MOST_LOST = 4;

interface Run {
  readonly have: readonly number[];
  readonly path: string | null;
}

/** Runs the download until it has said so many lines, and then for some moments more. */
async function run(
  t: TestContext,
  args: readonly string[],
  lines: number,
  micros: number,
  cache: string,
): Promise<Run> {
  const child = spawn(process.execPath, ['library.incoming-child.ts', ...args], {
    cwd: HERE,
    stdio: ['ignore', 'pipe', 'inherit'],
    // Only to start sooner.
    env: { ...env, NODE_COMPILE_CACHE: cache },
  });
  t.after(() => child.kill('SIGKILL'));
  let have: number[] = [];
  let path: string | null = null;
  let seen = 0;
  const ended = once(child, 'exit');
  for await (const line of createInterface({ input: child.stdout })) {
    if (line.startsWith('have')) have = line.slice(5).split(',').filter(Boolean).map(Number);
    if (line.startsWith('done')) path = line.slice(5);
    seen += 1;
    if (seen !== lines) continue;
    const until = performance.now() + micros / 1000;
    while (performance.now() < until);
    child.kill('SIGKILL');
  }
  const [code, signal] = (await ended) as [number | null, string | null];
  assert.ok(code === 0 || signal === 'SIGKILL', `it ended by itself: ${code ?? signal ?? ''}`);
  return { have, path };
}

/** What lies whole on the disk after a kill, by reading it. */
async function complete(base: string, layout: Layout): Promise<number[]> {
  const [name] = (await readdir(base)).filter((one) => one.endsWith('.part') || one === 'a.bin');
  if (name === undefined) return [];
  const handle = await open(join(base, name));
  const block = Buffer.alloc(MiB);
  const found: number[] = [];
  for (let index = 0; index < layout.count; index += 1) {
    const { bytesRead } = await handle.read(block, 0, MiB, index * MiB);
    const digest = layout.digests.subarray(index * 32, (index + 1) * 32);
    if (bytesRead === MiB && createHash('sha256').update(block).digest().equals(digest)) found.push(index);
  }
  await handle.close();
  return found;
}

/** Two at a time, as a start of node takes longer than all else here. */
describe('kill -9', { concurrency: 2 }, () => {
  for (const half of [1, 2])
    test(`killed ${KILLS / 2} times at any moment, a download loses next to nothing and ends right (${half})`, async (t) => {
      const seed = randomInt(1_000_000);
      t.diagnostic(`seed ${seed}`);
      const blocks = KILLS * 2;
      const layout = generatedLayout(seed, blocks);
      const base = await folder(t);
      const cache = await folder(t);
      let whole: number[] = [];
      let worst = 0;
      let kills = 0;
      for (;;) {
        const near = kills >= KILLS / 2 - NEAR_END;
        const last = kills >= KILLS / 2;
        const most = near ? blocks : randomInt(1, 4);
        const lines = last ? 0 : near ? blocks - whole.length + 1 : randomInt(1, most + 2);
        const args = [base, String(seed), String(blocks), String(most)];
        const { have, path } = await run(t, args, lines, randomInt(near ? 4_000 : 1_500), cache);
        const lost = whole.filter((index) => !have.includes(index));
        worst = Math.max(worst, lost.length);
        assert.ok(lost.length <= MOST_LOST, `kill ${kills} lost ${lost.length} blocks`);
        whole = await complete(base, layout);
        if (path !== null) break;
        kills += 1;
      }
      t.diagnostic(`${kills} kills, at worst ${worst} whole blocks lost`);
      // Those around the end may come too late.
      assert.ok(kills >= KILLS / 2 - NEAR_END);
      assert.equal(whole.length, blocks);
      assert.deepEqual(await readdir(base), ['a.bin']);
    });
});
