/**
 * An undirected simple graph as compressed sparse rows: the neighbours of node `n` are
 * `neighbours[offsets[n] … offsets[n + 1] - 1]`, ascending. 4 bytes a node and 8 an edge, so a million nodes with a
 * mean of 12 neighbours take 52 MB.
 */
export interface Graph {
  readonly name: string;
  readonly nodes: number;
  readonly offsets: Uint32Array;
  readonly neighbours: Uint32Array;
  /** What a graph that was read from a file knows beyond its edges. */
  readonly file?: GraphFile;
}

export interface GraphFile {
  /** First 32 bits of SHA-256 of each peer id. */
  readonly keys: Uint32Array;
  /** Nodes of other groups that each node knows besides its neighbours; null where the file does not say. */
  readonly contacts: readonly (readonly number[])[] | null;
}

/** Two lists of equal length: edge `i` joins `from[i]` and `to[i]`. */
export interface Edges {
  readonly from: Uint32Array;
  readonly to: Uint32Array;
  readonly count: number;
}

/** Loops and repeats are left out. */
export function graphOf(name: string, nodes: number, edges: Edges, file?: GraphFile): Graph {
  const { from, to, count } = edges;
  const offsets = new Uint32Array(nodes + 1);
  for (let edge = 0; edge < count; edge += 1) {
    const [a, b] = [from[edge] ?? 0, to[edge] ?? 0];
    if (a === b) continue;
    offsets[a + 1] = (offsets[a + 1] ?? 0) + 1;
    offsets[b + 1] = (offsets[b + 1] ?? 0) + 1;
  }
  for (let node = 0; node < nodes; node += 1)
    offsets[node + 1] = (offsets[node + 1] ?? 0) + (offsets[node] ?? 0);
  const neighbours = new Uint32Array(offsets[nodes] ?? 0);
  const next = offsets.slice();
  for (let edge = 0; edge < count; edge += 1) {
    const [a, b] = [from[edge] ?? 0, to[edge] ?? 0];
    if (a === b) continue;
    neighbours[next[a] ?? 0] = b;
    next[a] = (next[a] ?? 0) + 1;
    neighbours[next[b] ?? 0] = a;
    next[b] = (next[b] ?? 0) + 1;
  }
  return sorted(name, nodes, offsets, neighbours, file);
}

function sorted(
  name: string,
  nodes: number,
  offsets: Uint32Array,
  rows: Uint32Array,
  file?: GraphFile,
): Graph {
  const starts = new Uint32Array(nodes + 1);
  let end = 0;
  for (let node = 0; node < nodes; node += 1) {
    const row = rows.subarray(offsets[node], offsets[node + 1]).sort();
    let last = -1;
    for (let at = 0; at < row.length; at += 1) {
      const other = row[at] ?? 0;
      if (other === last) continue;
      // `end` never overtakes what is still to be read: rows only shrink.
      rows[end] = other;
      end += 1;
      last = other;
    }
    starts[node + 1] = end;
  }
  const neighbours = end === rows.length ? rows : rows.slice(0, end);
  return { name, nodes, offsets: starts, neighbours, ...(file === undefined ? {} : { file }) };
}

export function degreeOf(graph: Graph, node: number): number {
  return (graph.offsets[node + 1] ?? 0) - (graph.offsets[node] ?? 0);
}

export function edgesOf(graph: Graph): number {
  return graph.neighbours.length / 2;
}

export function areLinked({ offsets, neighbours }: Graph, a: number, b: number): boolean {
  let [low, high] = [offsets[a] ?? 0, offsets[a + 1] ?? 0];
  const end = high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((neighbours[middle] ?? 0) < b) low = middle + 1;
    else high = middle;
  }
  return low < end && neighbours[low] === b;
}

export interface GraphStats {
  readonly nodes: number;
  readonly edges: number;
  readonly mean: number;
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly components: number;
}

export function statsOf(graph: Graph): GraphStats {
  const degrees = new Uint32Array(graph.nodes);
  for (let node = 0; node < graph.nodes; node += 1) degrees[node] = degreeOf(graph, node);
  degrees.sort();
  return {
    nodes: graph.nodes,
    edges: edgesOf(graph),
    mean: graph.neighbours.length / graph.nodes,
    median: degrees[graph.nodes >>> 1] ?? 0,
    min: degrees[0] ?? 0,
    max: degrees[graph.nodes - 1] ?? 0,
    components: componentsOf(graph).count,
  };
}

/** The component of each node, numbered from 0, and the size of each. */
export function componentsOf(graph: Graph): { count: number; of: Uint32Array; sizes: readonly number[] } {
  const { nodes, offsets, neighbours } = graph;
  const none = 0xffffffff;
  const of = new Uint32Array(nodes).fill(none);
  const todo = new Uint32Array(nodes);
  const sizes: number[] = [];
  for (let start = 0; start < nodes; start += 1) {
    if (of[start] !== none) continue;
    const id = sizes.length;
    let [read, write] = [0, 1];
    todo[0] = start;
    of[start] = id;
    for (; read < write; read += 1) {
      const node = todo[read] ?? 0;
      for (let at = offsets[node] ?? 0; at < (offsets[node + 1] ?? 0); at += 1) {
        const other = neighbours[at] ?? 0;
        if (of[other] !== none) continue;
        of[other] = id;
        todo[write] = other;
        write += 1;
      }
    }
    sizes.push(write);
  }
  return { count: sizes.length, of, sizes };
}

/** The graph of the nodes that `keep` marks with 1, renumbered in order. */
export function induced(graph: Graph, keep: Uint8Array): Graph {
  const number = new Uint32Array(graph.nodes);
  let nodes = 0;
  for (let node = 0; node < graph.nodes; node += 1) {
    number[node] = nodes;
    nodes += keep[node] ?? 0;
  }
  const from = new Uint32Array(graph.neighbours.length / 2);
  const to = new Uint32Array(from.length);
  let count = 0;
  for (let node = 0; node < graph.nodes; node += 1) {
    if (keep[node] !== 1) continue;
    for (let at = graph.offsets[node] ?? 0; at < (graph.offsets[node + 1] ?? 0); at += 1) {
      const other = graph.neighbours[at] ?? 0;
      if (other <= node || keep[other] !== 1) continue;
      from[count] = number[node] ?? 0;
      to[count] = number[other] ?? 0;
      count += 1;
    }
  }
  return graphOf(graph.name, nodes, { from, to, count });
}

export function largestComponent(graph: Graph): Graph {
  const { of, sizes } = componentsOf(graph);
  const largest = sizes.indexOf(sizes.reduce((most, size) => Math.max(most, size), 0));
  return sizes.length === 1
    ? graph
    : induced(
        graph,
        Uint8Array.from(of, (id) => (id === largest ? 1 : 0)),
      );
}
