import { contentOf, runCell, type Hooks } from './cell.ts';
import type { Graph } from './graph.ts';
import { Libraries } from './libraries.ts';
import { buildNetwork, networkOf, type Network } from './network.ts';
import type { Cell } from './plan.ts';
import { mergeSeeds, type Row } from './row.ts';

export interface Run {
  readonly cells: readonly Cell[];
  /** First seed; the others follow it. */
  readonly seed: number;
  /** Graphs of each kind that a cell runs on. */
  readonly seeds: number;
  /** Graphs read from files, by the name that cells give them. */
  readonly files?: ReadonlyMap<string, Graph>;
}

export interface RunHooks extends Hooks {
  /** What is under way: cell and query, of how many. */
  readonly progress?: (at: { cell: Cell; part: number; parts: number; done: number }) => void;
  /** A cell is done: its row over all seeds, and those of the single seeds. */
  readonly row: (row: Row, index: number, single: readonly Row[]) => void;
}

/** Runs all cells in order. */
export async function runCells(run: Run, hooks: RunHooks): Promise<void> {
  const stock = new Stock(run);
  const parts = run.cells.length * run.seeds;
  for (const [index, cell] of run.cells.entries()) {
    const rows: Row[] = [];
    for (let at = 0; at < run.seeds; at += 1) {
      const seed = run.seed + at;
      const network = stock.network(cell, seed);
      const content = contentOf(cell, network, seed, () => stock.libraries(network.graph.nodes, seed));
      const part = index * run.seeds + at;
      const breathe = (done: number): Promise<void> | void => {
        hooks.progress?.({ cell, part, parts, done });
        return hooks.breathe(done);
      };
      rows.push(await runCell(cell, network, content, seed, { clock: hooks.clock, breathe }));
    }
    hooks.row(mergeSeeds(rows), index, rows);
  }
}

/** Nodes of a network that is made anew for each cell and seed: three of a million nodes would take 300 MB. */
const LARGE = 200_000;

/** Networks and libraries are kept while cells that follow each other use the same. */
class Stock {
  readonly #run: Run;
  #kind = '';
  readonly #networks = new Map<number, Network>();
  readonly #libraries = new Map<string, Libraries>();

  constructor(run: Run) {
    this.#run = run;
  }

  network({ graph, nodes }: Cell, seed: number): Network {
    const kind = `${graph} ${nodes}`;
    if (kind !== this.#kind) {
      this.#networks.clear();
      this.#libraries.clear();
      this.#kind = kind;
    }
    let network = this.#networks.get(seed);
    if (network === undefined && nodes > LARGE) this.#networks.clear();
    if (network === undefined) {
      const file = this.#run.files?.get(graph);
      network = file === undefined ? buildNetwork(graph, nodes, seed) : networkOf(file, seed);
      this.#networks.set(seed, network);
    }
    return network;
  }

  libraries(nodes: number, seed: number): Libraries {
    const key = `${nodes} ${seed}`;
    let libraries = this.#libraries.get(key);
    if (libraries === undefined) {
      libraries = new Libraries(nodes, seed);
      this.#libraries.set(key, libraries);
    }
    return libraries;
  }
}
