import { MESSAGES } from '../config.ts';
import type { Random } from '../random.ts';
import type { ReceiptCode } from '../wire/messages.ts';

/**
 * ms until a receiver is tried again after `attempts` in vain (1 or more): doubling, half to one and a half times as
 * long, so that nodes that lost the same receiver do not dial it in step.
 */
export function retryWait(attempts: number, random: Random): number {
  const wait = MESSAGES.retryMinMs * 2 ** Math.min(30, Math.max(0, attempts - 1));
  return Math.round(Math.min(MESSAGES.retryMaxMs, wait) * (0.5 + random()));
}

/** Whether the letter comes again later: the receiver may have room, time or a disk by then. */
export function comesAgain(code: ReceiptCode): boolean {
  return code === 'full' || code === 'busy' || code === 'failed';
}
