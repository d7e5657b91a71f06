import type { RefusedNames } from './reports.ts';

/** What one look at all that is shared, or at one path, has come to. */
export interface Scan extends RefusedNames {
  readonly number: number;
  readonly work: Set<Promise<void>>;
  looked: number;
  refused: number;
  postponed: number;
  firstRefused: RefusedNames['firstRefused'];
  walkMs: number;
}

export function newScan(number: number): Scan {
  return { number, work: new Set(), looked: 0, refused: 0, postponed: 0, firstRefused: null, walkMs: 0 };
}
