import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once as event } from 'node:events';
import { createInterface } from 'node:readline';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parseMethod } from '../src/core/balance/choice.ts';
import { balanceWith, client, eventually, get, statusOf, type Bench } from './balancer.kit.ts';

/** Backends that are processes of their own, killed under load. */

const CHILD = fileURLToPath(new URL('balancer.backend-child.ts', import.meta.url));

async function spawnBackend(
  t: TestContext,
  port = 0,
): Promise<{ readonly port: number; kill(): Promise<void> }> {
  const child: ChildProcess = spawn(process.execPath, [CHILD, String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await event(child, 'exit');
  };
  t.after(kill);
  assert.ok(child.stdout);
  const [line] = (await event(createInterface({ input: child.stdout }), 'line')) as [string];
  return { port: Number(line), kill };
}

/** Clients that send GETs, each with a number of its own, until told to stop; an answer must be that of its request. */
function gets(t: TestContext, bench: Bench, clients: number): { stop(): Promise<number[]> } {
  const statuses: number[] = [];
  const stop = new AbortController();
  const run = async (id: number): Promise<void> => {
    const raw = client(t, bench);
    for (let sent = 0; !stop.signal.aborted; sent += 1) {
      raw.received = '';
      raw.send(get(`/${id}-${sent}`));
      const text = await raw.until(
        ({ received }) => /\r\n\r\n.*\/\d+-\d+ |"}\n$/s.test(received),
        'an answer',
      );
      statuses.push(statusOf(text));
      if (statusOf(text) === 200)
        assert.ok(text.includes(`/${id}-${sent} `), 'the answer is of this request');
    }
    raw.socket.destroy();
  };
  const all = Promise.all(Array.from({ length: clients }, (_, id) => run(id)));
  return {
    async stop() {
      stop.abort();
      await all;
      return statuses;
    },
  };
}

const requestsOf = (bench: Bench): number => bench.balancer.stats().requests;

for (const text of ['round-robin', 'least-connections', 'ewma'])
  test(`${text}: kill -9 of a backend under load fails no request that is safe to repeat`, async (t) => {
    let one = await spawnBackend(t);
    const two = await spawnBackend(t);
    const bench = await balanceWith(
      t,
      { method: parseMethod(text) },
      `http://127.0.0.1:${one.port}`,
      `http://127.0.0.1:${two.port}`,
    );
    const running = gets(t, bench, 16);
    const up = (): boolean => bench.balancer.stats().backends.every((each) => each.up);
    for (let round = 0; round < 1; round += 1) {
      const [first] = bench.balancer.stats().backends;
      await eventually(
        () => (bench.balancer.stats().backends[0]?.requests ?? 0) > (first?.requests ?? 0) + 20,
        'load',
      );
      await one.kill();
      const seen = requestsOf(bench);
      await eventually(() => requestsOf(bench) > seen + 50, 'more requests');
      one = await spawnBackend(t, one.port);
      await eventually(up, 'it to be up again');
    }
    const statuses = await running.stop();
    assert.deepEqual(new Set(statuses), new Set([200]));
    const retried = bench.events.some((each) => each.type === 'balancer.request' && each.retries > 0);
    assert.ok(retried, 'some were sent again');
  });
