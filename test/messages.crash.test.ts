import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { execPath } from 'node:process';
import test, { type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { afterwards, freePorts, until } from './support/basics.ts';
import { inboxOf, mailFolder, send, sentOf, startMailNode } from './support/mail-node.ts';

const CHILD = fileURLToPath(new URL('./messages.sender-child.ts', import.meta.url));

interface Child {
  readonly process: ChildProcess;
  readonly lines: string[];
  kill(): Promise<void>;
}

async function start(t: TestContext, args: readonly string[]): Promise<Child> {
  const child = spawn(execPath, [CHILD, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  let rest = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    lines.push(...parts);
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const kill = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
  };
  afterwards(t, kill);
  await until('a child', () => lines.some((line) => line.startsWith('ready')) || child.exitCode !== null);
  return { process: child, lines, kill };
}

const of = (lines: readonly string[], mark: string): string[] =>
  lines.filter((line) => line.startsWith(`${mark} `)).map((line) => line.slice(2));

test('a sender that is killed again and again: what was in its outbox arrives, each once', async (t) => {
  const folder = await mailFolder(t);
  const receiver = await startMailNode(t, join(folder, 'b'));
  const to = receiver.node.address;
  const queued: string[] = [];
  for (let round = 0; round < 2; round += 1) {
    const child = await start(t, [join(folder, 'a'), '0', to, `r${round}-`, '100000']);
    await until('letters', () => of(child.lines, '+').length > 15 + 10 * round);
    await child.kill();
    queued.push(...of(child.lines, '+'));
  }
  // A last one that says nothing new delivers what is left.
  await start(t, [join(folder, 'a'), '0', to]);
  const texts = async (): Promise<string[]> => (await inboxOf(receiver)).map(({ text }) => text);
  await until('all of them', async () => {
    const there = new Set(await texts());
    return queued.every((text) => there.has(text));
  });
  const stored = await texts();
  assert.equal(new Set(stored).size, stored.length, 'none twice');
});

test('a receiver that is killed again and again: every letter is there once, and what was acknowledged never lost', async (t) => {
  const folder = await mailFolder(t);
  const [port = 0] = await freePorts(1);
  const sender = await startMailNode(t, join(folder, 'a'));
  const args = [join(folder, 'b'), String(port), sender.node.address];
  const expected: string[] = [];
  let child = await start(t, args);
  for (let round = 0; round < 2; round += 1) {
    const before = of(child.lines, '<').length;
    const sending = Array.from({ length: 40 }, async (_, n) => {
      const text = `r${round}-${n}`;
      expected.push(text);
      await send(sender, { to: `localhost:${port}`, text });
    });
    await until('some arrived', () => of(child.lines, '<').length >= before + 5 + 10 * round);
    await child.kill();
    await Promise.all(sending);
    child = await start(t, args);
  }
  await until('all delivered', async () =>
    (await sentOf(sender)).every(({ state }) => state === 'delivered'),
  );
  await child.kill();
  const receiver = await startMailNode(t, join(folder, 'b'));
  const stored = (await inboxOf(receiver)).map(({ text }) => text);
  assert.deepEqual(stored.toSorted(), expected.toSorted());
});
