import { hash } from './hash.ts';
import { leastConnections } from './least.ts';
import type { Method, MethodChoice, PlainMethod } from './method.ts';
import { roundRobin, weighted } from './smooth.ts';
import { sticky } from './sticky.ts';
import { ewma, twoChoices } from './two-choices.ts';

const PLAIN: Readonly<Record<PlainMethod, () => Method>> = {
  'round-robin': roundRobin,
  weighted,
  'least-connections': leastConnections,
  'two-choices': twoChoices,
  ewma,
};

export function createMethod(choice: MethodChoice): Method {
  if (choice.name === 'hash') return hash(choice.key, choice.bound);
  if (choice.name === 'sticky') return sticky(choice.cookie, PLAIN[choice.otherwise]());
  return PLAIN[choice.name]();
}
