import type { BeginAsk, Begun } from './begin-now.ts';

/**
 * Between a Writer and its thread. Memory goes over once, as shared memory, and files and slots then have numbers, so
 * that a block costs one small message each way. What has no `seq` gets no answer. Answers come in the order of the asks.
 */
export type Ask =
  | { readonly op: 'slot'; readonly slot: number; readonly bytes: SharedArrayBuffer }
  | ({ readonly op: 'open'; readonly file: number } & SharedFile)
  | { readonly op: 'close'; readonly file: number }
  | ({ readonly seq: number; readonly op: 'begin'; readonly file: number } & BeginFile)
  | { readonly seq: number; readonly op: 'block'; readonly file: number; index: number; slot: number }
  | ({ readonly seq: number; readonly op: 'check'; readonly file: number } & CheckAsk)
  | { readonly seq: number; readonly op: 'reserve'; readonly file: number; first: number; count: number }
  | ({ readonly seq: number; readonly op: 'put'; readonly slot: number } & SmallFiles)
  | ({ readonly seq: number; readonly op: 'look' } & SmallFiles)
  | { readonly seq: number; readonly op: 'sync'; readonly root: string; readonly paths: readonly string[] };

/** An open file of several blocks; descriptors belong to the whole process. */
export interface SharedFile {
  readonly fd: number;
  /** Descriptor of the bitmap; null where none is kept. */
  readonly bitsFd: number | null;
  /** Position of the first bit in it. */
  readonly bitsAt: number;
  /** One bit a block, lowest first; the thread sets them. */
  readonly have: SharedArrayBuffer;
  /** SHA-256 of each block. */
  readonly digests: SharedArrayBuffer;
  readonly size: number;
  readonly blockBytes: number;
}

/** A file that is yet to be made; the thread knows it from then on. */
export interface BeginFile {
  readonly begin: BeginAsk;
  readonly shared: Omit<SharedFile, 'fd' | 'bitsFd'>;
}

export interface CheckAsk {
  readonly first: number;
  readonly count: number;
  /** Blocks that the bitmap claims, one bit each from `first` on; all others are looked at only where bytes lie. */
  readonly claimed: Uint8Array;
  /** Writes what is right once more, so that the next fsync brings it to the disk for certain. */
  readonly rewrite: boolean;
}

export interface SmallFiles {
  /** Folder, absolute, that all paths lie in. */
  readonly root: string;
  readonly paths: readonly string[];
  readonly sizes: readonly number[];
  /** Where in the slot each begins; for `put`. */
  readonly offsets: readonly number[];
  /** SHA-256 of each, one after the other. */
  readonly digests: Uint8Array;
}

/** What became of a small file: not reached before an error, right and on the disk, wrong. */
export const STATE = { none: 0, right: 1, wrong: 2 } as const;

export interface Answer {
  readonly seq: number;
  /** `block`: 1 written, 0 wrong. `put`, `look`: a STATE for each file, also beside an error. `begin`: null for no. */
  readonly value: number | Uint8Array | Begun | null;
  readonly error?: { readonly code: string; readonly message: string };
}

/** What the thread is told at its start. */
export interface WriterData {
  /** INCOMING.tailBytes */
  readonly tailBytes: number;
}
