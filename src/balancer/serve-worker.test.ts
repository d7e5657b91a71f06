import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { backend, eventually } from '../../test/balancer.kit.ts';
import { startBalancer, type Balancer } from './balancer.ts';
import { PROTOCOL, type FromWorker, type ToWorker } from './protocol.ts';
import { serveAsWorker } from './serve-worker.ts';

/** A process's side of the channel, in this process: what it says, and how it is told something. */
async function worker(t: TestContext, workers: number) {
  const { url } = await backend(t);
  const said: FromWorker[] = [];
  let tell: (message: ToWorker) => void = () => undefined;
  const started: Balancer[] = [];
  const channel = {
    send: (message: FromWorker) => void said.push(message),
    listen: (hear: (message: unknown, handle: undefined) => void) => {
      tell = (message) => hear(message, undefined);
    },
  };
  const served = serveAsWorker(channel, 1, async () => {
    const balancer = await startBalancer({
      host: '127.0.0.1',
      port: 0,
      backends: [{ url }],
      edges: { rate: { perSecond: 0.1, burst: 4 } },
      emit: () => undefined,
    });
    started.push(balancer);
    return balancer;
  });
  const desired = { method: 'round-robin', backends: [] };
  const asked = { protocol: PROTOCOL, lang: 'en', settings: [], desired, workers, echo: false } as const;
  tell({ type: 'start', ...asked });
  await eventually(() => said.length > 0, 'it to be ready');
  t.after(async () => {
    tell({ type: 'close', id: 1 });
    await served;
  });
  const ask = async (): Promise<number> => {
    const { status, body } = await fetch(started[0]?.url ?? '');
    await body?.cancel();
    return status;
  };
  return { said, tell: (message: ToWorker) => tell(message), ask };
}

test('a process tells what it let through of the common rate limit, and counts what others did', async (t) => {
  const { said, tell, ask } = await worker(t, 4);
  assert.equal(await ask(), 200);
  assert.deepEqual(said, [{ type: 'ready' }, { type: 'spent', spent: [['127.0.0.1', 1]] }]);
  tell({ type: 'spent', spent: [['127.0.0.1', 3]] });
  assert.equal(await ask(), 429);
});

test('a process that is the only one tells nobody', async (t) => {
  const { said, ask } = await worker(t, 1);
  const statuses: number[] = [];
  for (let sent = 0; sent < 5; sent += 1) statuses.push(await ask());
  assert.deepEqual(statuses, [200, 200, 200, 200, 429]);
  assert.deepEqual(said, [{ type: 'ready' }]);
});
