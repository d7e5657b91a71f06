import { SEARCH } from '../config.ts';
import { sum } from './origin.ts';
import type { Outcome } from './search.ts';

/** A miss says nothing of nodes that have files and are refused: whatever else they share, nobody asked them for it. */
export function withRefused(outcome: Outcome, labels: readonly string[]): Outcome {
  if (outcome.verdict === 'found' || labels.length === 0) return outcome;
  return {
    ...outcome,
    verdict: 'incomplete',
    ground: outcome.verdict === 'absent' ? 'refused' : outcome.ground,
    missing: [...outcome.missing, ...labels].slice(0, SEARCH.maxMissing),
    missingCount: sum(outcome.missingCount, labels.length),
  };
}
