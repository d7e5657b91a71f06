import { graphOf, type Graph } from '../graph.ts';

/** A square grid without wrapping (Lv et al. 2002: 100 × 100, mean degree 3.96); the last row may be shorter. */
export function gridGraph(nodes: number): Graph {
  const side = Math.max(1, Math.round(Math.sqrt(nodes)));
  const from = new Uint32Array(2 * nodes);
  const to = new Uint32Array(2 * nodes);
  let count = 0;
  const link = (a: number, b: number): void => {
    from[count] = a;
    to[count] = b;
    count += 1;
  };
  for (let node = 0; node < nodes; node += 1) {
    if (node % side !== side - 1 && node + 1 < nodes) link(node, node + 1);
    if (node + side < nodes) link(node, node + side);
  }
  return graphOf('grid', nodes, { from, to, count });
}
