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

/** Client connections at once, and requests in flight at once. */
export interface Crowd {
  readonly connections: number;
  readonly active: number;
}

export interface Fit extends Crowd {
  /** Connections to backends at once, idle ones included. */
  readonly upstreams: number;
}

/**
 * As many of `wanted` as have room. Each client connection may need one to a backend, so clients get half of what checks,
 * logs and commands leave; the rest is for requests, of which an HTTP/2 client may have many. Without that, clients or
 * their requests would take the last descriptor, and nobody could be accepted.
 */
export function fitting(wanted: Crowd, limit: number | null): Fit {
  if (limit === null) return { ...wanted, upstreams: Infinity };
  const room = limit - BALANCER.ownDescriptors;
  const connections = Math.min(wanted.connections, Math.max(1, Math.floor(room / 2)));
  const upstreams = Math.max(1, room - connections);
  return { connections, active: Math.min(wanted.active, upstreams), upstreams };
}

/** Says at the start where fewer clients or requests fit than were wanted. */
export function tellFewer(emit: Emit, who: string, wanted: Crowd, fit: Crowd, limit: number | null): void {
  if (limit === null || (fit.connections >= wanted.connections && fit.active >= wanted.active)) return;
  const needs = wanted.connections + Math.max(wanted.connections, wanted.active) + BALANCER.ownDescriptors;
  const { code, message, params } = new KelanaError('FEW_DESCRIPTORS', {
    limit,
    fit: fit.connections,
    active: fit.active,
    wanted: wanted.connections,
    wantedActive: wanted.active,
    needs,
  });
  emit({ type: 'error', who, code, detail: message, params });
}
