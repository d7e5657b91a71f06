import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { EventBody } from '../src/core/events.ts';
import { KelanaError } from '../src/core/errors.ts';
import { logRun, requestLog } from '../src/clients/log.ts';
import { messagePayload } from '../src/clients/payload.ts';
import { runClients, type Plan } from '../src/clients/runner.ts';
import { parseTarget } from '../src/clients/target.ts';
import { OK, freePort, goodServer, rawServer, type GoodServer } from './clients.fixture.ts';

const planFor = (url: string, changes: Partial<Plan> = {}): Plan => {
  const target = parseTarget(url);
  return {
    target,
    payload: messagePayload(target, 'halo', true),
    clients: 1,
    requests: 1,
    durationMs: null,
    rate: null,
    timeoutMs: 5_000,
    keepBytes: 1_000,
    ...changes,
  };
};

const never = new AbortController().signal;

suite('the client manager', () => {
  test('sends requests × clients, each message once under its own key, over one connection per client', async () => {
    await using server = await goodServer();
    const report = await runClients(planFor(server.url, { clients: 20, requests: 15 }), { signal: never });
    assert.partialDeepStrictEqual(report, {
      requests: 300,
      ok: 300,
      failed: 0,
      retries: 0,
      interrupted: false,
    });
    assert.deepEqual({ ...report.servers }, { server1: 300 });
    assert.equal(server.connections, 20);
    assert.equal(server.keys.length, 300);
    assert.equal(new Set(server.keys).size, 300);
    const texts = new Set(server.stored.values());
    assert.equal(texts.size, 300);
    assert.ok(texts.has('halo #1-1') && texts.has('halo #20-15'));
    assert.equal(report.bytesPerSecond, report.bytes / report.seconds);
    assert.ok(report.bytes > 300 * '{"text":"halo #1-1"}'.length);
  });

  test('loses no message and fails no request when the server dies and comes back', async () => {
    const first = await goodServer({ name: 'first', delayMs: 5 });
    const port = Number(new URL(first.url).port);
    const target = planFor(first.url, { clients: 10, requests: 30 });
    let ended = 0;
    let second: PromiseLike<GoodServer> | undefined;
    const report = await runClients(target, {
      signal: never,
      watcher: {
        began: () => undefined,
        ended: () => {
          ended += 1;
          if (ended !== 60) return;
          second = first[Symbol.asyncDispose]().then(() => goodServer({ name: 'second', port }));
        },
      },
    });
    assert.ok(second);
    await using back = await second;
    assert.partialDeepStrictEqual(report, { requests: 300, ok: 300, failed: 0 });
    assert.ok(report.retries > 0);
    const stored = new Set([...first.stored.values(), ...back.stored.values()]);
    assert.equal(stored.size, 300);
  });

  test('begins no request after its time and reports the time that passed', async () => {
    await using server = await goodServer({ delayMs: 10 });
    const plan = planFor(server.url, { clients: 3, requests: null, durationMs: 300 });
    const report = await runClients(plan, { signal: never });
    assert.ok(report.seconds >= 0.29 && report.seconds < 3, `${report.seconds} s`);
    assert.ok(report.ok >= 3 && report.failed === 0);
    assert.equal(server.stored.size, report.ok);
  });

  test('keeps its rate, and counts a stall against every request that was due in it', async () => {
    // The first answer takes 300 ms; of one client, the requests due meanwhile wait for it.
    await using server = await rawServer((socket, { count }) => {
      setTimeout(() => socket.write(OK), count === 1 ? 300 : 0);
    });
    const open = await runClients(planFor(server.url, { requests: 40, rate: 100 }), { signal: never });
    assert.ok(open.seconds >= 0.38, `${open.seconds} s`);
    assert.ok((open.responseMs.p50 ?? 0) > 50, `p50 ${open.responseMs.p50} ms`);
    assert.ok((open.responseMs.max ?? 0) >= 299);
    await using again = await rawServer((socket, { count }) => {
      setTimeout(() => socket.write(OK), count === 1 ? 300 : 0);
    });
    const closed = await runClients(planFor(again.url, { requests: 40 }), { signal: never });
    assert.ok((closed.responseMs.p50 ?? 0) < 50, 'the closed loop hides the stall');
  });

  test('says how many requests of an open loop it could not send', async () => {
    await using server = await goodServer({ delayMs: 100 });
    const plan = planFor(server.url, { requests: null, durationMs: 300, rate: 100 });
    const report = await runClients(plan, { signal: never });
    assert.ok(report.requests <= 4);
    assert.equal(report.notSent, 30 - report.requests);
  });

  test('counts refusals by their code', async () => {
    await using server = await goodServer({ status: (count) => (count % 2 === 0 ? 503 : 500) });
    const report = await runClients(planFor(server.url, { clients: 2, requests: 10 }), { signal: never });
    assert.deepEqual({ ...report.errors }, { HTTP_500: 10, HTTP_503: 10 });
    assert.partialDeepStrictEqual(report, { requests: 20, ok: 0, failed: 20 });
    assert.equal(report.responseMs.p50, null);
  });

  test('fails at once where nothing listens', async () => {
    const plan = planFor(`http://127.0.0.1:${await freePort()}`, { clients: 100, requests: 100 });
    await assert.rejects(runClients(plan, { signal: never }), (error) => {
      assert.ok(error instanceof KelanaError);
      assert.equal(error.code, 'SERVER_UNREACHABLE');
      assert.match(error.describe('id').says, /tidak ada yang mendengarkan/);
      return true;
    });
  });

  test('ends at once when interrupted and reports what was done', async () => {
    const controller = new AbortController();
    await using server = await rawServer((socket, { count }) => {
      if (count <= 5) socket.write(OK);
      else controller.abort();
    });
    const plan = planFor(server.url, { requests: 1_000, timeoutMs: 60_000 });
    const report = await runClients(plan, { signal: controller.signal });
    assert.partialDeepStrictEqual(report, { requests: 5, ok: 5, failed: 0, interrupted: true, notSent: 0 });
  });

  test('connects nobody when it was interrupted before it began', async () => {
    await using server = await goodServer();
    const report = await runClients(planFor(server.url, { clients: 5 }), { signal: AbortSignal.abort() });
    assert.partialDeepStrictEqual(report, { requests: 0, interrupted: true });
    assert.equal(server.keys.length, 0);
  });

  test('reports progress while it runs', async () => {
    await using server = await goodServer({ delayMs: 20 });
    const seen: number[] = [];
    const plan = planFor(server.url, { requests: null, durationMs: 700 });
    await runClients(plan, { signal: never, onProgress: ({ done }) => void seen.push(done) });
    assert.ok(seen.length >= 1);
    assert.deepEqual(
      seen,
      seen.toSorted((a, b) => a - b),
    );
  });
});

suite('the log of a run', () => {
  test('has the five kinds for each request, with the text sent and the reply', async () => {
    await using server = await goodServer();
    const plan = planFor(server.url);
    const events: EventBody[] = [];
    const emit = (event: EventBody): void => void events.push(event);
    const report = await runClients(plan, {
      signal: never,
      watcher: requestLog(emit, plan.target, plan.payload),
    });
    logRun(emit, plan.payload, report, false);
    assert.deepEqual(
      events.map(({ type }) => type),
      [
        'message.sent',
        'message.received',
        'request.response-time',
        'request.latency',
        'request.throughput',
        'clients.ended',
      ],
    );
    assert.partialDeepStrictEqual(events[0], {
      who: 'client 1',
      to: plan.target.authority,
      text: 'halo #1-1',
    });
    assert.partialDeepStrictEqual(events[1], {
      who: 'client 1',
      from: 'server1',
      text: 'diterima: halo #1-1',
    });
    assert.partialDeepStrictEqual(events[5], { clients: 1, requests: 1, ok: 1, failed: 0 });
  });

  test('has percentiles and each kind of failure in its summary', async () => {
    await using server = await goodServer({ status: () => 500 });
    const plan = planFor(server.url, { requests: 3 });
    const events: EventBody[] = [];
    const report = await runClients(plan, { signal: never });
    logRun((event) => void events.push(event), plan.payload, report, true);
    assert.deepEqual(
      events.map(({ type }) => type),
      ['error', 'clients.ended'],
    );
    assert.partialDeepStrictEqual(events[0], { code: 'HTTP_500', detail: '3 × POST /messages' });
  });
});
