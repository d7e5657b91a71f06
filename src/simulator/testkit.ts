import { contentOf, runCell } from './cell.ts';
import { Libraries } from './libraries.ts';
import { buildNetwork, type Network } from './network.ts';
import { CELL, type Cell } from './plan.ts';
import type { Row } from './row.ts';

/** One cell on a network of its own, with a clock that stands still. */
export function rowFor(parts: Partial<Cell>, seed = 1, network?: Network): Promise<Row> {
  const cell: Cell = { ...CELL, ...parts };
  const where = network ?? buildNetwork(cell.graph, cell.nodes, seed);
  const content = contentOf(cell, where, seed, () => new Libraries(where.graph.nodes, seed));
  return runCell(cell, where, content, seed, { clock: () => 0, breathe: () => undefined });
}
