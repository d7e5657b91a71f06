/** Bytes of one piece of memory, and how many of them are still to be taken. */
interface Lent {
  readonly from: number;
  readonly to: number;
  left: number;
  readonly taken: () => void;
}

const lent = new WeakMap<ArrayBufferLike, Lent>();

/**
 * Memory that goes to a stream of libp2p without a copy: `taken` is told when OpenSSL has had all of it, so that it may be
 * overwritten. libp2p itself never says so, and only a connection that was secured on its socket does. Of one buffer one
 * part can be lent at a time.
 */
export function lend(bytes: Uint8Array, taken: () => void): void {
  const from = bytes.byteOffset;
  lent.set(bytes.buffer, { from, to: from + bytes.byteLength, left: bytes.byteLength, taken });
}

/** Told of each piece of a message, however a muxer has cut it. */
export function giveBack({ buffer, byteOffset, byteLength }: Uint8Array): void {
  const one = lent.get(buffer);
  if (one === undefined || byteOffset < one.from || byteOffset + byteLength > one.to) return;
  one.left -= byteLength;
  if (one.left > 0) return;
  lent.delete(buffer);
  one.taken();
}
