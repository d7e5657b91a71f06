import type { Arrival, Grant, InboxItem, NewLetter, OutboxItem, Received } from '../core/messages/ports.ts';
import type { Provider } from '../core/ports.ts';
import type { OfferAnswer } from '../core/wire/messages.ts';

/** What the thread of the inbox and outbox is asked, and how it answers (core/messages/ports.ts, PostPort). */
export interface PostCalls {
  receive: { ask: readonly Arrival[]; answer: readonly Received[] };
  inbox: { ask: { after?: number; unread?: boolean; limit: number }; answer: readonly InboxItem[] };
  item: { ask: number; answer: InboxItem | null };
  counts: { ask: null; answer: { items: number; bytes: number; unread: number } };
  decide: {
    ask: {
      readonly no: number;
      readonly from: readonly InboxItem['state'][];
      readonly to: OfferAnswer;
      readonly more: { why?: string; path?: string };
      readonly tell: { now: number; expiresAt: number } | null;
    };
    answer: InboxItem | null;
  };
  markRead: { ask: readonly number[] | null; answer: number };
  remove: { ask: readonly number[]; answer: number };
  accepted: { ask: null; answer: readonly InboxItem[] };
  queue: { ask: NewLetter; answer: OutboxItem };
  outbox: { ask: number; answer: readonly OutboxItem[] };
  outItem: { ask: number; answer: OutboxItem | null };
  due: { ask: null; answer: { at: number | null; peers: readonly string[] } };
  duePeers: { ask: number; answer: readonly string[] };
  waiting: { ask: string; answer: readonly OutboxItem[] };
  settle: {
    ask: {
      readonly no: number;
      readonly revision: number;
      readonly state: OutboxItem['state'];
      readonly why: string | null;
    };
    answer: OutboxItem | null;
  };
  postpone: { ask: { readonly peer: string; readonly nextAt: number; readonly why: string }; answer: null };
  answered: {
    ask: { readonly peer: string; readonly id: string; readonly answer: OfferAnswer };
    answer: { item: OutboxItem; changed: boolean } | null;
  };
  expire: { ask: number; answer: readonly OutboxItem[] };
  grants: { ask: null; answer: readonly Grant[] };
  remember: {
    ask: { readonly who: Provider; readonly verified: boolean; readonly now: number };
    answer: null;
  };
  recall: { ask: string; answer: Provider | null };
}
