import assert from 'node:assert/strict';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readKey } from '../../balancer/key-file.ts';
import { stickyIds } from '../../balancer/sticky-key.ts';
import { BALANCE_DEFAULTS } from '../../core/balance/options.ts';
import { KelanaError } from '../../core/errors.ts';
import { balanceFrom } from './options.ts';
import { command } from '../commands/balancer.ts';
import { settle } from '../options.ts';
import { Settings } from '../settings.ts';
import { backendsFrom } from './configuration.ts';

const settled = (args: readonly string[], toml = '', env: Readonly<Record<string, string>> = {}) =>
  settle(command, args, env, new Settings('kelana.toml', toml));

function refusal(run: () => unknown): string {
  try {
    run();
  } catch (thrown) {
    assert.ok(thrown instanceof KelanaError);
    return thrown.describe('en').says;
  }
  return 'taken';
}

test('without options everything is as the defaults say, each in its unit', () => {
  assert.deepEqual(balanceFrom(settled([])), BALANCE_DEFAULTS);
});

test('flags, environment and file set methods, checks, failure and times', () => {
  const toml = '[balancer]\nmethod = "hash:cookie=sid"\nslow-start = "10s"\nqueue-timeout = "250ms"\n';
  const args = ['--check', 'tcp', '--check-rise', '5', '--outlier-share', '1'];
  const balance = balanceFrom(settled(args, toml, { KELANA_BALANCER_RETRY_RATIO: '0.5' }));
  assert.deepEqual(balance.method, { name: 'hash', key: { from: 'cookie', name: 'sid' }, bound: 1.5 });
  assert.deepEqual([balance.slowStartMs, balance.queue.timeoutMs], [10_000, 250]);
  assert.deepEqual(balance.check, { kind: 'tcp', timeoutMs: 3_000 });
  assert.deepEqual([balance.health.rise, balance.outlier.maxShare, balance.retry.ratio], [5, 1, 0.5]);
  assert.deepEqual(balanceFrom(settled(['--check-status', '204'])).check, {
    ...BALANCE_DEFAULTS.check,
    status: [204, 204],
  });
});

test('backends are texts, or tables in the file, with weights and limits', () => {
  const toml =
    '[balancer]\nmethod = "weighted"\n\n[[balancer.backend]]\nurl = "http://a:1"\nweight = 3\nmax = 20\n\n[[balancer.backend]]\nurl = "http://b:2"\n';
  assert.deepEqual(backendsFrom(settled([], toml).texts('backend'), 'weighted').backends, [
    { name: 'a:1', spec: 'http://a:1,weight=3,max=20', weight: 3 },
    { name: 'b:2', spec: 'http://b:2', weight: 1 },
  ]);
  const env = { KELANA_BALANCER_BACKEND: 'http://a:1,weight=2,max=5,http://b:2' };
  assert.deepEqual(
    backendsFrom(settled([], '', env).texts('backend'), 'weighted').backends.map(({ weight }) => weight),
    [2, 1],
  );
});

test('what is not valid is refused with its name, and in the file with its line', () => {
  const file = refusal(() => settled([], '[balancer]\n\nmethod = "hash"\n'));
  assert.match(file, /line 3.*hash needs one key/);
  const table = refusal(() =>
    settled([], '[balancer]\n\n[[balancer.backend]]\nurl = "http://a:1"\nwait = 3\n'),
  );
  assert.match(table, /line 5.*only url, weight, max, proxy, ca and verify are known/);
  for (const args of [
    ['--check-path', 'healthz'],
    ['--check-path', '/a b'],
    ['--check-path', '/a\r\nX: y'],
    ['--check-status', '399-200'],
    ['--check-status', '20'],
    ['--outlier-share', '2'],
    ['--check-rise', '0'],
    ['--max-active', '0'],
  ])
    assert.match(
      refusal(() => settled(args)),
      /not valid/,
      args.join(' '),
    );
});

test('the key of sticky cookies is made once, for this user alone, and gives the same names again', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-sticky-'));
  try {
    const path = join(folder, 'data', 'sticky.key');
    await readKey(path, false);
    await assert.rejects(stat(path));
    const keys = await Promise.all([1, 2, 3].map(() => readKey(path, true)));
    const names = keys.map((key) => stickyIds(key)('10.0.0.5:8080'));
    assert.equal(new Set(names).size, 1);
    assert.match(names[0] ?? '', /^[\w-]{22}$/);
    assert.notEqual(names[0], stickyIds(new Uint8Array(32))('10.0.0.5:8080'));
    assert.equal((await stat(path)).mode & 0o777, 0o600);
    await writeFile(path, 'short');
    await assert.rejects(readKey(path, true), /CANNOT_READ|cannot be read|32 bytes/);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});
