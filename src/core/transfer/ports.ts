import type { ErrorCode, ErrorParams } from '../errors.ts';
import type { BlockReader } from '../messages/ports.ts';
import type { Holding, Provider } from '../ports.ts';
import type { Layout } from './layout.ts';

/**
 * What transfers need of the overlay, which gives blocks, and of the library, which puts them on the disk.
 * All sizes are bytes, all times milliseconds unless a name says otherwise.
 */
/**
 * An open way to the blocks of one provider. Requests may be made without waiting for earlier ones, and are answered in
 * their order. **Nothing here is verified**: whoever asks checks each byte against its CID before using it.
 * Every method fails with a KelanaError: PEER_UNREACHABLE, TRANSFER_FAILED (`params.refusal` where the provider said
 * no: `not-here`, `busy`, `failed`), SOURCE_CHANGED, PEER_PROTOCOL (a breach: the provider lies).
 */
export interface BlockSession {
  /**
   * All of a file whose CID is the hash of its bytes, at most a block, unchecked; null where this is not the way to ask.
   * For who does not know its size yet. `coming` is called with its first byte.
   */
  whole?(cid: string, coming?: () => void): Promise<Uint8Array | null>;
  readonly peer: string;
  readonly label: string;
  /** A connection of its own for bulk bytes, or a stream of libp2p where none can be had. */
  readonly via: 'lane' | 'stream';
  /**
   * The DAG-PB nodes of a folder, root first; more than the largest one has are a breach. Of a file `nodes` gives them.
   */
  manifest(cid: string): Promise<readonly Uint8Array[]>;
  /**
   * The same of a file, one by one as they come; none where the root is itself the only (raw) block. `take` may keep what it
   * needs, not the node; what it throws ends the question, and is thrown here.
   */
  nodes(cid: string, take: (node: Uint8Array) => void): Promise<void>;
  /** One node of a file by its number, the root first, level by level. Who does not know this question says `not-here`. */
  node(cid: string, number: number): Promise<Uint8Array>;
  /** The first of them alone, empty where there is none: a listing of a large folder may be megabytes. */
  root(cid: string): Promise<Uint8Array>;
  /** The blocks it has of a file, one bit each, lowest bit first; null: all. Fails with `not-here` where it has none. */
  have(cid: string): Promise<Uint8Array | null>;
  /**
   * Others who fetch the same from it just now: hearsay. Who asks says by this that it gives to them what it has so far.
   */
  others?(cid: string): Promise<readonly Provider[]>;
  /** Fills `into`, which has exactly the size of the block. */
  block(cid: string, index: number, into: Into): Promise<void>;
  close(): Promise<void>;
  abort(why: string): void;
}

/** Where a block goes: its memory, or who gives that, of exactly `length` bytes, once the first of them has come. */
export type Into = Uint8Array | { readonly length: number; bytes(): Uint8Array };

export function memoryOf(into: Into): Uint8Array {
  return into instanceof Uint8Array ? into : into.bytes();
}

/**
 * Memory of one block, shared with the thread that hashes and writes: promised, and chosen at the first look at `bytes`.
 * Of all blocks that were asked for, those that are coming take memory, and not those that are on their way.
 */
export interface Slot {
  /** `TRANSFER.blockBytes` of shared memory; always the same of one slot. */
  readonly bytes: Uint8Array;
  /** Gives it back; `IncomingFile.write` does so itself. */
  release(): void;
}

/**
 * A file that is still coming, as others may fetch it: blocks that are on the disk, and match their hash whenever they
 * are read. `readBlock` fails with a RangeError for one that is not there (yet). Of a folder, `have` tells the files of
 * its listing that are whole; they are asked for by their own CIDs.
 */
export interface PartialReader extends BlockReader {
  /** One bit a block, lowest first; as it is now. */
  readonly have: Uint8Array;
}

/** A file on its way into the downloads folder; what is on the disk survives any end of the process. */
export interface IncomingFile {
  /** Set where the folder has this very file already: nothing is to be fetched. */
  readonly path: string | null;
  /** Blocks that were found on the disk and match their hash, one bit each, lowest bit first; kept up to date. */
  readonly have: Uint8Array;
  /** Memory for one block, at once where some is free: what bounds a download. */
  slot(signal?: AbortSignal): Slot | Promise<Slot>;
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
  slot(signal?: AbortSignal): Slot | Promise<Slot>;
  /**
   * Hashes and writes files of one raw block each, which lie in the slot at their offsets; at most
   * `INCOMING.batchFiles`. Gives the indices of those whose bytes are wrong: they are not written.
   */
  write(files: readonly FilePiece[], slot: Slot): Promise<readonly number[]>;
  /** A file of several blocks, within this folder. Its `finish` gives it its place there. */
  file(index: number, layout: Layout): Promise<IncomingFile>;
  /**
   * Makes all durable, and visible at once under a name that is free; gives its path. Fails with TRANSFER_FAILED,
   * `params.refusal` `gone`, where files that were here were changed meanwhile: opened again it lacks those alone.
   */
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
      /** Bytes of what was asked for that are on the disk. */
      readonly bytes: number;
      /** Bytes of what was asked for: of a folder those of the files that are wanted. */
      readonly size: number;
      /** Bytes that came since this call: what was there before is no part of it. */
      readonly fetched: number;
      /** Who gave the last block; null where none came yet. */
      readonly from: Provider | null;
    }
  | {
      readonly type: 'saved';
      readonly path: string;
      /** As of `progress`. */
      readonly size: number;
      readonly fetched: number;
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
  /**
   * A download of this may follow in a moment: what the disk has to do before its first byte is done meanwhile. Gives the
   * way to take that back, which does nothing once the download has begun, and resolves when nothing of it is left.
   */
  expect?(file: Holding): () => Promise<void>;
}

export const TRANSFER_STATES = ['queued', 'running', 'paused', 'waiting', 'done', 'failed'] as const;
export type TransferState = (typeof TRANSFER_STATES)[number];

/** A download that goes on by itself, also after a restart. Times are ms since the Unix epoch. */
export interface Transfer extends Holding {
  readonly id: number;
  readonly kind: 'file' | 'folder';
  /** Patterns of the files of a folder that are wanted; none: all. */
  readonly only: readonly string[];
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
  /** Bytes of what was asked for; null: not known yet, as of a part of a folder before its listing came. */
  readonly wanted: number | null;
  /** Where it is, once it is done. */
  readonly path: string | null;
}

/** The downloads that a node does by itself. Methods with an id fail with NO_TRANSFER where there is none. */
export interface QueuePort {
  /**
   * The same file, or the same part of a folder, is taken up once; what was failed or paused goes on.
   * @throws KelanaError BUSY, DATABASE
   */
  add(file: Holding, providers: readonly Provider[], only?: readonly string[]): Transfer;
  list(): readonly Transfer[];
  pause(id: number): Transfer;
  resume(id: number): Transfer;
  /** Forgets it, and removes what was fetched unless it is done. */
  cancel(id: number): Promise<void>;
  prioritise(id: number, priority: number): Transfer;
}
