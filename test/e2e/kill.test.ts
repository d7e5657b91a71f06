import assert from 'node:assert/strict';
import { kill } from 'node:process';
import test, { type TestContext } from 'node:test';
import { freePorts, temporaryFolder, until } from '../support/basics.ts';
import { kelana, start, type Run } from '../support/run.ts';

interface Message {
  readonly id: number;
  readonly text: string;
  readonly server: string;
}

interface Report {
  readonly requests: number;
  readonly ok: number;
  readonly failed: number;
  readonly requestsPerSecond: number;
  readonly servers: Readonly<Record<string, number>>;
}

interface Pair {
  readonly folder: string;
  readonly runs: readonly [Run, Run];
  readonly url: string;
  /** Base URLs of the two servers. */
  readonly urls: readonly [string, string];
  start(at: 0 | 1): Promise<Run>;
}

/** Two servers over one mailbox, and a balancer before them. */
async function balanced(t: TestContext): Promise<Pair> {
  const folder = await temporaryFolder(t);
  const [first = 0, second = 0, front = 0] = await freePorts(3);
  const urls = [`http://localhost:${first}`, `http://localhost:${second}`] as const;
  const startServer = async (at: 0 | 1): Promise<Run> => {
    const port = String(at === 0 ? first : second);
    const run = start(t, ['server', '--json', '--port', port, '--p2p-host', '127.0.0.1'], { cwd: folder });
    await run.ready();
    return run;
  };
  const runs = await Promise.all([startServer(0), startServer(1)]);
  const backends = urls.flatMap((url) => ['--backend', url]);
  const balancer = start(t, ['balancer', '--json', '--listen', `localhost:${front}`, ...backends], {
    cwd: folder,
  });
  await balancer.ready();
  return { folder, runs, url: `http://localhost:${front}`, urls, start: startServer };
}

/** All messages in the mailbox, as a server tells them, page by page. */
async function mailbox(url: string): Promise<readonly Message[]> {
  const all: Message[] = [];
  for (;;) {
    const after = all.at(-1)?.id ?? 0;
    const response = await fetch(`${url}/messages?after=${after}&limit=1000`);
    assert.equal(response.status, 200);
    const { messages } = (await response.json()) as { messages: readonly Message[] };
    if (messages.length === 0) return all;
    all.push(...messages);
  }
}

/** Each text that the client manager sent with --unique, stored exactly once. */
function eachOnce(messages: readonly Message[], clients: number, requests: number): void {
  const counts = new Map<string, number>();
  for (const { text } of messages) counts.set(text, (counts.get(text) ?? 0) + 1);
  const twice = [...counts].filter(([, count]) => count > 1);
  assert.deepEqual(twice, [], 'stored twice');
  for (let client = 1; client <= clients; client += 1) {
    for (let request = 1; request <= requests; request += 1)
      assert.ok(counts.has(`uji #${client}-${request}`), `uji #${client}-${request} is missing`);
  }
  assert.equal(messages.length, clients * requests);
}

test('50 clients × 200 messages through the balancer: each acknowledged one is stored exactly once', async (t) => {
  const pair = await balanced(t);
  const args = ['clients', '--url', pair.url, '--clients', '50', '--requests', '200', '--message', 'uji'];
  const { code, out, err } = await kelana(t, [...args, '--unique', '--json'], { cwd: pair.folder }, 60_000);
  assert.equal(code, 0, `${err}\n${out}`);
  const report = JSON.parse(out) as Report;
  assert.deepEqual([report.ok, report.failed], [10_000, 0]);
  const served = Object.values(report.servers);
  assert.ok(served.length === 2 && served.every((count) => count > 4_000), JSON.stringify(report.servers));
  eachOnce(await mailbox(pair.urls[0]), 50, 200);
  eachOnce(await mailbox(pair.urls[1]), 50, 200);
  t.diagnostic(`${Math.round(report.requestsPerSecond)} messages a second`);
});

test('kill -9 of a server under load loses nothing acknowledged; the other takes over, the killed one returns', async (t) => {
  const pair = await balanced(t);
  const [victim] = pair.runs;
  const args = ['clients', '--url', pair.url, '--clients', '20', '--requests', '150', '--rate', '600'];
  const load = start(t, [...args, '--message', 'uji', '--unique', '--json'], { cwd: pair.folder });
  await until('the load is running', async () => (await mailbox(pair.urls[1])).length > 300);
  kill(victim.pid, 'SIGKILL');
  await victim.ended;
  const { code, out, err } = await load.ended;
  assert.equal(code, 0, `${err}\n${out}`);
  const report = JSON.parse(out) as Report;
  assert.deepEqual([report.ok, report.failed], [3_000, 0], 'repeated with their keys, all got through');
  eachOnce(await mailbox(pair.urls[1]), 20, 150);

  await pair.start(0);
  eachOnce(await mailbox(pair.urls[0]), 20, 150);
  const name = new URL(pair.urls[0]).host;
  await until('the returned server answers through the balancer', async () => {
    const response = await fetch(`${pair.url}/messages`, { method: 'POST', body: 'lagi' });
    const answer = (await response.json()) as { server: string };
    assert.equal(response.status, 201);
    return answer.server === name;
  });
});
