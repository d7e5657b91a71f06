import { InboxStore } from './inbox-store.ts';
import { KnownStore } from './known-store.ts';
import { OutboxStore } from './outbox-store.ts';
import type { PostCalls } from './post-calls.ts';
import { Statements } from './post-file.ts';
import { serve } from './serve.ts';

/** The thread of a node's inbox and outbox. */
serve<PostCalls>(({ path, busyTimeoutMs }) => {
  const file = new Statements(path, busyTimeoutMs);
  const [inbox, outbox, known] = [new InboxStore(file), new OutboxStore(file), new KnownStore(file)];
  return {
    receive: (arrivals) => inbox.receive(arrivals),
    inbox: (options) => inbox.list(options),
    item: (no) => inbox.item(no),
    counts: () => inbox.counts(),
    decide: ({ no, from, to, more, tell }) =>
      file.write((sql) => {
        const item = inbox.decide(sql, no, from, to, more);
        if (item !== null && tell !== null) outbox.queueAnswer(sql, item, to, tell);
        return item;
      }),
    markRead: (nos) => inbox.markRead(nos),
    remove: (nos) => inbox.remove(nos),
    accepted: () => inbox.accepted(),
    queue: (letter) => outbox.queue(letter),
    outbox: (limit) => outbox.list(limit),
    outItem: (no) => outbox.item(no),
    due: () => outbox.due(),
    duePeers: (now) => outbox.duePeers(now),
    waiting: (peer) => outbox.waiting(peer),
    settle: ({ no, revision, state, why }) => outbox.settle(no, revision, state, why),
    postpone: ({ peer, nextAt, why }) => outbox.postpone(peer, nextAt, why),
    answered: ({ peer, id, answer }) => outbox.answered(peer, id, answer),
    expire: (now) => outbox.expire(now),
    grants: () => outbox.grants(),
    remember: ({ who, verified, now }) => known.remember(who, verified, now),
    recall: (label) => known.recall(label),
    close: () => file.close(),
  };
});
