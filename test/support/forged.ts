import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { base58btc } from 'multiformats/bases/base58';
import type { Holding } from '../../src/core/ports.ts';
import { encodePrints } from '../../src/core/search/prints.ts';
import { toSign, type Statement } from '../../src/core/search/record.ts';
import type { LinkFrame } from '../../src/core/wire/frames.ts';
import { hexOf } from '../../src/core/wire/hex8.ts';
import type { AgedHeader, Head, RecordHeader, SyncFrame } from '../../src/core/wire/sync.ts';
import { hash8, signer } from '../../src/overlay/keys.ts';

/** Somebody that can sign records: the liar itself, or one of as many names as it cares to make. */
export interface Owner {
  readonly peer: string;
  readonly id: string;
  readonly sign: (bytes: Uint8Array) => Uint8Array;
}

export function ownerOf(key: PrivateKey): Owner {
  const peer = base58btc.encode(key.publicKey.toMultihash().bytes).slice(1);
  return { peer, id: idOf(peer), sign: signer(key) };
}

export async function newOwner(): Promise<Owner> {
  return ownerOf(await generateKeyPair('Ed25519'));
}

export async function newOwners(count: number): Promise<readonly Owner[]> {
  return Promise.all(Array.from({ length: count }, newOwner));
}

/** As records and heads name a peer. */
export function idOf(peer: string): string {
  return hexOf(hash8(new TextEncoder().encode(peer)));
}

export interface Forged {
  readonly header: RecordHeader;
  readonly age: number;
  /** By hash. */
  readonly segments: ReadonlyMap<string, Uint8Array>;
}

/** A record as its owner would sign it; `more` is the lie, under a good signature. */
export function recordOf(
  owner: Owner,
  segments: readonly Uint8Array[] = [],
  more: Partial<Statement> = {},
): Forged {
  const byHash = new Map(segments.map((bytes) => [hexOf(hash8(bytes)), bytes]));
  const statement: Statement = {
    peer: owner.peer,
    seq: Date.now(),
    partial: false,
    gone: false,
    label: 'forged',
    addresses: ['/ip4/127.0.0.1/tcp/1'],
    segments: [...byHash.keys()],
    ...more,
  };
  return { header: { ...statement, signature: owner.sign(toSign(statement)) }, age: 0, segments: byHash };
}

/** The prints of a library that has these files. */
export function printsOf(...names: readonly string[]): readonly Uint8Array[] {
  return encodePrints(names.map(holdingOf)).segments;
}

export function holdingOf(name: string): Holding {
  return { name, size: 1, cid: 'bafkreicnv5bydlkq73cxtzmpbm5mbbmzm6i3pl3zjnlnfbmbsc7yrq7a7e' };
}

export function sync(frame: SyncFrame): LinkFrame {
  return { type: 'sync', frame };
}

export function headers(...forged: readonly (Forged | AgedHeader)[]): LinkFrame {
  return sync({ type: 'headers', headers: forged.map(({ header, age }) => ({ header, age })), renewed: [] });
}

/** Answers `wants` with what was asked for, or with what `lie` makes of it. */
export function piecesFor(
  frame: LinkFrame,
  records: Iterable<Forged>,
  lie: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes,
): LinkFrame | null {
  if (frame.type !== 'sync' || frame.frame.type !== 'wants') return null;
  const all = new Map([...records].map((record) => [idOf(record.header.peer), record.segments]));
  const segments = frame.frame.wants.flatMap(({ id, segments: wanted }) =>
    wanted.flatMap((hash) => {
      const bytes = all.get(id)?.get(hash);
      return bytes === undefined ? [] : [{ id, hash, bytes: lie(bytes) }];
    }),
  );
  return segments.length === 0 ? null : sync({ type: 'segments', segments });
}

/** A status that claims to hold these heads. */
export function status(
  heads: readonly Head[],
  more: Partial<Extract<SyncFrame, { type: 'status' }>> = {},
): LinkFrame {
  const sorted = heads.toSorted((one, other) => (one.id < other.id ? -1 : 1));
  return sync({
    type: 'status',
    nonce: 7,
    echo: 0,
    hold: 0,
    bits: 0,
    ask: true,
    digest: '00'.repeat(8),
    ages: [],
    closed: false,
    near: [],
    heads: sorted,
    ...more,
  });
}
