import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BALANCER } from '../core/config.ts';
import { BALANCE_DEFAULTS } from '../core/balance/options.ts';
import { Backend } from './backend.ts';
import { FormerCounts } from './former-counts.ts';

function backendOf(port: number, former?: FormerCounts): Backend {
  const spec = { url: `http://127.0.0.1:${port}`, weight: 1, maxConnections: 0 };
  return new Backend(0, spec, String, BALANCE_DEFAULTS.outlier, former?.take(`127.0.0.1:${port}`));
}

test('a backend that returns goes on from its counts, and those gone longest make way', () => {
  const former = new FormerCounts();
  const most = BALANCER.maxBackends;
  for (let port = 1; port <= most + 2; port += 1) {
    const gone = backendOf(port);
    [gone.requests, gone.failures] = [port, 2 * port];
    gone.tally.ended(200, 1, port, 0);
    former.keep(gone);
  }
  const counts = [1, 2, 3, most + 2].map((port) => {
    const { requests, failures, tally } = backendOf(port, former);
    return [requests, failures, tally.plain().answers[2]];
  });
  assert.deepEqual(counts, [
    [0, 0, 0],
    [0, 0, 0],
    [3, 6, 1],
    [most + 2, 2 * (most + 2), 1],
  ]);
  assert.equal(former.take('127.0.0.1:3'), undefined, 'it has them itself now');
});
