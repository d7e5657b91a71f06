import type { KelanaError } from '../core/errors.ts';

/** What `send` reports while it works; the last is `delivered` (a message), `waiting`, `done`, `open` or `failed`. */
export type SendEvent =
  /** Files of what is sent that were read and hashed so far. */
  | { readonly type: 'reading'; readonly name: string; readonly files: number; readonly bytes: number }
  /** It is in the outbox, on the disk. */
  | {
      readonly type: 'queued';
      readonly no: number;
      readonly id: string;
      readonly peer: string;
      readonly label: string;
      readonly kind: 'text' | 'offer';
      readonly name: string;
      readonly size: number;
      readonly files: number;
      readonly cid: string;
    }
  /** The receiver has it: a message is acknowledged, of an offer it may now decide. */
  | { readonly type: 'delivered' }
  /** Not delivered now; the node tries again by itself until `expiresAt` (ms since 1970). `why` is for `whyText`. */
  | { readonly type: 'waiting'; readonly label: string; readonly why: string; readonly expiresAt: number }
  | { readonly type: 'accepted' }
  | { readonly type: 'progress'; readonly bytes: number; readonly size: number; readonly name: string }
  | { readonly type: 'done'; readonly bytes: number; readonly seconds: number }
  /** Delivered, but nobody decided, or it is not fetched yet, and the time to wait is over. */
  | { readonly type: 'open'; readonly state: string; readonly label: string }
  | { readonly type: 'failed'; readonly error: KelanaError };

/** What `inbox accept` reports; the last is `saved`, `waiting` or `failed`. */
export type AcceptEvent =
  | { readonly type: 'accepted'; readonly name: string; readonly label: string }
  | { readonly type: 'progress'; readonly bytes: number; readonly size: number; readonly name: string }
  | {
      readonly type: 'saved';
      readonly path: string;
      readonly name: string;
      readonly bytes: number;
      readonly files: number;
    }
  | { readonly type: 'waiting'; readonly label: string; readonly why: string }
  | { readonly type: 'failed'; readonly error: KelanaError };
