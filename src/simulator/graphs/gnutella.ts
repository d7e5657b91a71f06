import type { Random } from '../../core/random.ts';
import type { Graph } from '../graph.ts';
import { withDegrees } from './degrees.ts';
import { exactly } from './exactly.ts';

/**
 * Degree over rank of the Gnutella crawl of October 2000 that Lv et al. 2002 used (4,736 nodes, 13,022 links, mean
 * 5.5, most 136, median 2): two straight pieces in log-log, flat among the well connected and steep after. The
 * pieces are fitted to those five figures.
 */
const CRAWL = { nodes: 4736, most: 136, bend: 1150, first: 0.37, second: 1.9 } as const;
const MADE = 1.004;

export function gnutellaGraph(nodes: number, random: Random): Graph {
  const all = Math.round(nodes * MADE);
  const degrees = Uint32Array.from({ length: all }, (_, rank) =>
    Math.min(all - 1, Math.max(1, Math.floor(degreeAt((((rank + 1) / all) * CRAWL.nodes) | 0)))),
  );
  return exactly(withDegrees('gnutella', degrees, random), nodes, random);
}

function degreeAt(rank: number): number {
  const { most, bend, first, second } = CRAWL;
  const place = Math.max(1, rank);
  const atBend = most * bend ** -first;
  return place <= bend ? most * place ** -first : atBend * (place / bend) ** -second;
}
