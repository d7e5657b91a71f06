import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { LIMITS, SEARCH, TRANSFER } from '../src/core/config.ts';
import type { Hit } from '../src/core/ports.ts';
import { afterwards, MiB, sample, settledFile, temporaryFolder, until } from './support/basics.ts';
import { get, link, search, startTestNode, type OverlayChoices, type TestNode } from './testnet.ts';

/** A node that shares `files`, with limits, and as many getters linked to it as are given. */
async function around(
  t: TestContext,
  files: Readonly<Record<string, Uint8Array>>,
  provider: OverlayChoices,
  getters: readonly OverlayChoices[],
): Promise<readonly [TestNode, ...TestNode[]]> {
  const base = await temporaryFolder(t);
  const node = async (name: string, overlay: OverlayChoices): Promise<TestNode> => {
    const one = await startTestNode({ folder: join(base, name), overlay });
    afterwards(t, () => one.close());
    return one;
  };
  for (const [name, bytes] of Object.entries(files))
    await settledFile(join(base, 'provider', 'shared', name), bytes);
  const holder = await node('provider', provider);
  const others: TestNode[] = [];
  for (const [at, overlay] of getters.entries()) {
    const other = await node(`getter${at}`, overlay);
    await link(other, holder);
    others.push(other);
  }
  return [holder, ...others];
}

const FILE = sample(5 * MiB);

async function timed(node: TestNode): Promise<number> {
  const begun = performance.now();
  const got = await get(node, 'besar.bin');
  assert.ok(got.type === 'saved');
  assert.deepEqual(await readFile(got.path), FILE);
  return (performance.now() - begun) / 1000;
}

async function manifestBytes({ library }: TestNode): Promise<number> {
  const nodes = await library.manifest(library.list()[0]?.cid ?? '');
  return [...nodes].reduce((sum, { length }) => sum + length, 0);
}

// Times are bounded from below only: a busy machine makes them longer.
test('an upload limit is kept, and every byte is counted', async (t) => {
  const rate = 4e6;
  const [provider, getter] = await around(t, { 'besar.bin': FILE }, { uploadLimit: () => rate }, [{}]);
  assert.ok(getter !== undefined);
  const seconds = await timed(getter);
  const least = (FILE.length - TRANSFER.frameBytes) / rate - LIMITS.burstMs / 1000;
  assert.ok(seconds >= least, `${seconds} s, at least ${least}`);
  const { up, down } = provider.overlay.traffic();
  // One block more: what the search was shown. Both had the manifest first.
  const all = FILE.length + TRANSFER.blockBytes;
  const manifest = await manifestBytes(provider);
  assert.ok(manifest > 0);
  assert.deepEqual([up.bytes, up.limit, up.waiting, down.bytes], [all + 2 * manifest, rate, 0, 0]);
  assert.equal(getter.overlay.traffic().down.bytes, all);
});

test('a download limit is kept', async (t) => {
  const rate = 4e6;
  const [, getter] = await around(t, { 'besar.bin': FILE }, {}, [{ downloadLimit: () => rate }]);
  assert.ok(getter !== undefined);
  const seconds = await timed(getter);
  const least = (FILE.length - TRANSFER.blockBytes) / rate - LIMITS.burstMs / 1000;
  assert.ok(seconds >= least, `${seconds} s, at least ${least}`);
});

test('a limit that is lifted lets a transfer under way go on at once', async (t) => {
  let rate: number | null = LIMITS.leastBytesPerSecond;
  const [provider, getter] = await around(t, { 'besar.bin': FILE }, { uploadLimit: () => rate }, [{}]);
  assert.ok(getter !== undefined);
  const saved = timed(getter);
  await until('the upload waits', () => provider.overlay.traffic().up.waiting > 0);
  rate = null;
  const seconds = await saved;
  assert.ok(seconds < 60, `${seconds} s; four minutes with the limit`);
});

for (const size of [1, 3].map((blocks) => blocks * TRANSFER.blockBytes))
  test(`a block of a file of ${size} bytes is shown to a search at once, although the limit would take longer than that waits`, async (t) => {
    const rate = LIMITS.leastBytesPerSecond;
    const file = Buffer.alloc(size, 7);
    assert.ok(TRANSFER.blockBytes / rate > SEARCH.proveTimeoutMs / 1000);
    const [provider, getter] = await around(t, { 'satu.bin': file }, { uploadLimit: () => rate }, [{}]);
    assert.ok(getter !== undefined);
    const { outcome } = await search(getter.overlay, 'satu.bin');
    assert.equal(outcome.verdict, 'found');
    assert.equal(provider.overlay.traffic().up.bytes, TRANSFER.blockBytes + (await manifestBytes(provider)));
  });

test('two getters of one provider get equal shares, whatever number of files each asks for', async (t) => {
  const size = 3 * MiB;
  const names = ['a.bin', 'b.bin', 'c.bin', 'd.bin'];
  const files = Object.fromEntries(names.map((name, at) => [name, sample(size, at + 1)]));
  let rate: number | null = null;
  const choices = [{}, {}];
  const [provider, one, many] = await around(t, files, { uploadLimit: () => rate }, choices);
  assert.ok(one !== undefined && many !== undefined);
  const find = async (node: TestNode, name: string): Promise<Hit> => {
    const [hit] = (await search(node.overlay, name)).hits;
    assert.ok(hit !== undefined);
    return hit;
  };
  const [first, ...rest] = names;
  const own = await find(one, first ?? '');
  const theirs = await Promise.all(rest.map((name) => find(many, name)));
  const stop = new AbortController();
  rate = 3e6;
  const drain = async (node: TestNode, hit: Hit, signal?: AbortSignal): Promise<number> => {
    let bytes = 0;
    for await (const block of node.overlay.fetch(hit, undefined, signal)) bytes += block.length;
    return bytes;
  };
  const before = provider.overlay.traffic().up.bytes;
  const others = theirs.map((hit) => drain(many, hit, stop.signal).catch(() => 0));
  assert.equal(await drain(one, own), size);
  const share = (provider.overlay.traffic().up.bytes - before - size) / size;
  stop.abort();
  await Promise.all(others);
  t.diagnostic(`the getter of three files got ${share.toFixed(2)} times what the getter of one got`);
  assert.ok(share > 0.5 && share < 1.6, String(share));
});

test('a provider with a limit that stops does not wait for it', async (t) => {
  const least = LIMITS.leastBytesPerSecond;
  const [provider, getter] = await around(t, { 'besar.bin': FILE }, { uploadLimit: () => least }, [{}]);
  assert.ok(getter !== undefined);
  const got = get(getter, 'besar.bin');
  await until('the upload waits', () => provider.overlay.traffic().up.waiting > 0);
  await provider.close();
  assert.equal((await got).type, 'failed');
});
