import { writer } from 'protons-runtime';
import { writeStatement, type RecordHeader } from '../wire/sync.ts';

/**
 * What a node says of its own prints. Peer ids hold their Ed25519 key, so anybody can tell who signed; nobody can
 * write or alter another's record, only keep it back.
 */
export type Statement = Omit<RecordHeader, 'signature'>;

const DOMAIN = new TextEncoder().encode('kelana prints record 1\n');

/** The bytes that the owner signs: no signature of this domain means anything elsewhere. */
export function toSign(statement: Statement): Uint8Array {
  const body = writeStatement(writer(), statement).finish();
  const bytes = new Uint8Array(DOMAIN.length + body.length);
  bytes.set(DOMAIN);
  bytes.set(body, DOMAIN.length);
  return bytes;
}

/** The next number: by the clock, so that a restart needs no file, and never less than the one before. */
export function nextSeq(previous: number, wall: number): number {
  return Math.max(previous + 1, Math.floor(wall));
}

/** Whether two records of one owner say the same, so that the later is only a sign of life. */
export function sameContent(one: Statement, other: Statement): boolean {
  return (
    one.partial === other.partial &&
    one.gone === other.gone &&
    one.label === other.label &&
    sameList(one.addresses, other.addresses) &&
    sameList(one.segments, other.segments)
  );
}

export function sameList(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item, at) => item === other[at]);
}
