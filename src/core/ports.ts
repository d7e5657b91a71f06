import type { ErrorCode, ErrorParams, KelanaError } from './errors.ts';
import type { Verdict } from './events.ts';
import type { Layout } from './transfer/layout.ts';

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
 * peers), `no-proof` (the strategy never proves).
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
  manifest(cid: string): Promise<readonly Uint8Array[]>;
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
  manifest(cid: string): Promise<readonly Uint8Array[]>;
  /**
   * One whole block; fails with SOURCE_CHANGED where the file is no longer the one that was hashed. With `into` (of at
   * least the block's size) no memory is taken, and the result is the filled part of it.
   */
  readBlock(cid: string, index: number, into?: Uint8Array): Promise<Uint8Array>;
  /** The blocks that are there of a file that is still coming, one bit each, lowest first; null: all, or not shared. */
  have?(cid: string): Uint8Array | null;
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
  /** Opens a way to a provider's blocks; this node's own are opened as those of others. */
  open(provider: Provider, signal?: AbortSignal): Promise<BlockSession>;
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

/**
 * An open way to the blocks of one provider. Requests may be made without waiting for earlier ones, and are answered in
 * their order. **Nothing here is verified**: whoever asks checks each byte against its CID before using it.
 * Every method fails with a KelanaError: PEER_UNREACHABLE, TRANSFER_FAILED (`params.refusal` where the provider said
 * no: `not-here`, `busy`, `failed`), SOURCE_CHANGED, PEER_PROTOCOL (a breach: the provider lies).
 */
export interface BlockSession {
  readonly peer: string;
  readonly label: string;
  /** A connection of its own for bulk bytes, or a stream of libp2p where none can be had. */
  readonly via: 'lane' | 'stream';
  /** The DAG-PB nodes of a file or folder, root first; none where the root is itself the only (raw) block. */
  manifest(cid: string): Promise<readonly Uint8Array[]>;
  /** The first of them alone, empty where there is none: a listing of a large folder may be megabytes. */
  root(cid: string): Promise<Uint8Array>;
  /** The blocks it has of a file, one bit each, lowest bit first; null: all. */
  have(cid: string): Promise<Uint8Array | null>;
  /** Fills `into`, which has exactly the size of the block. */
  block(cid: string, index: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
  abort(why: string): void;
}

/** Memory of one block, shared with the thread that hashes and writes. */
export interface Slot {
  /** `TRANSFER.blockBytes` of shared memory. */
  readonly bytes: Uint8Array;
  /** Gives it back; `IncomingFile.write` does so itself. */
  release(): void;
}

/** A file on its way into the downloads folder; what is on the disk survives any end of the process. */
export interface IncomingFile {
  /** Set where the folder has this very file already: nothing is to be fetched. */
  readonly path: string | null;
  /** Blocks that were found on the disk and match their hash, one bit each, lowest bit first; kept up to date. */
  readonly have: Uint8Array;
  /** Waits for memory for one block: what bounds a download. */
  slot(signal?: AbortSignal): Promise<Slot>;
  /** Hashes the first bytes of the slot and, where they are block `index`, writes them; false where they are not. */
  write(index: number, slot: Slot): Promise<boolean>;
  /** Makes it durable and visible under its name, never over a different file; gives its path. */
  finish(): Promise<string>;
  /** Stops for now: what is there is used by the next download of the same CID. */
  suspend(): Promise<void>;
  /** Removes what was fetched. */
  abort(): Promise<void>;
}

/** A folder on its way into the downloads folder: it appears whole, under its name, or not at all. */
export interface IncomingFolder {
  /** Set where the downloads have this very folder already: nothing is to be fetched. */
  readonly path: string | null;
  /** Files that are on the disk and match their CID, one bit each in the order of the entries; kept up to date. */
  readonly have: Uint8Array;
  slot(signal?: AbortSignal): Promise<Slot>;
  /**
   * Hashes and writes files of one raw block each, which lie in the slot at their offsets; at most
   * `INCOMING.batchFiles`. Gives the indices of those whose bytes are wrong: they are not written.
   */
  write(files: readonly FilePiece[], slot: Slot): Promise<readonly number[]>;
  /** A file of several blocks, within this folder. Its `finish` gives it its place there. */
  file(index: number, layout: Layout): Promise<IncomingFile>;
  /** Makes all durable, and visible at once under a name that is free; gives its path. */
  finish(): Promise<string>;
  suspend(): Promise<void>;
  abort(): Promise<void>;
}

/** Where in a slot the bytes of entry `index` of a folder begin. */
export interface FilePiece {
  readonly index: number;
  readonly offset: number;
}

/** How a download from many goes on; the last one is `saved`. */
export type DownloadEvent =
  | {
      readonly type: 'progress';
      /** Bytes of the file that are on the disk. */
      readonly bytes: number;
      /** Who gave the last block; null where none came yet. */
      readonly from: Provider | null;
    }
  | {
      readonly type: 'saved';
      readonly path: string;
      /** Who gave blocks, with their bytes, most first; nobody where the folder had the file already. */
      readonly from: readonly { readonly provider: Provider; readonly bytes: number }[];
    };

/** Downloads files from all who have them, verified, into the downloads folder. */
export interface DownloadsPort {
  /**
   * Begins, or joins the same download where it is under way. Leaving the loop, or an abort, stops it when nobody else
   * waits for it; what came is used the next time.
   * `only`: patterns of the files of a folder that are wanted; none: all.
   * @throws KelanaError of the downloads folder, or why nobody gives the missing blocks; what `signal` was aborted with
   */
  fetch(
    file: Holding,
    providers: readonly Provider[],
    signal: AbortSignal,
    only?: readonly string[],
  ): AsyncGenerator<DownloadEvent, void, undefined>;
}

export const TRANSFER_STATES = ['queued', 'running', 'paused', 'waiting', 'done', 'failed'] as const;
export type TransferState = (typeof TRANSFER_STATES)[number];

/** A download that goes on by itself, also after a restart. Times are ms since the Unix epoch. */
export interface Transfer extends Holding {
  readonly id: number;
  readonly kind: 'file' | 'folder';
  /** 0 to `QUEUE.maxPriority`; higher ones first, equal ones in the order of their ids. */
  readonly priority: number;
  /** `waiting`: it failed for now, and is tried again at `retryAt`. */
  readonly state: TransferState;
  readonly retryAt: number | null;
  /** Attempts without a new block so far. */
  readonly tries: number;
  /** Why it waits or failed: SOURCE_CHANGED where all sources have other bytes now, BAD_BLOCK where they sent wrong ones. */
  readonly error: { readonly code: ErrorCode; readonly params: ErrorParams } | null;
  readonly providers: readonly Provider[];
  readonly addedAt: number;
  /** When it last got a block. */
  readonly progressAt: number;
  /** Bytes on the disk, as far as is known. */
  readonly bytes: number;
  /** Where it is, once it is done. */
  readonly path: string | null;
}

/** The downloads that a node does by itself. Methods with an id fail with NO_TRANSFER where there is none. */
export interface QueuePort {
  /** The same file is taken up once; what was failed or paused goes on. @throws KelanaError BUSY, DATABASE */
  add(file: Holding, providers: readonly Provider[]): Transfer;
  list(): readonly Transfer[];
  pause(id: number): Transfer;
  resume(id: number): Transfer;
  /** Forgets it, and removes what was fetched unless it is done. */
  cancel(id: number): Promise<void>;
  prioritise(id: number, priority: number): Transfer;
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
