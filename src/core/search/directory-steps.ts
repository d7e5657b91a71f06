import type { Random } from '../random.ts';
import type { Contact } from '../wire/search-frames.ts';
import type { RecordHeader, SyncFrame } from '../wire/sync.ts';
import type { Crypto, Self } from './keeper.ts';
import type { PrintsView } from './search.ts';

export interface DirectorySettings extends Crypto {
  readonly self: Self;
  /** ms; default `PRINTS.resizeAfterMs`. */
  readonly resizeAfterMs?: number;
  /** log2 of the groups to begin with; left out, it is taken over from the first neighbours. */
  readonly bits?: number;
}

export type DirectoryInput =
  | ({ readonly type: 'link-up'; readonly bits: number } & Contact)
  | { readonly type: 'link-down'; readonly peer: string }
  | { readonly type: 'frame'; readonly from: string; readonly frame: SyncFrame }
  /** The own files have changed. `wall`: ms since 1970. */
  | {
      readonly type: 'library';
      readonly segments: readonly Uint8Array[];
      readonly partial: boolean;
      readonly wall: number;
    }
  /** Somebody said that this node exists. */
  | { readonly type: 'contact'; readonly contact: Contact }
  | { readonly type: 'contact-failed'; readonly peer: string }
  /** Keys of the peers closest to the own key that the DHT knows. */
  | { readonly type: 'density'; readonly keys: readonly number[] }
  /** Every `PRINTS.tickMs`. */
  | { readonly type: 'tick'; readonly wall: number }
  /** This node stops: what comes out is to be sent before. */
  | { readonly type: 'leave'; readonly wall: number };

export type DirectoryOutput =
  | {
      readonly type: 'send';
      readonly to: string;
      readonly frame: SyncFrame;
      /** Where a peer that is no neighbour can be dialled. */
      readonly addresses?: readonly string[];
    }
  | { readonly type: 'liar'; readonly peer: string; readonly why: string }
  /** A neighbour that sends no status: while there is a link to it, no miss can be proved. */
  | { readonly type: 'mute'; readonly peer: string }
  /** The members or the number of groups changed. */
  | { readonly type: 'changed' };

export interface Directory {
  /** `now`: ms, monotonic. */
  step(input: DirectoryInput, now: number, random: Random): readonly DirectoryOutput[];
  readonly view: PrintsView;
  /** Headers of all records held, the own one among them; and of one peer. */
  records(): RecordHeader[];
  record(peer: string): RecordHeader | undefined;
  /** Peers to tell others of. */
  sample(count: number, random: Random): Contact[];
  /** Bytes of segments held, as they are sent. */
  bytes(): number;
}
