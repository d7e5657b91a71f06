import type { Random } from '../../core/random.ts';
import { graphOf, type Graph } from '../graph.ts';
import { PairSet } from '../pair-set.ts';

/** Tries to place one pair of stubs by exchanging it with an edge that is there. */
const SWAPS = 100;

/**
 * A random graph in which node `i` has `degrees[i]` links: stubs are matched at random; a pair that would be a loop or
 * a repeat changes partners with a random edge (Viger and Latapy 2005). A pair that fits nowhere is left out.
 */
export function withDegrees(name: string, degrees: Uint32Array, random: Random): Graph {
  const total = degrees.reduce((sum, degree) => sum + degree, 0);
  const stubs = new Uint32Array(total - (total % 2));
  let at = 0;
  for (const [node, degree] of degrees.entries())
    for (let stub = 0; stub < degree && at < stubs.length; stub += 1, at += 1) stubs[at] = node;
  shuffle(stubs, random);
  const pairs = stubs.length / 2;
  const from = new Uint32Array(pairs);
  const to = new Uint32Array(pairs);
  // Exchanged edges stay in the set, which only makes the choice a little narrower.
  const seen = new PairSet(3 * pairs + 1);
  const failed: (readonly [number, number])[] = [];
  let count = 0;
  for (let pair = 0; pair < pairs; pair += 1) {
    const [a, b] = [stubs[2 * pair] ?? 0, stubs[2 * pair + 1] ?? 0];
    if (a === b || !seen.add(a, b)) failed.push([a, b]);
    else {
      from[count] = a;
      to[count] = b;
      count += 1;
    }
  }
  for (const [a, b] of failed) {
    for (let tries = 0; tries < SWAPS && count > 0; tries += 1) {
      const edge = Math.floor(random() * count);
      const [c, d] = [from[edge] ?? 0, to[edge] ?? 0];
      if (a === c || b === d || seen.has(a, c) || seen.has(b, d) || sameEdge(a, c, b, d)) continue;
      seen.add(a, c);
      seen.add(b, d);
      from[edge] = a;
      to[edge] = c;
      from[count] = b;
      to[count] = d;
      count += 1;
      break;
    }
  }
  return graphOf(name, degrees.length, { from, to, count });
}

function sameEdge(a: number, c: number, b: number, d: number): boolean {
  return (a === b && c === d) || (a === d && c === b);
}

export function shuffle(list: Uint32Array, random: Random): void {
  for (let last = list.length - 1; last > 0; last -= 1) {
    const other = Math.floor(random() * (last + 1));
    const value = list[last] ?? 0;
    list[last] = list[other] ?? 0;
    list[other] = value;
  }
}
