import { BALANCER } from '../config.ts';

/**
 * The part of its weight that a backend has at `now`, having come up at `since` (ms): from a tenth at once, evenly to the
 * whole after `slowStartMs`.
 */
export function rampOf(since: number, now: number, slowStartMs: number): number {
  const passed = now - since;
  if (passed >= slowStartMs) return 1;
  return Math.max(BALANCER.slowStartLeast, passed / slowStartMs);
}
