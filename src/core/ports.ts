import type { Verdict } from './events.ts';

/**
 * What one room needs of another, as interfaces; `cli/commands` wires the real ones together.
 * All sizes are bytes, all times milliseconds unless a name says otherwise.
 */

/** What a search looks for. Issue by issue this union grows; every strategy and the wire carry it whole. */
export type Query =
  { readonly kind: 'name'; readonly name: string } | { readonly kind: 'cid'; readonly cid: string };

/** One file of a library. `name` is its path below the shared folder, with `/`. */
export interface Holding {
  readonly name: string;
  readonly size: number;
  /** CIDv1, base32. */
  readonly cid: string;
}

/** A file found at a node. */
export interface Hit extends Holding {
  /** Peer id (base58) of the holder. */
  readonly peer: string;
  /** What a person calls the holder, for example `localhost:5002`. */
  readonly label: string;
  /** Multiaddrs at which the holder can be dialled. */
  readonly addresses: readonly string[];
  /** Links the token had crossed when it reached the holder; 0 is this node itself. */
  readonly hops: number;
}

export interface SearchOutcome {
  readonly verdict: Verdict;
  /** Other nodes that were asked; this node's own library is always looked at first and not counted. */
  readonly asked: number;
  /** Labels or peer ids of the nodes behind which the answer is not known; empty unless `incomplete`. */
  readonly missing: readonly string[];
  readonly messages: number;
  readonly elapsedMs: number;
}

export type SearchEvent =
  | {
      readonly type: 'step';
      readonly peer: string;
      readonly label: string;
      readonly hops: number;
      readonly elapsedMs: number;
    }
  | ({ readonly type: 'hit'; readonly elapsedMs: number } & Hit)
  | ({ readonly type: 'verdict' } & SearchOutcome);

export interface SearchOptions {
  /** Default `search.timeoutMs` of core/config.ts. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A byte range, both ends inclusive, as in RFC 9110 section 14.1.2. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export type Bytes = AsyncIterable<Uint8Array>;

/** The files a node or server shares. */
export interface LibraryPort {
  /** Exact matches for a query (base name, path or CID); bounded by `library.maxMatches`. */
  lookup(query: Query): readonly Holding[];
  list(): readonly Holding[];
  /** Reads bytes of a shared file; fails with SOURCE_CHANGED where the file is no longer the one that was hashed. */
  read(cid: string, range?: ByteRange): Bytes;
  /**
   * The DAG-PB nodes of a file's CID, root first, so that a receiver can check top down; empty where the root is
   * itself the only (raw) block.
   */
  manifest(cid: string): Promise<readonly Uint8Array[]>;
}

/** A library as the blocks protocol reads it: whole blocks by number. */
export interface BlockSourcePort {
  lookup(query: Query): readonly Holding[];
  manifest(cid: string): Promise<readonly Uint8Array[]>;
  /** One whole block; fails with SOURCE_CHANGED where the file is no longer the one that was hashed. */
  readBlock(cid: string, index: number): Promise<Uint8Array>;
}

/** A library that also takes files in, for the server's uploads. */
export interface WritableLibraryPort extends LibraryPort {
  /**
   * Streams a file in under `name` (a single path segment, checked); hashed on the way, fsynced and renamed before
   * it resolves. The same name with the same bytes is the same file; with other bytes it fails with FILE_EXISTS.
   */
  put(name: string, bytes: Bytes, signal?: AbortSignal): Promise<Holding>;
}

/** The overlay as servers, commands and the control socket see it. */
export interface OverlayPort {
  readonly peerId: string;
  readonly label: string;
  search(query: Query, options?: SearchOptions): AsyncIterable<SearchEvent>;
  /** Verified bytes of a hit, from its holder, in order; each block is checked against the CID before it is yielded. */
  fetch(hit: Hit, range?: ByteRange, signal?: AbortSignal): Bytes;
  neighbours(): readonly NeighbourInfo[];
}

export interface NeighbourInfo {
  readonly peer: string;
  readonly label: string;
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
  readonly sinceMs: number;
}

/** A file on its way into the downloads folder, under a temporary name until it is whole. */
export interface Download {
  /** Blocks must have been verified: what is written here is what the person gets. */
  write(index: number, bytes: Uint8Array): Promise<void>;
  /** Makes it durable and visible; gives the path it has, which differs from the name where another file had it. */
  finish(): Promise<string>;
  /** Removes the temporary file. Safe to call at any time. */
  abort(): Promise<void>;
}

/** A durable message. `id` grows in the order of acknowledgement. */
export interface MailboxMessage {
  readonly id: number;
  readonly text: string;
  readonly room: string;
  readonly to: string | null;
  /** Name of the server that acknowledged it. */
  readonly server: string;
  /** ISO 8601, UTC, milliseconds. */
  readonly receivedAt: string;
}

export interface NewMessage {
  readonly text: string;
  readonly room: string;
  readonly to: string | null;
  readonly server: string;
  /** From the `Idempotency-Key` header: a second append with the same key returns the first message. */
  readonly idempotencyKey: string | null;
}

export interface MailboxPort {
  /** Resolves after the commit is on disk. */
  append(message: NewMessage): Promise<{ message: MailboxMessage; repeated: boolean }>;
  /**
   * Messages with an id above `after`, oldest first, at most `limit`; fewer where their texts would be more than
   * `mailbox.pageBytes`, none only where there are none. Never skips: when a message is visible, all before it are.
   */
  list(after: number, limit: number, room?: string): Promise<readonly MailboxMessage[]>;
  /** Id of the newest message, 0 where there is none. */
  latest(): Promise<number>;
  /** Fails with the error an append would fail with; for health checks. */
  check(): Promise<void>;
  close(): Promise<void>;
}
