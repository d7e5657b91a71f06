import { KelanaError } from '../../core/errors.ts';
import type { Text } from '../../core/lang.ts';
import { hashText } from '../hash.ts';
import { graphOf, type Graph } from '../graph.ts';
import { MAX_NODES, MIN_NODES } from '../plan.ts';

/** Edges of a file: what a million nodes with 64 neighbours have. */
const MAX_EDGES = 32 * MAX_NODES;

/**
 * A graph that was written by a real network: `{"nodes":[{"key","label"?}],"edges":[[a,b]],"contacts"?:[[…]]}`.
 * Nodes are numbered by their place in the list. `key` is the first 32 bits of SHA-256 of the peer id, as a number, or
 * any text that names the node; `contacts[n]` are the nodes of other groups that node `n` knows besides its neighbours.
 * @throws KelanaError BAD_VALUE
 */
export function graphFromJson(text: string, path: string): Graph {
  const whole = parse(text, path);
  const nodes = list(whole['nodes'], path, 'nodes');
  const edges = list(whole['edges'], path, 'edges');
  if (nodes.length < MIN_NODES || nodes.length > MAX_NODES) {
    throw bad(path, {
      id: `jumlah node harus ${MIN_NODES} sampai ${MAX_NODES}`,
      en: `it must have ${MIN_NODES} to ${MAX_NODES} nodes`,
    });
  }
  if (edges.length > MAX_EDGES) throw bad(path, { id: 'terlalu banyak tautan', en: 'it has too many edges' });
  const keys = Uint32Array.from(nodes, (node, at) => keyOf(node, at, path));
  const from = new Uint32Array(edges.length);
  const to = new Uint32Array(edges.length);
  for (const [at, edge] of edges.entries()) {
    const [a, b] = list(edge, path, `edges[${at}]`);
    from[at] = nodeNumber(a, nodes.length, path, `edges[${at}]`);
    to[at] = nodeNumber(b, nodes.length, path, `edges[${at}]`);
  }
  const named = whole['contacts'];
  const contacts =
    named === undefined
      ? null
      : list(named, path, 'contacts').map((known, at) =>
          list(known, path, `contacts[${at}]`).map((one) =>
            nodeNumber(one, nodes.length, path, `contacts[${at}]`),
          ),
        );
  return graphOf(path, nodes.length, { from, to, count: edges.length }, { keys, contacts });
}

function parse(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    const whole: unknown = JSON.parse(text);
    if (typeof whole === 'object' && whole !== null) return whole as Record<string, unknown>;
  } catch {
    // What is not JSON is told of like JSON that is no graph.
  }
  throw bad(path, { id: 'bukan objek JSON', en: 'it is not a JSON object' });
}

function list(value: unknown, path: string, where: string): readonly unknown[] {
  if (Array.isArray(value)) return value as unknown[];
  throw bad(path, { id: `${where} bukan daftar`, en: `${where} is not a list` });
}

function keyOf(node: unknown, at: number, path: string): number {
  const key: unknown =
    typeof node === 'object' && node !== null ? (node as { key?: unknown }).key : undefined;
  if (typeof key === 'number' && Number.isInteger(key) && key >= 0 && key < 0x100000000) return key;
  if (typeof key === 'string' && key !== '') return hashText(key);
  throw bad(path, { id: `nodes[${at}].key tidak ada`, en: `nodes[${at}] has no key` });
}

function nodeNumber(value: unknown, nodes: number, path: string, where: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < nodes) return value;
  throw bad(path, {
    id: `${where} menyebut node yang tidak ada`,
    en: `${where} names a node that is not there`,
  });
}

function bad(path: string, why: Text): KelanaError {
  return new KelanaError('BAD_VALUE', { value: path, name: '--graph', why, example: '--graph overlay' });
}
