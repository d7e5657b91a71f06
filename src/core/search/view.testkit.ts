import type { NodeView, PrintsView } from './search.ts';

/** A node on its own, which shares nothing: what a test of one part of the search needs of the rest. */
export function loneView(changes: Partial<NodeView> = {}, prints: Partial<PrintsView> = {}): NodeView {
  return {
    peer: 'self',
    label: 'self',
    addresses: () => [],
    lookup: () => [],
    scanning: () => false,
    neighbours: () => [],
    neighbour: () => undefined,
    keyOf: () => 0,
    prints: {
      bits: () => 0,
      estimate: () => 1,
      members: () => 1,
      syncedAt: (now) => now,
      candidates: () => [],
      contacts: () => [],
      ...prints,
    },
    ...changes,
  };
}
