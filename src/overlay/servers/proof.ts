import { createHmac, timingSafeEqual } from 'node:crypto';

export const SERVER_PROTOCOL = '/kelana/server/1.0.0';

/** Servers that belong together: whoever has the key is one of them, or may ask for them. */
export interface Group {
  /** Letters, digits, hyphens, underscores and dots. */
  readonly name: string;
  /** 32 bytes or more, secret. */
  readonly key: Uint8Array;
}

/**
 * What a peer says to prove that it has the key. Both peer ids are in it, and the connection proves whose they are, so
 * that it is of no use to anybody else, nor in the other direction.
 */
export function proofOfAsk({ key, name }: Group, asker: string, server: string): Uint8Array {
  return mac(key, 'ask', name, asker, server);
}

export function proofOfPlace(
  { key, name }: Group,
  asker: string,
  server: string,
  { host, port }: { readonly host: string; readonly port: number },
): Uint8Array {
  return mac(key, 'place', name, asker, server, host, String(port));
}

/** The name under which servers of the group are found in the DHT; only who has the key can work it out. */
export function recordName({ key, name }: Group): string {
  return `kelana-servers-${mac(key, 'record', name).toString('hex')}`;
}

/** Takes the same time wherever they differ. */
export function sameProof(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** None of the parts has a NUL in it. */
function mac(key: Uint8Array, ...parts: readonly string[]): Buffer {
  return createHmac('sha256', key)
    .update(['kelana/server/1', ...parts].join('\0'))
    .digest();
}
