import type { Goal } from './figures.ts';
import type { Workshop } from './workshop.ts';

/** What every row is given. */
export interface Setting {
  readonly workshop: Workshop;
  readonly progress: (text: string) => void;
  /** Measured repetitions. */
  readonly runs: number;
  /** Bytes of the large file. */
  readonly size: number;
  /** Seconds that a node is left alone before its memory is read. */
  readonly idleSeconds: number;
  /** Contenders wanted beside kelana; null: all. */
  readonly peers: readonly string[] | null;
}

/** What a row found. */
export interface Section {
  readonly row: string;
  readonly title: string;
  readonly table: string;
  /** The figures of the table, for programs. */
  readonly figures: unknown;
  readonly goals: readonly Goal[];
  /** What was not measured, and why. */
  readonly skipped: readonly string[];
}
