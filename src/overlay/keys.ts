import { createPrivateKey, createPublicKey, hash, sign, verify, type KeyObject } from 'node:crypto';
import type { PrivateKey } from '@libp2p/interface';
import { base58btc } from 'multiformats/bases/base58';
import { KelanaError } from '../core/errors.ts';
import { Recent } from './recent.ts';

/** Bytes of an Ed25519 public key and seed, and of a signature (RFC 8032). */
const KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
/** Multihash "identity", 36 bytes: libp2p's protobuf of an Ed25519 public key of 32 bytes. */
const ED25519_PREFIX = Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20);
/** Peer ids whose key was worked out: about 150 B each; and public keys made ready: about 500 B each. */
const MAX_KEYS = 16_384;
const MAX_OBJECTS = 4_096;

/**
 * Points of small order, and their forms beyond the field's prime, the sign bit left out: under these keys one
 * signature fits many messages (the list of libsodium's ge25519_has_small_order).
 */
const SMALL_ORDER: ReadonlySet<string> = new Set([
  '00'.repeat(32),
  `01${'00'.repeat(31)}`,
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  `ec${'ff'.repeat(30)}7f`,
  `ed${'ff'.repeat(30)}7f`,
  `ee${'ff'.repeat(30)}7f`,
]);

const keys = new Recent<string, number>(MAX_KEYS);
const objects = new Recent<string, KeyObject | false>(MAX_OBJECTS);

/**
 * First 32 bits, unsigned, of SHA-256 over the multihash of a peer id: where a node stands among the groups, and in
 * the DHT. A text that is no peer id gets the key of its UTF-8, so that what strangers name never throws.
 */
export function keyOf(peer: string): number {
  const known = keys.get(peer);
  if (known !== undefined) return known;
  const digest = hash('sha256', multihashOf(peer) ?? peer, 'buffer');
  const key = digest.readUInt32BE(0);
  keys.set(peer, key);
  return key;
}

/** First 8 bytes of SHA-256. */
export function hash8(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from(hash('sha256', bytes, 'buffer').subarray(0, 8));
}

/**
 * Signs with the node's own key.
 * @throws KelanaError BAD_VALUE where the key is not Ed25519
 */
export function signer(privateKey: PrivateKey): (bytes: Uint8Array) => Uint8Array {
  if (privateKey.type !== 'Ed25519') {
    throw new KelanaError('BAD_VALUE', {
      name: 'identity.key',
      value: privateKey.type,
      why: { id: 'harus kunci Ed25519', en: 'it must be an Ed25519 key' },
      example: 'Ed25519',
    });
  }
  const seed = Buffer.from(privateKey.raw.subarray(0, KEY_BYTES)).toString('base64url');
  const x = Buffer.from(privateKey.publicKey.raw).toString('base64url');
  const key = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', d: seed, x }, format: 'jwk' });
  return (bytes) => Uint8Array.from(sign(null, bytes, key));
}

/** Whether the owner of this peer id signed these bytes; false for anything that is no Ed25519 peer id or signature. */
export function verifySignature(peer: string, bytes: Uint8Array, signature: Uint8Array): boolean {
  if (signature.length !== SIGNATURE_BYTES) return false;
  const key = objectOf(peer);
  if (key === null) return false;
  try {
    return verify(null, bytes, key, signature);
  } catch {
    return false;
  }
}

function objectOf(peer: string): KeyObject | null {
  const known = objects.get(peer);
  if (known !== undefined) return known === false ? null : known;
  const made = makeObject(peer);
  objects.set(peer, made ?? false);
  return made;
}

function makeObject(peer: string): KeyObject | null {
  const multihash = multihashOf(peer);
  if (multihash === null || multihash.length !== ED25519_PREFIX.length + KEY_BYTES) return null;
  if (ED25519_PREFIX.some((byte, at) => multihash[at] !== byte)) return null;
  const raw = Buffer.from(multihash.subarray(ED25519_PREFIX.length));
  const unsigned = Buffer.from(raw);
  unsigned[KEY_BYTES - 1] = (unsigned[KEY_BYTES - 1] ?? 0) & 0x7f;
  if (SMALL_ORDER.has(unsigned.toString('hex'))) return null;
  try {
    const x = raw.toString('base64url');
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  } catch {
    return null;
  }
}

/** The bytes of a peer id in its usual form (base58btc, no prefix), or null where the text is none. */
function multihashOf(peer: string): Uint8Array | null {
  // An Ed25519 peer id has 52 characters, one of an RSA key 46; decoding takes time with the square of the length.
  if (peer.length > MAX_TEXT) return null;
  try {
    return base58btc.decode(`z${peer}`);
  } catch {
    return null;
  }
}

const MAX_TEXT = 128;
