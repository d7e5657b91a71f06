import { KelanaError } from '../core/errors.ts';
import { seededRandom, type Random } from '../core/random.ts';
import type { Graph } from './graph.ts';
import { gnutellaGraph } from './graphs/gnutella.ts';
import { gridGraph } from './graphs/grid.ts';
import { overlayGraph } from './graphs/overlay.ts';
import { powerLawGraph } from './graphs/power-law.ts';
import { randomGraph } from './graphs/random.ts';
import { mix } from './hash.ts';
import { KeySpace, randomKeys } from './keys.ts';
import { GRAPHS, type GraphName } from './plan.ts';

/** A graph and the keys of its nodes: what stays the same for all strategies and contents of one seed. */
export interface Network {
  readonly graph: Graph;
  readonly space: KeySpace;
}

const KEYS = 0x4e75;
const LINKS = 0x11f5;

/** The same name, size and seed give the same network. */
export function buildNetwork(name: string, nodes: number, seed: number): Network {
  const space = new KeySpace(randomKeys(nodes, seededRandom(mix(seed, nodes, KEYS))));
  const random = seededRandom(mix(seed, nodes, LINKS));
  return { graph: BUILD[graphName(name)](nodes, random, space), space };
}

const BUILD: Readonly<Record<GraphName, (nodes: number, random: Random, space: KeySpace) => Graph>> = {
  random: randomGraph,
  plrg: powerLawGraph,
  gnutella: gnutellaGraph,
  grid: gridGraph,
  overlay: (_nodes, random, space) => overlayGraph(space, random),
};

/** @throws KelanaError BAD_VALUE */
export function graphName(name: string): GraphName {
  const known = GRAPHS.find((graph) => graph === name);
  if (known !== undefined) return known;
  throw new KelanaError('BAD_VALUE', {
    value: name,
    name: '--graph',
    why: {
      id: `harus salah satu dari ${GRAPHS.join(', ')}`,
      en: `it must be one of ${GRAPHS.join(', ')}`,
    },
    example: '--graph overlay',
  });
}

export function networkOf(graph: Graph, seed: number): Network {
  const keys = graph.file?.keys ?? randomKeys(graph.nodes, seededRandom(mix(seed, graph.nodes, KEYS)));
  return { graph, space: new KeySpace(keys) };
}
