import type { KelanaError } from './errors.ts';
import type { Verdict } from './events.ts';
import type { Nodes } from './transfer/manifest.ts';
import type { BlockSession } from './transfer/ports.ts';

/**
 * What one room needs of another, as interfaces; `cli/commands` wires the real ones together.
 * All sizes are bytes, all times milliseconds unless a name says otherwise.
 */

/** What a file must be beside its name; a filter that is left out lets every file through. */
export interface Filters {
  /** Bytes, inclusive. */
  readonly minSize?: number;
  readonly maxSize?: number;
  /** Lower-case extensions without the dot, of which the file must have one; 1 to `SEARCH.maxTypes`. */
  readonly types?: readonly string[];
}

/** What a search looks for (core/search/query.ts reads it from text and decides what matches). */
export type Query = (
  | { readonly kind: 'name'; readonly name: string }
  /** Words as core/search/words.ts normalises them, 1 to `SEARCH.maxWords`; all must stand in one file's path. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** `*`, `?` and `[…]` against the base name, or against the path where the pattern has a `/`. */
  | { readonly kind: 'glob'; readonly pattern: string }
  | { readonly kind: 'cid'; readonly cid: string }
) & { readonly filters?: Filters };

export const STRATEGIES = ['auto', 'walk', 'walkers', 'flood', 'ring', 'dht', 'groups'] as const;
export type StrategyName = (typeof STRATEGIES)[number];

/** One file or folder of a library. `name` is its path below the shared folder, with `/`; that folder's own name is its base name. */
export interface Holding {
  readonly name: string;
  /** Of a folder: of all files in it and below it. */
  readonly size: number;
  /** CIDv1, base32. */
  readonly cid: string;
  /** A file where it is left out. */
  readonly kind?: 'file' | 'folder';
  /** Files in a folder and below it. */
  readonly files?: number;
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

/** A holder of a file that was found. */
export interface Provider {
  readonly peer: string;
  readonly label: string;
  readonly addresses: readonly string[];
}

/**
 * On what a verdict rests. `found`; `all-nodes`: every reachable node was asked; `all-prints`: every group's prints
 * were asked of a synced member; or why there is no proof: `lost` (nodes or tokens), `time`, `cancelled`, `unsynced`
 * (no synced member of some group), `scanning` (a node is still reading its own files), `alone` (cut off from all known
 * peers), `refused` (a node that has files lied and is asked nothing for now), `no-proof` (the strategy never proves).
 */
export type Ground =
  | 'found'
  | 'all-nodes'
  | 'all-prints'
  | 'lost'
  | 'time'
  | 'cancelled'
  | 'unsynced'
  | 'scanning'
  | 'alone'
  | 'refused'
  | 'no-proof';

export interface SearchOutcome {
  readonly verdict: Verdict;
  readonly ground: Ground;
  /** The strategy that gave the answer; never `auto`. */
  readonly strategy: StrategyName;
  /** Other nodes that were asked, directly or by their prints; this node's own library is always looked at first. */
  readonly asked: number;
  /** Labels or peer ids of the nodes behind which the answer is not known; empty unless `incomplete`. */
  readonly missing: readonly string[];
  /** How many there are, of which `missing` names the first `SEARCH.maxMissing`. */
  readonly missingCount: number;
  readonly messages: number;
  readonly elapsedMs: number;
  /** IPFS nodes that were asked as well, by `get` for a CID. */
  readonly ipfs?: number;
}

export type SearchEvent =
  | {
      readonly type: 'step';
      readonly peer: string;
      readonly label: string;
      readonly hops: number;
      readonly elapsedMs: number;
    }
  /** A file, once for each CID; holders that are heard of later follow as `provider`. */
  | ({
      readonly type: 'hit';
      readonly elapsedMs: number;
      readonly hops: number;
      /** How well it answers: 1 is the exact name or CID, above 0. */
      readonly score: number;
      readonly providers: readonly Provider[];
    } & Holding)
  | {
      readonly type: 'provider';
      readonly elapsedMs: number;
      readonly cid: string;
      readonly name: string;
      readonly hops: number;
      readonly provider: Provider;
    }
  | ({ readonly type: 'verdict' } & SearchOutcome);

export interface SearchOptions {
  /** Default `search.timeoutMs` of core/config.ts. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Default `auto`. */
  readonly strategy?: StrategyName;
  /** Hits that are enough (default `SEARCH.want`); 1 ends the search at the first holder. */
  readonly want?: number;
  /** Report each node as it is asked, with the time. */
  readonly trace?: boolean;
  /** Told at once of a file that somebody says to have, which is not proved yet and may be a lie. */
  readonly claimed?: (file: Holding) => void;
  /** Told at once when a holder has shown a file, before the event of it. */
  readonly proved?: (file: Holding, provider: Provider) => void;
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
   * itself the only (raw) block. Of a folder's CID: the nodes of all folders in it, each once (core/transfer/listing.ts).
   */
  /** The DAG-PB nodes of a file, each made when it is taken, or of a folder; none of a file of one block. */
  manifest(cid: string): Promise<Nodes>;
}

/** A block that is read in pieces, in their order: each is sent while it is still in the core's cache. */
export interface BlockPieces {
  /** Bytes of the block. */
  readonly size: number;
  /** Fills `into` with the bytes from `at` on, undefined where that is done at once. It fails as `readBlock` does. */
  read(into: Uint8Array, at: number): Promise<void> | undefined;
}

/** A library as the blocks protocol reads it: whole blocks by number. */
export interface BlockSourcePort {
  lookup(query: Query): readonly Holding[];
  list(): readonly Holding[];
  /** The folders that `lookup` finds by name and CID; not in `list`. */
  folders?(): readonly Holding[];
  /** Files are still being read that nobody can find yet; told by a call of the listeners when that changes. */
  scanning(): boolean;
  /** Calls `listener` after the set of files changed; gives the way to end this. */
  onChange(listener: () => void): () => void;
  /** The DAG-PB nodes of a file, each made when it is taken, or of a folder; none of a file of one block. */
  manifest(cid: string): Promise<Nodes>;
  /**
   * One whole block; fails with SOURCE_CHANGED where the file is no longer the one that was hashed. With `into` (of at
   * least the block's size) no memory is taken, and the result is the filled part of it.
   */
  readBlock(cid: string, index: number, into?: Uint8Array): Promise<Uint8Array>;
  /**
   * A small block at once, where the disk's cache has it: the bytes that were filled. null: `readBlock` says what it is.
   */
  readNow?(cid: string, index: number, into: Uint8Array): number | null;
  /** A block in pieces; null where it is better read whole. @throws as `readBlock` */
  pieces?(cid: string, index: number): BlockPieces | null;
}

/** A library that also takes files in, for the server's uploads. */
export interface WritableLibraryPort extends LibraryPort {
  /**
   * Streams a file in under `name` (a single path segment, checked); hashed on the way, fsynced and renamed before
   * it resolves. The same name with the same bytes is the same file; with other bytes it fails with FILE_EXISTS.
   */
  put(name: string, bytes: Bytes, signal?: AbortSignal): Promise<Holding>;
}

/** Part of what a node shares: files, and the folders they are in. */
export interface SharedPage {
  readonly entries: readonly Holding[];
  /** There are further ones. */
  readonly more: boolean;
  /** The node is still reading its files, of which it may share more later. */
  readonly scanning: boolean;
}

/** Other nodes as a person may look through them. */
export interface ListsPort {
  /**
   * What another node shares, in the order of names, in pages; one page is asked for ahead.
   * @throws KelanaError PEER_UNREACHABLE, NOT_KELANA (it gives no lists), PEER_PROTOCOL, TIMEOUT; the signal's reason
   */
  list(of: Provider, signal: AbortSignal): AsyncIterable<SharedPage>;
}

/** The overlay as servers, commands and the control socket see it. */
export interface OverlayPort {
  readonly peerId: string;
  readonly label: string;
  search(query: Query, options?: SearchOptions): AsyncIterable<SearchEvent>;
  /** Verified bytes of a hit, from its holder, in order; each block is checked against the CID before it is yielded. */
  fetch(hit: Hit, range?: ByteRange, signal?: AbortSignal): Bytes;
  /**
   * Opens a way to a provider's blocks; this node's own are opened as those of others. `cid`: nothing else is asked for,
   * so that what a search was shown of it a moment ago is given at once.
   */
  open(provider: Provider, signal?: AbortSignal, cid?: string): Promise<BlockSession>;
  neighbours(): readonly NeighbourInfo[];
  prints(): PrintsInfo;
}

/** What a node knows of the names of others. */
export interface PrintsInfo {
  /** log2 of the number of groups. */
  readonly bits: number;
  /** Nodes whose prints are here, this one included, and how many there are in all, estimated. */
  readonly members: number;
  readonly estimate: number;
  /** Of the prints, as they are sent. */
  readonly bytes: number;
  /** ms since the prints were known to be whole; null: never. */
  readonly ageMs: number | null;
  /** Nodes in the DHT's table. */
  readonly dht: number;
}

/** What goes one way, up or down. */
export interface TrafficInfo {
  /** Bytes a second that may pass now; null: no limit. */
  readonly limit: number | null;
  /** The mean of the last `LIMITS.meterMs`. */
  readonly bytesPerSecond: number;
  /** Since the start. */
  readonly bytes: number;
  /** Turns that wait for the limit. */
  readonly waiting: number;
}

/** A limit of bandwidth as people see it, and what it has to do. */
export interface LimitInfo {
  /** As it was written (core/transfer/limits.ts). */
  readonly limit: string;
  /** What the next start of the node would begin with. */
  readonly afterRestart: string;
  /** Bytes a second that may pass now; null: no limit. And when that changes next: ISO 8601, UTC; null: never. */
  readonly bytesPerSecond: number | null;
  readonly changesAt: string | null;
  /** What passed: the mean of the last seconds, and since the start. */
  readonly movedBytesPerSecond: number;
  readonly movedBytes: number;
  /** Turns that wait for the limit. */
  readonly waiting: number;
}

export interface LimitsInfo {
  readonly up: LimitInfo;
  readonly down: LimitInfo;
}

export interface NeighbourInfo {
  readonly peer: string;
  readonly label: string;
  readonly address: string;
  readonly direction: 'inbound' | 'outbound';
  readonly sinceMs: number;
}

/** A block of something shared: a leaf or a node of its UnixFS tree. */
export interface SharedBlock {
  /** A file that it is of. */
  readonly file: Holding;
  /** Bytes; null for a node, which is made when it is read. */
  readonly size: number | null;
  /** Its bytes, checked against its hash; null where the file changed or went away meanwhile, or cannot be read. */
  read(): Promise<Uint8Array | null>;
}

/** What is shared, as IPFS nodes ask for it: by the SHA-256 of a single block. */
export interface SharedBlocksPort {
  find(digest: Uint8Array): SharedBlock | null;
}

/** A file that an IPFS node has, whose root block came and is verified. */
export interface IpfsFile extends Holding {
  readonly provider: Provider;
  /** Verified bytes in order, in pieces of up to 2 MiB; to be read once. @throws KelanaError */
  bytes(): Bytes;
}

export interface IpfsAnswer {
  readonly file: IpfsFile | null;
  /** Nodes that were asked. */
  readonly asked: number;
  /** Labels of those that gave no answer in time: they may have it. */
  readonly missing: readonly string[];
  /** Why an address that was given could not be asked at all, or why what it has is no file; the first such reason. */
  readonly error: KelanaError | null;
  /** To be called once the file was read, or is not wanted. */
  close(): Promise<void>;
}

/** IPFS nodes as a source of files. */
export interface IpfsPort {
  /**
   * Asks the nodes at these addresses, and those connected that speak bitswap, for a file. Rejects only with the
   * signal's reason.
   */
  find(cid: string, addresses: readonly string[], signal?: AbortSignal): Promise<IpfsAnswer>;
}

/** A file on its way into the downloads folder, in the order of its bytes. */
export interface StreamedDownload {
  /** Bytes must have been verified: what is written here is what the person gets. */
  write(bytes: Uint8Array): Promise<void>;
  /** Makes it durable and visible; gives the path it has, which differs from the name where another file had it. */
  finish(): Promise<string>;
  /** Removes the temporary file. Safe to call at any time. */
  abort(): Promise<void>;
}

/** How `get` looks for a file. */
export interface GetHow extends SearchOptions {
  /** Addresses of IPFS nodes to ask for a CID that no kelana node has. */
  readonly ipfs?: readonly string[];
  /** Hands what was found to the queue of the node. */
  readonly background?: boolean;
  /** Of a folder only the files that match one of these patterns. */
  readonly only?: readonly string[];
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
