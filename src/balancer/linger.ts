import { BALANCER } from '../core/config.ts';

/**
 * Until when a connection whose end has been sent is read on, so that what the client sends cannot turn into a reset
 * that overtakes its answer (RFC 9112 section 9.6): a while after its last bytes, and not for ever. Times in ms.
 */
export function lingerUntil(since: number, now: number): number {
  return Math.min(since + BALANCER.lingerMaxMs, now + BALANCER.lingerMs);
}
