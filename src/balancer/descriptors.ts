import { readFileSync } from 'node:fs';
import { BALANCER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';

/** Errors of making a connection that tell of this process or machine, and nothing of who was to be reached. */
const OURS: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM']);

export function isOurs(reason: string): boolean {
  return OURS.has(reason);
}

/** Files that this process may have open, and null where the system does not say (only Linux does). */
export function descriptorLimit(): number | null {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    const soft = /^Max open files\s+(\d+)/m.exec(limits)?.[1];
    return soft === undefined ? null : Number(soft);
  } catch {
    return null;
  }
}

/**
 * Client connections at once, `wanted` at most: each may need one to a backend, and checks, logs and commands need room
 * beside them. Without that, idle clients would take the last descriptor, and no request could be given on.
 */
export function fitting(wanted: number, limit: number | null): number {
  if (limit === null) return wanted;
  return Math.min(wanted, Math.max(1, Math.floor((limit - BALANCER.ownDescriptors) / 2)));
}

/** Says at the start where fewer clients fit than were wanted. */
export function tellFewer(emit: Emit, who: string, wanted: number, fit: number, limit: number | null): void {
  if (limit === null || fit >= wanted) return;
  const needs = 2 * wanted + BALANCER.ownDescriptors;
  const { code, message, params } = new KelanaError('FEW_DESCRIPTORS', { limit, fit, wanted, needs });
  emit({ type: 'error', who, code, detail: message, params });
}
