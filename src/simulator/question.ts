import type { Holding, Query } from '../core/ports.ts';

/** One query and the truth about it. */
export interface Question {
  readonly query: Query;
  readonly holders: Uint32Array;
  /** Nodes that hold nothing but whose prints say that they may. */
  readonly suspects: Uint32Array;
  /** What a holder has of it. */
  holdings(node: number): readonly Holding[];
}

/** What the nodes hold, and what is asked. Question `n` of a seed is always the same, whatever was asked before. */
export interface Content {
  question(number: number): Question;
}
