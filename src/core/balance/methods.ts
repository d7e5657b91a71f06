import type { Method, MethodName } from './method.ts';
import { roundRobin } from './round-robin.ts';

const CREATE: Readonly<Record<MethodName, () => Method>> = { 'round-robin': roundRobin };

export function createMethod(name: MethodName): Method {
  return CREATE[name]();
}
