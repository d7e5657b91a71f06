import type { Random } from '../core/random.ts';
import { distinct } from './content.ts';
import type { World } from './world.ts';

/** A node that leaves, or joins, at the beginning of a round. */
export interface Departure {
  readonly node: number;
  readonly round: number;
  readonly joins: boolean;
}

/**
 * Who leaves during a query, and who joins: this share of the nodes each, the origin never, at random rounds among the
 * first `rounds`. Those that will join are away from now on.
 */
export function departures(
  world: World,
  { churn, joins }: { readonly churn: number; readonly joins: boolean },
  origin: number,
  random: Random,
): (rounds: number) => Departure[] {
  const count = Math.round(churn * world.nodes);
  const chosen = [...distinct(joins ? 2 * count : count, world.nodes, random)];
  const moves = chosen
    .map((node, at) => ({ node, joins: at >= count, when: random() }))
    .filter(({ node }) => node !== origin);
  for (const { node, joins: later } of moves) if (later) world.setAlive(node, false);
  return (rounds) =>
    moves
      .map(({ node, joins: later, when }) => ({
        node,
        joins: later,
        round: 1 + Math.floor(when * Math.max(1, rounds)),
      }))
      .sort((a, b) => a.round - b.round);
}

/** Everybody is back, and was never away. */
export function restore(world: World, gone: readonly Departure[]): void {
  for (const { node } of gone) world.setAlive(node, true);
  world.leftAt.clear();
  world.joinedAt.clear();
}
