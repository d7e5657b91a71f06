import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import test from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { base58btc } from 'multiformats/bases/base58';
import { hash8, keyOf, signer, verifySignature } from './keys.ts';

const BYTES = new TextEncoder().encode('some bytes');
const idOf = (raw: Uint8Array): string =>
  base58btc.encode(Uint8Array.of(0x00, 0x24, 0x08, 0x01, 0x12, 0x20, ...raw)).slice(1);

test('a signature is that of libp2p, and each side accepts the other', async () => {
  const key = await generateKeyPair('Ed25519');
  const peer = idOf(key.publicKey.raw);
  assert.equal(peer, base58btc.encode(key.publicKey.toMultihash().bytes).slice(1));
  const ours = signer(key)(BYTES);
  const theirs = await key.sign(BYTES);
  assert.deepEqual(ours, Uint8Array.from(theirs));
  assert.equal(await key.publicKey.verify(BYTES, ours), true);
  assert.equal(verifySignature(peer, BYTES, theirs), true);
  assert.equal(verifySignature(peer, BYTES.subarray(1), theirs), false);
  const other = await generateKeyPair('Ed25519');
  assert.equal(verifySignature(idOf(other.publicKey.raw), BYTES, theirs), false);
  for (let at = 0; at < 64; at += 7) {
    const bent = Uint8Array.from(theirs);
    bent[at] = (bent[at] ?? 0) ^ 1;
    assert.equal(verifySignature(peer, BYTES, bent), false);
  }
});

test('what is no Ed25519 peer id or no signature is refused and never throws', async () => {
  const key = await generateKeyPair('Ed25519');
  const peer = idOf(key.publicKey.raw);
  const signature = signer(key)(BYTES);
  for (const length of [0, 1, 63, 65, 1_000])
    assert.equal(verifySignature(peer, BYTES, new Uint8Array(length)), false);
  const strange = [
    '',
    'x',
    '0OIl',
    'é'.repeat(60),
    'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKPbdG',
    peer.slice(1),
    `${peer}1`,
  ];
  for (const text of [...strange, peer.repeat(100), idOf(key.publicKey.raw.subarray(1))]) {
    assert.equal(verifySignature(text, BYTES, signature), false, text);
    assert.ok(Number.isInteger(keyOf(text)));
  }
  const rsa = await generateKeyPair('secp256k1');
  assert.throws(() => signer(rsa), { code: 'BAD_VALUE' });
});

test('a key of small order is refused, with which one signature would fit any message', () => {
  const points = [
    '00'.repeat(32),
    `01${'00'.repeat(31)}`,
    `01${'00'.repeat(30)}80`,
    `ec${'ff'.repeat(30)}7f`,
    `ee${'ff'.repeat(31)}`,
  ];
  // R = the neutral point, S = 0 verifies under the neutral point for every message.
  const forged = Uint8Array.of(1, ...new Uint8Array(63));
  for (const hex of points)
    assert.equal(verifySignature(idOf(Buffer.from(hex, 'hex')), BYTES, forged), false, hex);
});

test('the key of a peer is the head of SHA-256 over its multihash, and hash8 the first eight bytes', async () => {
  const { publicKey } = await generateKeyPair('Ed25519');
  const peer = idOf(publicKey.raw);
  const digest = createHash('sha256').update(publicKey.toMultihash().bytes).digest();
  assert.equal(keyOf(peer), digest.readUInt32BE(0));
  assert.equal(keyOf(peer), keyOf(peer));
  assert.deepEqual(hash8(BYTES), Uint8Array.from(createHash('sha256').update(BYTES).digest().subarray(0, 8)));
});
