import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MAILBOX } from '../src/core/config.ts';
import type { MailboxMessage, MailboxPort, NewMessage } from '../src/core/ports.ts';

/** A new, empty mailbox; `again` opens a second handle on the same store, as a second server would. */
export interface Bench {
  readonly first: MailboxPort;
  again(): Promise<MailboxPort>;
  end(): Promise<void>;
}

export function newMessage(text: string, more: Partial<NewMessage> = {}): NewMessage {
  return { text, room: MAILBOX.defaultRoom, to: null, server: 'server1', idempotencyKey: null, ...more };
}

export async function listAll(mailbox: MailboxPort, room?: string): Promise<MailboxMessage[]> {
  const all: MailboxMessage[] = [];
  for (;;) {
    const page = await mailbox.list(all.at(-1)?.id ?? 0, MAILBOX.maxLimit, room);
    if (page.length === 0) return all;
    all.push(...page);
  }
}

/** What every mailbox must do, whatever database is behind it. */
export function mailboxContract(name: string, open: () => Promise<Bench>): void {
  const on = (sentence: string, run: (bench: Bench) => Promise<void>): void => {
    test(`${name}: ${sentence}`, async () => {
      const bench = await open();
      try {
        await run(bench);
      } finally {
        await bench.end();
      }
    });
  };

  on('gives back what was appended, with growing ids', async ({ first }) => {
    const texts = ['halo', 'baris\nkedua', '😀 "kutip" \\ \u2028', ' '];
    for (const text of texts) await first.append(newMessage(text, { to: 'budi' }));
    const all = await listAll(first);
    assert.deepEqual(
      all.map((message) => message.text),
      texts,
    );
    assert.deepEqual(
      all.map((message) => message.id),
      all.map((message) => message.id).toSorted((a, b) => a - b),
    );
    assert.equal(all[0]?.to, 'budi');
    assert.match(all[0]?.receivedAt ?? '', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.equal(await first.latest(), all.at(-1)?.id);
  });

  on('is empty at first', async ({ first }) => {
    assert.deepEqual(await first.list(0, 10), []);
    assert.equal(await first.latest(), 0);
    await first.check();
  });

  on('lists after an id, at most the limit, in one room or all', async ({ first }) => {
    const ids: number[] = [];
    for (let i = 0; i < 9; i += 1) {
      const { message } = await first.append(newMessage(`m${i}`, { room: i % 3 === 0 ? 'a' : 'b' }));
      ids.push(message.id);
    }
    const texts = async (...query: Parameters<MailboxPort['list']>): Promise<string> =>
      (await first.list(...query)).map((message) => message.text).join(' ');
    assert.equal(await texts(0, 2), 'm0 m1');
    assert.equal(await texts(ids[6] ?? 0, 100), 'm7 m8');
    assert.equal(await texts(ids[8] ?? 0, 100), '');
    assert.equal(await texts(0, 100, 'a'), 'm0 m3 m6');
    assert.equal(await texts(ids[0] ?? 0, 1, 'a'), 'm3');
    assert.equal(await texts(0, 100, "x' OR 1=1 --"), '');
  });

  on('returns the first message for a key that was used before, also to another server', async (bench) => {
    const second = await bench.again();
    const one = await bench.first.append(newMessage('satu', { idempotencyKey: 'k' }));
    const two = await second.append(newMessage('satu', { idempotencyKey: 'k', server: 'server2' }));
    assert.equal(one.repeated, false);
    assert.equal(two.repeated, true);
    assert.deepEqual(two.message, one.message);
    assert.equal((await listAll(second)).length, 1);
    await second.close();
  });

  on('stores one message when the same key arrives many times at once', async (bench) => {
    const second = await bench.again();
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        (i % 2 === 0 ? bench.first : second).append(newMessage('sama', { idempotencyKey: 'sama' })),
      ),
    );
    assert.equal(new Set(all.map(({ message }) => message.id)).size, 1);
    assert.equal(all.filter(({ repeated }) => !repeated).length, 1);
    await second.close();
  });

  on('shows each of two servers what the other acknowledged, at once', async (bench) => {
    const second = await bench.again();
    for (let i = 0; i < 20; i += 1) {
      const [to, from] = i % 2 === 0 ? [bench.first, second] : [second, bench.first];
      const { message } = await to.append(newMessage(`m${i}`));
      assert.deepEqual(await from.list(message.id - 1, 1), [message]);
    }
    await second.close();
  });

  on('never skips a message for a reader that follows while two servers write', async (bench) => {
    const second = await bench.again();
    const seen: number[] = [];
    let writing = true;
    const reader = (async () => {
      for (;;) {
        const last = !writing;
        const page = await second.list(seen.at(-1) ?? 0, 7);
        seen.push(...page.map((message) => message.id));
        if (last && page.length === 0) return;
      }
    })();
    const write = (mailbox: MailboxPort): Promise<unknown[]> =>
      Promise.all(Array.from({ length: 150 }, (_, i) => mailbox.append(newMessage(`m${i}`))));
    await Promise.all([write(bench.first), write(second)]);
    writing = false;
    await reader;
    assert.deepEqual(
      seen,
      (await listAll(bench.first)).map((message) => message.id),
    );
    assert.equal(seen.length, 300);
    await second.close();
  });

  on('bounds a page by bytes, yet always moves on', async ({ first }) => {
    const long = 'x'.repeat(MAILBOX.maxTextBytes);
    for (let i = 0; i < 6; i += 1) await first.append(newMessage(long));
    const page = await first.list(0, MAILBOX.maxLimit);
    assert.ok(page.length > 0 && page.length * long.length <= MAILBOX.pageBytes);
    assert.equal((await listAll(first)).length, 6);
  });

  on('finishes what waits when it closes, and refuses afterwards', async (bench) => {
    const other = await bench.again();
    const waiting = Promise.all(Array.from({ length: 30 }, (_, i) => other.append(newMessage(`m${i}`))));
    await other.close();
    await waiting;
    assert.equal((await listAll(bench.first)).length, 30);
    await assert.rejects(other.append(newMessage('terlambat')), { code: 'MAILBOX_UNSAFE' });
  });
}
