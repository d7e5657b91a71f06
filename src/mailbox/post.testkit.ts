import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { MESSAGES } from '../core/config.ts';
import type { Arrival, NewLetter, PostPort } from '../core/messages/ports.ts';
import { openPost } from './post.ts';

export const CID = 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e';

export const idOf = (n: number): string => n.toString(16).padStart(32, '0');
export const peerOf = (peer: string) => ({
  peer,
  label: `label ${peer}`,
  addresses: [`/ip4/127.0.0.1/tcp/1`],
});

export const text = (peer: string, n: number, words = `pesan ${n}`): Arrival => ({
  from: peerOf(peer),
  letter: { type: 'text', id: idOf(n), sentAt: 1, text: words },
  now: 1_000 + n,
});

export const offer = (peer: string, n: number): Arrival => ({
  from: peerOf(peer),
  letter: { type: 'offer', id: idOf(n), sentAt: 1, name: `f${n}`, size: 3, cid: CID, files: 0 },
  now: 1_000 + n,
});

export const letterTo = (peer: string, n: number, now = 5_000): NewLetter => ({
  to: peerOf(peer),
  letter: { type: 'text', id: idOf(n), sentAt: now, text: `pesan ${n}` },
  now,
  expiresAt: now + MESSAGES.expireMs,
  holdings: [],
  folders: [],
});

export const offerTo = (peer: string, n: number, now = 5_000): NewLetter => ({
  ...letterTo(peer, n, now),
  letter: {
    type: 'offer',
    id: idOf(n),
    sentAt: now,
    name: `f${n}`,
    size: 3,
    cid: CID,
    files: 0,
  },
  holdings: [
    {
      name: `f${n}`,
      path: `/f${n}`,
      size: 3,
      identity: '3:1:1',
      cid: CID,
      digests: new Uint8Array(32).fill(n),
    },
  ],
});

const stops = new WeakMap<TestContext, (() => Promise<void>)[]>();

/** Ends what uses a test's post, before that is closed. */
export function beforeClose(t: TestContext, stop: () => Promise<void>): void {
  stops.set(t, [...(stops.get(t) ?? []), stop]);
}

/** A new inbox and outbox; `again` opens the same file after a stop. */
export async function newPost(
  t: TestContext,
  idleMs?: number,
): Promise<{ post: PostPort; path: string; again: () => Promise<PostPort> }> {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-post-'));
  const path = join(folder, 'inbox.db');
  const open: PostPort[] = [];
  const openOne = async (): Promise<PostPort> => {
    const post = await openPost(path, undefined, idleMs);
    open.push(post);
    return post;
  };
  t.after(async () => {
    for (const stop of stops.get(t) ?? []) await stop();
    for (const post of open) await post.close();
    await rm(folder, { recursive: true, force: true });
  });
  const post = await openOne();
  return {
    post,
    path,
    again: async () => {
      for (const one of open.splice(0)) await one.close();
      return await openOne();
    },
  };
}

/** Waits for a condition, looking every 10 ms; fails after `ms` and says for what it waited. */
export async function until(what: string, condition: () => boolean, ms = 8_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(10);
  }
}
