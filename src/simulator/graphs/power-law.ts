import type { Random } from '../../core/random.ts';
import type { Graph } from '../graph.ts';
import { withDegrees } from './degrees.ts';
import { exactly } from './exactly.ts';

/** The i-th best connected of n nodes has (SCALE·n / i)^EXPONENT links (Lv et al. 2002: exponent 0.8). */
const EXPONENT = 0.8;
const SCALE = 1.092;
/** Nodes made for each that the largest component keeps. */
const MADE = 1.0834;

/**
 * The power-law random graph of Lv et al. 2002: 9,230 nodes, 20,599 links, mean degree 4.46, most 1,746, median 1.
 * The mean and the median do not depend on the size; the largest degree grows as nodes^0.8.
 */
export function powerLawGraph(nodes: number, random: Random): Graph {
  const all = Math.round(nodes * MADE);
  const degrees = Uint32Array.from({ length: all }, (_, rank) =>
    Math.min(all - 1, Math.max(1, Math.floor(((SCALE * all) / (rank + 1)) ** EXPONENT))),
  );
  return exactly(withDegrees('plrg', degrees, random), nodes, random);
}
