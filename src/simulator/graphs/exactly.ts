import type { Random } from '../../core/random.ts';
import { degreeOf, edgesOf, graphOf, induced, largestComponent, type Graph } from '../graph.ts';

/**
 * The largest component with exactly `nodes` nodes: what is over is taken from the leaves, what lacks is hung on
 * random nodes. Generators aim a little high, so either touches well below 1 % of the nodes.
 */
export function exactly(graph: Graph, nodes: number, random: Random): Graph {
  let whole = largestComponent(graph);
  while (whole.nodes > nodes) whole = withoutLeaves(whole, whole.nodes - nodes, random);
  return whole.nodes < nodes ? withLeaves(whole, nodes, random) : whole;
}

function withoutLeaves(graph: Graph, most: number, random: Random): Graph {
  const leaves: number[] = [];
  for (let node = 0; node < graph.nodes; node += 1) if (degreeOf(graph, node) <= 1) leaves.push(node);
  // A graph without leaves gives up any node; what falls apart is dropped and hung on again.
  if (leaves.length === 0) for (let node = 0; node < graph.nodes; node += 1) leaves.push(node);
  const keep = new Uint8Array(graph.nodes).fill(1);
  for (let taken = 0; taken < most && leaves.length > 0; taken += 1) {
    const at = Math.floor(random() * leaves.length);
    keep[leaves[at] ?? 0] = 0;
    leaves[at] = leaves[leaves.length - 1] ?? 0;
    leaves.pop();
  }
  return largestComponent(induced(graph, keep));
}

function withLeaves(graph: Graph, nodes: number, random: Random): Graph {
  const count = edgesOf(graph) + nodes - graph.nodes;
  const from = new Uint32Array(count);
  const to = new Uint32Array(count);
  let at = 0;
  for (let node = 0; node < graph.nodes; node += 1)
    for (let edge = graph.offsets[node] ?? 0; edge < (graph.offsets[node + 1] ?? 0); edge += 1) {
      const other = graph.neighbours[edge] ?? 0;
      if (other <= node) continue;
      from[at] = node;
      to[at] = other;
      at += 1;
    }
  for (let node = graph.nodes; node < nodes; node += 1, at += 1) {
    from[at] = node;
    to[at] = Math.floor(random() * graph.nodes);
  }
  return graphOf(graph.name, nodes, { from, to, count });
}
