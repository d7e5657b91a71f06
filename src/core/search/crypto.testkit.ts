import type { Crypto } from './keeper.ts';

/** What a test's real hash gives: the testkit itself has no access to one. */
export type Sha256 = (...parts: readonly (Uint8Array | string)[]) => Uint8Array;

/** Signatures that cost next to nothing: a hash over the owner's name and the text. Anybody could forge them. */
export function fakeCrypto(sha: Sha256): (peer: string) => Crypto {
  const sign = (owner: string, bytes: Uint8Array): Uint8Array => {
    const signature = new Uint8Array(64);
    signature.set(sha(owner, bytes));
    return signature;
  };
  const keyOf = (peer: string): number => {
    const [a = 0, b = 0, c = 0, d = 0] = sha(peer);
    return ((a << 24) | (b << 16) | (c << 8) | d) >>> 0;
  };
  return (peer) => ({
    keyOf,
    hash8: (bytes) => sha(bytes).slice(0, 8),
    sign: (bytes) => sign(peer, bytes),
    verify: (owner, bytes, signature) => sign(owner, bytes).every((byte, at) => byte === signature[at]),
  });
}
