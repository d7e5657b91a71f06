import { seededRandom } from '../core/random.ts';
import { departures, restore, type Departure } from './churn.ts';
import { Catalogue } from './content.ts';
import { Engine } from './engine.ts';
import { edgesOf } from './graph.ts';
import { mix } from './hash.ts';
import { Keywords } from './keywords.ts';
import type { Trial } from './ledger.ts';
import type { Libraries } from './libraries.ts';
import type { Network } from './network.ts';
import { copiesOf, type Cell } from './plan.ts';
import type { Content } from './question.ts';
import { rowOf, type Judged, type Row } from './row.ts';
import { World } from './world.ts';

/** What a run needs from outside: it looks at no clock and starts no timer itself. */
export interface Hooks {
  /** Seconds; only for the field of that name. */
  readonly clock: () => number;
  /** Called after each query; waits now and then, so that the process hears signals. May throw to end the run. */
  readonly breathe: (done: number) => Promise<void> | void;
}

/** ms: the shortest time limit by default; walkers need 12,288 rounds for their 8,192 hops. */
const LEAST_TIMEOUT_MS = 1_200_000;

const ORIGIN = 1;
const STEPS = 2;
const CHURN = 3;

/** Runs all queries of a cell. The same cell, network and seed give the same row but for `seconds`. */
export async function runCell(
  cell: Cell,
  network: Network,
  content: Content,
  seed: number,
  hooks: Hooks,
): Promise<Row> {
  const began = hooks.clock();
  const { graph, space } = network;
  const world = new World(graph, space, mix(seed, graph.nodes));
  const timeoutMs = cell.timeoutMs ?? Math.max(LEAST_TIMEOUT_MS, 3 * edgesOf(graph) * cell.roundMs);
  const { strategy, settings, roundMs, loss, liars, churn } = cell;
  const engine = new Engine(world, { strategy, settings, roundMs, loss, liars, timeoutMs, seed });
  const trials: Judged[] = [];
  for (let number = 0; number < cell.queries; number += 1) {
    const question = content.question(number);
    world.ask(question);
    const origin = Math.floor(seededRandom(mix(seed, number, ORIGIN))() * graph.nodes);
    const run = (moves: readonly Departure[] = []): Trial =>
      engine.run(number, origin, seededRandom(mix(seed, number, STEPS)), moves);
    if (churn === 0) trials.push(judge(run(), world, engine, origin, loss > 0 || liars > 0));
    else {
      const plan = departures(world, cell, origin, seededRandom(mix(seed, number, CHURN)));
      // A first run without churn says how long the query takes; then nodes leave during just that time.
      engine.counts = false;
      const quiet = run();
      engine.counts = true;
      const moves = plan(quiet.rounds);
      trials.push(judge(run(moves), world, engine, origin, true));
      restore(world, moves);
    }
    await hooks.breathe(number + 1);
  }
  return rowOf(trials, {
    cell,
    nodes: graph.nodes,
    edges: edgesOf(graph),
    bits: world.bits,
    seed,
    load: engine.load,
    seconds: hooks.clock() - began,
  });
}

/** @param libraries made only where keywords are asked for: it takes a while */
export function contentOf(cell: Cell, { graph }: Network, seed: number, libraries: () => Libraries): Content {
  const { replication, zipf, misses, cid } = cell;
  const { nodes } = graph;
  if (cell.content === 'keywords') return new Keywords(libraries(), misses, seed);
  return new Catalogue({ nodes, copies: copiesOf(cell.copies, nodes), replication, zipf, misses, cid, seed });
}

/** Holds a verdict against the truth. Where nodes left, they have left for good when this looks. */
function judge(trial: Trial, world: World, engine: Engine, origin: number, always: boolean): Judged {
  const held = (world.question?.holders.length ?? 0) > 0;
  const remains =
    held && (always || trial.verdict === 'absent')
      ? world.reachesHolder(origin, (node) => engine.honest(node))
      : held;
  return { ...trial, remains, falseAbsent: trial.verdict === 'absent' && remains };
}
