import { SEARCH } from '../core/config.ts';
import type { Holding, Query } from '../core/ports.ts';
import type { Contact, NodeView, PrintsView } from '../core/search/search.ts';
import { LABEL, type World } from './world.ts';
import { prefixOf } from './keys.ts';

/** What one simulated node knows, straight from the world's arrays; nothing is kept for the node itself. */
export class SimulatedNode implements NodeView, PrintsView {
  readonly peer: string;
  readonly label = LABEL;
  readonly #world: World;
  readonly #node: number;

  constructor(world: World, node: number) {
    this.#world = world;
    this.#node = node;
    this.peer = world.contact(node).peer;
  }

  addresses(): readonly string[] {
    return this.#world.addresses();
  }

  scanning(): boolean {
    return false;
  }

  lookup(_query: Query): readonly Holding[] {
    return this.#world.holdings(this.#node);
  }

  neighbours(): readonly Contact[] {
    return this.#world.near(this.#node);
  }

  neighbour(peer: string): Contact | undefined {
    const other = Number(peer);
    return this.#world.linked(this.#node, other) ? this.#world.contact(other) : undefined;
  }

  keyOf(peer: string): number {
    return this.#world.space.keys[Number(peer)] ?? 0;
  }

  get prints(): PrintsView {
    return this;
  }

  bits(): number {
    return this.#world.bits;
  }

  estimate(): number {
    return this.#world.nodes;
  }

  members(): number {
    const { space, bits } = this.#world;
    const group = prefixOf(space.keys[this.#node] ?? 0, bits);
    return space.start(group + 1, bits) - space.start(group, bits);
  }

  syncedAt(now: number): number {
    const joined = this.#world.joinedAt.get(this.#node) ?? Number.NEGATIVE_INFINITY;
    return joined <= now - SEARCH.syncBoundMs ? now : Number.NEGATIVE_INFINITY;
  }

  candidates(query: Query): readonly Contact[] | null {
    return query.kind === 'glob' ? null : this.#world.candidates(this.#node);
  }

  contacts(prefix: number, bits: number): readonly Contact[] {
    return this.#world.contactsOf(this.#node, prefix, bits);
  }
}
