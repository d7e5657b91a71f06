import { MAILBOX, MESSAGES } from '../core/config.ts';
import type { Arrival, PostPort, Received } from '../core/messages/ports.ts';
import { GroupCommit } from './group.ts';
import type { PostCalls } from './post-calls.ts';
import { StoreThread } from './thread.ts';

/** ms beyond the wait for a lock after which a disk counts as hung. */
const DISK_GRACE_MS = 5_000;

/**
 * Opens a node's inbox and outbox, one SQLite file in a thread of its own, which ends while nobody asks. What arrives during a commit shares the
 * next one.
 * @throws KelanaError DATABASE where the file cannot be opened or is not an inbox
 */
export async function openPost(
  path: string,
  busyTimeoutMs: number = MAILBOX.busyTimeoutMs,
  idleMs: number = MESSAGES.threadIdleMs,
): Promise<PostPort> {
  const thread = new StoreThread<PostCalls>(
    'post',
    new URL('./post-worker.ts', import.meta.url),
    { path, busyTimeoutMs },
    busyTimeoutMs + DISK_GRACE_MS,
    idleMs,
  );
  await thread.open();
  const group = new GroupCommit<Arrival, Received>((arrivals) => thread.call('receive', arrivals));
  return {
    receive: (arrival) => group.add(arrival, sizeOf(arrival)),
    inbox: (options) => thread.call('inbox', options),
    item: (no) => thread.call('item', no),
    counts: () => thread.call('counts', null),
    decide: (no, from, to, more, tell) => thread.call('decide', { no, from, to, more, tell }),
    markRead: (nos) => thread.call('markRead', nos),
    remove: (nos) => thread.call('remove', nos),
    accepted: () => thread.call('accepted', null),
    queue: (letter) => thread.call('queue', letter),
    outbox: (limit) => thread.call('outbox', limit),
    outItem: (no) => thread.call('outItem', no),
    due: () => thread.call('due', null),
    duePeers: (now) => thread.call('duePeers', now),
    waiting: (peer) => thread.call('waiting', peer),
    settle: (no, revision, state, why) => thread.call('settle', { no, revision, state, why }),
    postpone: async (peer, nextAt, why) => {
      await thread.call('postpone', { peer, nextAt, why });
    },
    answered: (peer, id, answer) => thread.call('answered', { peer, id, answer }),
    expire: (now) => thread.call('expire', now),
    grants: () => thread.call('grants', null),
    remember: async (who, verified, now) => {
      await thread.call('remember', { who, verified, now });
    },
    recall: (label) => thread.call('recall', label),
    close: async () => {
      await group.idle();
      await thread.close();
    },
  };
}

function sizeOf({ letter }: Arrival): number {
  return Buffer.byteLength(letter.type === 'text' ? letter.text : letter.name);
}
