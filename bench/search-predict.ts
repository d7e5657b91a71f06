import { CID } from 'multiformats/cid';
import { create as createDigest } from 'multiformats/hashes/digest';
import type { Holding, StrategyName } from '../src/core/ports.ts';
import { seededRandom } from '../src/core/random.ts';
import type { StrategySettings } from '../src/core/search/search.ts';
import { Engine } from '../src/simulator/engine.ts';
import { edgesOf, type Graph } from '../src/simulator/graph.ts';
import { graphFromJson } from '../src/simulator/graphs/file.ts';
import { networkOf } from '../src/simulator/network.ts';
import { ROUND_MS } from '../src/simulator/plan.ts';
import { World } from '../src/simulator/world.ts';
import type { NodeState } from './search-child.ts';
import type { Asked } from './search-corpus.ts';
import type { Member } from './search-net.ts';

/** A query with the node that asks it. */
export interface Trial extends Asked {
  readonly origin: number;
}

export interface Prediction {
  readonly messages: readonly number[];
  readonly hops: readonly number[];
  readonly verdicts: Readonly<Record<string, number>>;
}

/** What `kelana simulate --graph FILE.json` reads: keys and links as they are in the real network. */
export function exportGraph(members: readonly Member[], states: readonly NodeState[]): string {
  const numbers = new Map(members.map(({ peer, number }) => [peer, number]));
  const edges = states.flatMap(({ number, neighbours }) =>
    neighbours.flatMap((peer) => {
      const other = numbers.get(peer);
      return other !== undefined && number < other ? [[number, other]] : [];
    }),
  );
  const nodes = members.map(({ key, address }) => ({ key, label: address }));
  return JSON.stringify({ nodes, edges });
}

/** The same queries from the same nodes through the simulator, on the graph of the real network. */
export function predict(
  json: string,
  trials: readonly Trial[],
  { strategy, settings, seed }: { strategy: StrategyName; settings: StrategySettings; seed: number },
): Prediction {
  const graph: Graph = graphFromJson(json, 'graph');
  const { space } = networkOf(graph, seed);
  const world = new World(graph, space, seed);
  const timeoutMs = 3 * edgesOf(graph) * ROUND_MS;
  const engine = new Engine(world, {
    strategy,
    settings,
    roundMs: ROUND_MS,
    loss: 0,
    liars: 0,
    timeoutMs,
    seed,
  });
  const messages: number[] = [];
  const hops: number[] = [];
  const verdicts: Record<string, number> = {};
  for (const [number, { query, holders, origin }] of trials.entries()) {
    const holding = holdingOf(query, number);
    world.ask({
      query,
      holders: Uint32Array.from(holders),
      suspects: new Uint32Array(0),
      holdings: () => [holding],
    });
    const trial = engine.run(number, origin, seededRandom(seed + number));
    messages.push(trial.messages);
    if (trial.hops !== null) hops.push(trial.hops);
    verdicts[trial.verdict] = (verdicts[trial.verdict] ?? 0) + 1;
  }
  return { messages, hops, verdicts };
}

/** A file that matches the query: any will do, for the simulator only asks who holds it. */
function holdingOf(query: Asked['query'], number: number): Holding {
  const name = query.kind === 'name' ? query.name : query.kind === 'words' ? query.words.join(' ') : '';
  const digest = new Uint8Array(32);
  new DataView(digest.buffer).setUint32(0, number);
  return { name, size: 1, cid: CID.createV1(0x55, createDigest(0x12, digest)).toString() };
}
