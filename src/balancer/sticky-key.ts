import { createHmac } from 'node:crypto';
import { BALANCER } from '../core/config.ts';

/** How sticky cookies name backends: by a keyed hash of the label, from which no address can be read or guessed. */
export function stickyIds(key: Uint8Array): (label: string) => string {
  return (label) =>
    createHmac('sha256', key).update(label).digest('base64url').slice(0, BALANCER.stickyIdChars);
}
