import type { StrategyName } from '../ports.ts';
import { createAuto } from './auto.ts';
import { createDht } from './dht.ts';
import { createFlood, createRing } from './flood.ts';
import { createGroups } from './groups.ts';
import type { NodeView, Strategy } from './search.ts';
import { createWalk } from './walk.ts';
import { createWalkers } from './walkers.ts';

const CREATE: Readonly<Record<StrategyName, (view: NodeView) => Strategy>> = {
  auto: createAuto,
  walk: createWalk,
  walkers: createWalkers,
  flood: createFlood,
  ring: createRing,
  dht: createDht,
  groups: createGroups,
};

/** One strategy at one node. `auto` runs them all: it serves every strategy's frames and starts any by name. */
export function createStrategy(name: StrategyName, view: NodeView): Strategy {
  return CREATE[name](view);
}
