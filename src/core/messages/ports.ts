import type { BlockSourcePort, Provider } from '../ports.ts';
import type { Letter, OfferAnswer, ReceiptCode } from '../wire/messages.ts';

/** What rooms need of each other for messages and offers between nodes; as core/ports.ts, of which this is a part. */

/** What an item of the inbox or outbox is, whoever sent it. */
interface LetterItem {
  /** Number by which this node's person calls it; grows. */
  readonly no: number;
  /** The other side. */
  readonly peer: string;
  readonly label: string;
  /** As `Letter.id`. */
  readonly id: string;
  /** The text of a message, the name of an offer. */
  readonly text: string;
  /** Of an offer; 0 and empty of a message. */
  readonly size: number;
  readonly cid: string;
  readonly files: number;
  /** Why it stands as it does: a receipt code, `expired`, or a KelanaError as JSON; null where there is nothing to say. */
  readonly why: string | null;
}

export interface InboxItem extends LetterItem {
  readonly kind: 'text' | 'offer';
  readonly addresses: readonly string[];
  /** `unread` and `read` of a message; `open` is an offer that nobody decided yet. */
  readonly state: 'unread' | 'read' | 'open' | OfferAnswer;
  /** ms since 1970, by the sender's clock and by ours. */
  readonly sentAt: number;
  readonly receivedAt: number;
  /** Where an accepted offer is stored, from the moment that this is known. */
  readonly path: string | null;
}

export interface OutboxItem extends LetterItem {
  readonly kind: 'text' | 'offer' | 'answer';
  readonly addresses: readonly string[];
  readonly state: 'waiting' | 'delivered' | OfferAnswer;
  readonly answer: OfferAnswer | null;
  /** ms since 1970. */
  readonly createdAt: number;
  readonly expiresAt: number;
  readonly nextAt: number;
  readonly attempts: number;
  /** Grows when a newer answer takes the place of an older one. */
  readonly revision: number;
}

/** A file that one receiver may read, as it was when it was hashed. */
export interface PrivateFile {
  /** Of the file, or its path below the folder that is sent. */
  readonly name: string;
  /** Absolute. */
  readonly path: string;
  readonly size: number;
  /** Tells this content of the file from any later one. */
  readonly identity: string;
  readonly cid: string;
  /** SHA-256 of each block, concatenated. */
  readonly digests: Uint8Array;
}

/** A folder that one receiver may read. */
export interface PrivateFolder {
  readonly name: string;
  /** Their names are paths below it, with `/`. */
  readonly files: readonly PrivateFile[];
  /** Paths of the folders below it in which there is nothing. */
  readonly folders: readonly string[];
}

/** Reads blocks of files that are open to one peer only. */
export type BlockReader = Pick<BlockSourcePort, 'manifest' | 'readBlock'> & {
  readonly name: string;
};

/**
 * Files outside the shared folders that single peers may fetch, because they are being sent to them. A group is what
 * is opened and closed together: what one offer is of.
 */
export interface PrivateHoldingsPort {
  /** Opens a file to `peer`, and to nobody else. @throws KelanaError BUSY (too many are open) */
  allow(peer: string, group: string, file: PrivateFile): void;
  /** Opens what was hashed before; a file that is another by now is refused when it is read. */
  restore(peer: string, group: string, file: PrivateFile): void;
  /**
   * Opens the directory of a folder, whose files are open already; gives its CID.
   * @throws KelanaError TOO_MANY_FILES
   */
  allowFolder(peer: string, group: string, folder: PrivateFolder, signal?: AbortSignal): Promise<string>;
  revoke(peer: string, group: string): void;
  /** For the blocks protocol. */
  visible(peer: string, cid: string): BlockReader | undefined;
  /** Bytes of the group's files that the peer has read so far. */
  sent(peer: string, group: string): number;
}

/** A new letter for the outbox. */
export interface NewLetter {
  readonly to: Provider;
  readonly letter: Letter;
  /** ms since 1970. */
  readonly now: number;
  readonly expiresAt: number;
  /** What the receiver of an offer may read, and the empty folders of one that is sent. */
  readonly holdings: readonly PrivateFile[];
  readonly folders: readonly string[];
}

export interface Grant extends Pick<NewLetter, 'holdings' | 'folders'> {
  readonly item: OutboxItem;
}

export interface Arrival {
  readonly from: Provider;
  readonly letter: Exclude<Letter, { type: 'answer' }>;
  readonly now: number;
}

/** What became of an arrival; `item` where it is new. */
export interface Received {
  readonly code: ReceiptCode;
  readonly item: InboxItem | null;
}

/** The durable inbox and outbox of a node. Every promise resolves after the commit; errors are those of MailboxPort. */
export interface PostPort {
  receive(arrival: Arrival): Promise<Received>;
  /** Newest last; `after` a number, `unread`: only unread messages and open offers. */
  inbox(options: { after?: number; unread?: boolean; limit: number }): Promise<readonly InboxItem[]>;
  item(no: number): Promise<InboxItem | null>;
  /** Items and bytes there are, and unread ones. */
  counts(): Promise<{ items: number; bytes: number; unread: number }>;
  /**
   * Sets the state of an offer where it is one of `from`; null where it is not. With `tell` the sender gets the answer:
   * it goes into the outbox in the same transaction.
   */
  decide(
    no: number,
    from: readonly InboxItem['state'][],
    to: OfferAnswer,
    more: { why?: string; path?: string },
    tell: { now: number; expiresAt: number } | null,
  ): Promise<InboxItem | null>;
  /** Messages that now are read; null: all of them. */
  markRead(nos: readonly number[] | null): Promise<number>;
  /** Removes items but remembers their ids; offers that are being fetched stay. */
  remove(nos: readonly number[]): Promise<number>;
  /** Offers that were accepted and are not done. */
  accepted(): Promise<readonly InboxItem[]>;
  /** @throws KelanaError OUTBOX_FULL */
  queue(letter: NewLetter): Promise<OutboxItem>;
  outbox(limit: number): Promise<readonly OutboxItem[]>;
  outItem(no: number): Promise<OutboxItem | null>;
  /** When the next letter is due, ms since 1970; and all peers that letters wait for. */
  due(): Promise<{ at: number | null; peers: readonly string[] }>;
  /** Peers of letters that are due. */
  duePeers(now: number): Promise<readonly string[]>;
  /** The oldest letters that wait for a peer, as many as may be under way. */
  waiting(peer: string): Promise<readonly OutboxItem[]>;
  /** A letter was delivered or refused; nothing where a newer revision took its place. */
  settle(
    no: number,
    revision: number,
    state: OutboxItem['state'],
    why: string | null,
  ): Promise<OutboxItem | null>;
  /** All letters for a peer wait until `nextAt`. */
  postpone(peer: string, nextAt: number, why: string): Promise<void>;
  /** The receiver of an offer of ours answered; null where there is no such offer. What has ended stays as it is. */
  answered(
    peer: string,
    id: string,
    answer: OfferAnswer,
  ): Promise<{ item: OutboxItem; changed: boolean } | null>;
  /** Gives up what is too old. */
  expire(now: number): Promise<readonly OutboxItem[]>;
  /** Offers that are not done, with what their receivers may read. */
  grants(): Promise<readonly Grant[]>;
  /** Remembers who answers at an address; `verified`: we dialled it. */
  remember(who: Provider, verified: boolean, now: number): Promise<void>;
  recall(label: string): Promise<Provider | null>;
  close(): Promise<void>;
}

/** Letters as the overlay carries them. */
export interface CarrierPort {
  readonly peerId: string;
  readonly label: string;
  /** Sends over the stream that there is, or opens one. @throws KelanaError PEER_UNREACHABLE, PEER_PROTOCOL */
  deliver(to: Provider, letter: Letter, signal: AbortSignal): Promise<ReceiptCode>;
  /**
   * Who is meant by a label, `host:port`, multiaddr or peer id; dials an address without a peer id to see who is there.
   * `command` is the one that asks, for the example of an error.
   * @throws KelanaError BAD_VALUE, PEER_UNREACHABLE
   */
  find(
    text: string,
    signal: AbortSignal,
    command?: string,
  ): Promise<Provider & { readonly verified: boolean }>;
  /** What is known of a peer now. */
  whereabouts(peer: string): Promise<Provider>;
  linked(peer: string): boolean;
}

/**
 * What the overlay tells of a peer. `dialled`: it answered at the address that its label says; `linked`: a neighbour
 * that says to listen there; `seen`: a connection of it, or hearsay.
 */
export type News = 'dialled' | 'linked' | 'seen';

/** What the overlay tells of letters. */
export interface LettersPort {
  /** Resolves once the letter is safe, or refused; a rejection is a receipt `failed`. */
  take(from: Provider, letter: Letter): Promise<ReceiptCode>;
  /** There may be letters for it. Must not throw. */
  heard(who: Provider, news: News): void;
}

/** Who delivers what waits in the outbox. */
export interface PostmanPort {
  /** There is a new letter for this peer. */
  queued(peer: string): void;
  heard(who: Provider, news: News): void;
}
