import { KelanaError } from '../core/errors.ts';
import type { Holding, Provider } from '../core/ports.ts';
import type { BlockSession, IncomingFile, IncomingFolder } from '../core/transfer/ports.ts';
import type { Random } from '../core/random.ts';
import type { Sha256 } from '../core/transfer/cid.ts';
import type { Layout, Shape } from '../core/transfer/layout.ts';

/** `cid`: the only file that is asked for, where that is known: a search may just have been shown all of it. */
export type OpenBlocks = (provider: Provider, signal: AbortSignal, cid?: string) => Promise<BlockSession>;
/** Those who have a file, as a search hears of them; ends when the search does. */
export type FindProviders = (cid: string, signal: AbortSignal) => AsyncIterable<Provider>;

export interface SwarmOptions {
  readonly file: Holding;
  readonly open: OpenBlocks;
  readonly find?: FindProviders;
  /** Where the bytes go; called once, when the blocks of the file are known. */
  readonly incoming: (file: Holding, layout: Layout, signal: AbortSignal) => Promise<IncomingFile>;
  readonly sha256: Sha256;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly random: Random;
  /** Aborted with `DISCARD` it removes what was fetched; with anything else that is kept for the next time. */
  readonly signal: AbortSignal;
  /** A provider lied, which should be told to whoever keeps scores; or was lost, and the download goes on. */
  readonly onDropped?: (provider: Provider, error: KelanaError, liar: boolean) => void;
  readonly shape?: Shape;
  /** Asks providers who else fetches it, and gives to them what is there; false by default. */
  readonly together?: boolean;
}

/** A file of a folder, by the folder's listing. */
export interface FolderItem {
  /** Below the folder, with `/`. */
  readonly path: string;
  readonly cid: string;
  readonly size: number;
  /** SHA-256 of a file that is one block; null: it has a manifest. */
  readonly digest: Uint8Array | null;
}

/** Of a folder all that its DAG-PB nodes list; `listed` are the places of the items in it. */
export interface FolderListing {
  readonly whole: { readonly entries: readonly FolderItem[]; readonly folders: readonly string[] };
  readonly nodes: readonly Uint8Array[];
  readonly listed: readonly number[];
  readonly count: number;
  /** Paths of the folders that are to be there even where no file is in them. */
  readonly folders: readonly string[];
}

export interface FolderOptions extends Omit<SwarmOptions, 'incoming'> {
  /** Patterns of the files that are wanted; none: all. */
  readonly only: readonly string[];
  /** Where the files go; called once, when their names are known. */
  readonly incomingFolder: (
    file: Holding,
    items: readonly FolderItem[],
    signal: AbortSignal,
    listing: FolderListing,
  ) => Promise<IncomingFolder>;
}

/** Reason of an abort after which nothing is kept. */
export const DISCARD = new KelanaError('INTERRUPTED', { command: 'transfers' });

export interface Fetched {
  readonly path: string;
  /** Who gave blocks, with their bytes, most first; nobody where all was on the disk already. */
  readonly from: readonly { readonly provider: Provider; readonly bytes: number }[];
}

/** How far a download has come, in bytes. */
export interface Progress {
  /** On the disk, of what was asked for. */
  readonly bytes: number;
  /** Of what was asked for; null: not known yet. */
  readonly size: number | null;
  /** That came since it began. */
  readonly fetched: number;
  /** Who gave the last block. */
  readonly from: Provider | null;
}
