import { MESSAGES } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { InboxItem, OutboxItem, PostPort } from '../core/messages/ports.ts';
import { shownName } from '../core/names.ts';
import type { Provider } from '../core/ports.ts';
import { whyText } from '../core/messages/why.ts';
import type { AcceptEvent, SendEvent } from './mail-events.ts';
import type { Fetching } from './fetching.ts';
import type { MailDesk } from './mail-desk.ts';
import { sendLetter, type SendingOptions, type SendRequest } from './sending.ts';
import { whoIs } from './who.ts';

export interface InboxView {
  readonly items: readonly InboxItem[];
  /** In the whole inbox. */
  readonly counts: { readonly items: number; readonly bytes: number; readonly unread: number };
}

/** What commands may ask of a node's inbox and outbox. */
export interface MailControls {
  send(request: SendRequest, signal: AbortSignal): AsyncIterable<SendEvent>;
  inbox(options: { unread: boolean; limit: number }): Promise<InboxView>;
  outbox(limit: number): Promise<readonly OutboxItem[]>;
  /** What comes in from now on, until the signal. */
  follow(signal: AbortSignal): AsyncIterable<InboxItem>;
  /** Accepts an offer and tells how the fetch goes; it goes on when nobody reads. */
  accept(no: number, signal: AbortSignal): AsyncIterable<AcceptEvent>;
  refuse(no: number): Promise<InboxItem>;
  /** Whole messages, which now count as read. @throws KelanaError NO_SUCH_ITEM */
  read(nos: readonly number[]): Promise<readonly InboxItem[]>;
  markAllRead(): Promise<number>;
  /** The node that a person names; as `whoIs`. */
  who(text: string, signal: AbortSignal, command: string): Promise<Provider>;
  /** @throws KelanaError NO_SUCH_ITEM */
  remove(nos: readonly number[]): Promise<number>;
}

export interface MailOptions extends SendingOptions {
  readonly post: PostPort;
  readonly desk: MailDesk;
  readonly fetching: Fetching;
}

/** ms between looks for what is new where nothing told of it. */
const FOLLOW_MS = 5_000;

export function mailControls(options: MailOptions): MailControls {
  const { post, desk, changes } = options;
  const itemOf = async (no: number): Promise<InboxItem> => {
    const item = await post.item(no);
    if (item === null) throw new KelanaError('NO_SUCH_ITEM', { no });
    return item;
  };
  return {
    send: (request, signal) => sendLetter(options, request, signal),
    inbox: async ({ unread, limit }) => {
      const [items, counts] = await Promise.all([post.inbox({ unread, limit }), post.counts()]);
      return { items, counts };
    },
    outbox: (limit) => post.outbox(limit),
    follow: async function* (signal) {
      let after = (await post.inbox({ limit: 1 })).at(-1)?.no ?? 0;
      while (!signal.aborted) {
        const version = changes.version;
        const items = await post.inbox({ after, limit: MESSAGES.listed });
        for (const item of items) {
          yield item;
          after = item.no;
        }
        if (items.length === 0) await changes.after(version, FOLLOW_MS, signal);
      }
    },
    accept: (no, signal) => accept(options, no, signal),
    refuse: (no) => desk.decide(no, 'refused'),
    read: async (nos) => {
      await Promise.all(nos.map(itemOf));
      await post.markRead(nos);
      return await Promise.all(nos.map(itemOf));
    },
    markAllRead: () => post.markRead(null),
    who: (text, signal, command) => whoIs(options, text, signal, command),
    remove: async (nos) => {
      for (const no of nos) {
        const item = await itemOf(no);
        if (item.state === 'accepted') throw new KelanaError('NO_OFFER', { no, what: UNDER_WAY });
      }
      const removed = await post.remove(nos);
      changes.tell();
      return removed;
    },
  };
}

const UNDER_WAY = { id: 'sedang diambil', en: 'is being fetched' };

async function* accept(options: MailOptions, no: number, signal: AbortSignal): AsyncGenerator<AcceptEvent> {
  const { post, desk, fetching, changes } = options;
  const before = await post.item(no);
  // Accepted before: tell how that goes.
  const item = before?.state === 'accepted' ? before : await desk.decide(no, 'accepted');
  yield { type: 'accepted', name: item.text, label: item.label };
  let bytes = -1;
  while (!signal.aborted) {
    const version = changes.version;
    const now = await post.item(no);
    if (now?.state === 'done') {
      yield { type: 'saved', path: now.path ?? '', name: now.text, bytes: now.size, files: now.files };
      return;
    }
    if (now?.state !== 'accepted') {
      const why = reasonOf(now);
      yield { type: 'failed', error: why };
      return;
    }
    const fetch = fetching.get(no);
    if (fetch !== undefined && fetch.waiting !== null) {
      yield { type: 'waiting', label: item.label, why: fetch.waiting };
      return;
    }
    const done = Math.min(item.size, fetch?.bytes ?? 0);
    if (done !== bytes) yield { type: 'progress', bytes: done, size: item.size, name: item.text };
    bytes = done;
    await changes.after(version, MESSAGES.progressMs, signal);
  }
}

function reasonOf(item: InboxItem | null): KelanaError {
  if (item?.why === null || item?.why === undefined)
    return new KelanaError('NO_SUCH_ITEM', { no: item?.no ?? 0 });
  return new KelanaError('OFFER_LOST', {
    name: shownName(item.text),
    peer: item.label,
    why: whyText(item.why),
  });
}
