import type { Random } from '../../core/random.ts';
import { graphOf, type Graph } from '../graph.ts';
import { PairSet } from '../pair-set.ts';
import { exactly } from './exactly.ts';

/** Mean degree before the largest component is taken; its mean is then that of the paper, 4.09. */
const MEAN = 4.01;
/** Share of nodes in the largest component at that mean: s = 1 - exp(-MEAN·s). */
const SHARE = 0.9797;

/**
 * The random graph of Lv et al. 2002: uniformly random edges, largest component (9,836 nodes, 20,099 links, mean
 * 4.09, least 1). Other sizes keep the mean.
 */
export function randomGraph(nodes: number, random: Random): Graph {
  const all = Math.max(2, Math.round(nodes / SHARE));
  const count = Math.min(Math.round((all * MEAN) / 2), (all * (all - 1)) / 2);
  const from = new Uint32Array(count);
  const to = new Uint32Array(count);
  const seen = new PairSet(count);
  for (let edge = 0; edge < count;) {
    const a = Math.floor(random() * all);
    const b = Math.floor(random() * all);
    if (a === b || !seen.add(a, b)) continue;
    from[edge] = a;
    to[edge] = b;
    edge += 1;
  }
  return exactly(graphOf('random', all, { from, to, count }), nodes, random);
}
