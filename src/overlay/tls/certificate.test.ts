import 'reflect-metadata';
import assert from 'node:assert/strict';
import { X509Certificate, webcrypto } from 'node:crypto';
import test from 'node:test';
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { Extension, X509CertificateGenerator } from '@peculiar/x509';
import { OctetString, Sequence } from 'asn1js';
import { createCertificate, peerOf } from './certificate.ts';

const NOW = Date.UTC(2026, 5, 1);
const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const LIBP2P = '1.3.6.1.4.1.53594.1.1';

const octets = (bytes: Uint8Array): OctetString =>
  new OctetString({ valueHex: new Uint8Array(bytes).buffer });

/** The DER of a certificate that signs itself and has these extensions, given the one of libp2p. */
async function made(
  identity: PrivateKey,
  extensionsOf: (libp2p: Extension) => readonly Extension[],
): Promise<Uint8Array> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const spki = Buffer.from(await webcrypto.subtle.exportKey('spki', keys.publicKey));
  const signature = await identity.sign(Buffer.concat([Buffer.from('libp2p-tls-handshake:'), spki]));
  const proof = new Sequence({ value: [octets(publicKeyToProtobuf(identity.publicKey)), octets(signature)] });
  const certificate = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: '01',
      name: 'CN=x',
      notBefore: new Date(NOW - 1_000),
      notAfter: new Date(NOW + 1_000),
      signingAlgorithm: EC,
      keys,
      extensions: [...extensionsOf(new Extension(LIBP2P, true, proof.toBER()))],
    },
    webcrypto,
  );
  return new Uint8Array(certificate.rawData);
}

test('whoever names the identity of another and signs with a key of its own proves nothing', async () => {
  const [victim, own] = [await generateKeyPair('Ed25519'), await generateKeyPair('Ed25519')];
  const posing: PrivateKey = Object.assign(Object.create(own) as typeof own, { publicKey: victim.publicKey });
  const { cert } = await createCertificate(posing, NOW);
  await assert.rejects(peerOf(new X509Certificate(cert).raw, NOW), /did not vouch/);
});

test('a certificate that its own key did not sign proves nothing', async () => {
  const { raw } = new X509Certificate((await createCertificate(await generateKeyPair('Ed25519'), NOW)).cert);
  const changed = Uint8Array.from(raw);
  changed[raw.length - 1] = (raw.at(-1) ?? 0) ^ 1;
  await assert.rejects(peerOf(changed, NOW), /not signed by its own key/);
});

test('two proofs in one certificate are none, nor is one beside an unknown extension that must be understood', async () => {
  const identity = await generateKeyPair('Ed25519');
  const unknown = (critical: boolean): Extension => new Extension('1.2.3.4', critical, Uint8Array.of(5, 0));
  const proved = await peerOf(await made(identity, (libp2p) => [unknown(false), libp2p]), NOW);
  assert.equal(proved.toString(), peerIdFromPrivateKey(identity).toString());
  await assert.rejects(peerOf(await made(identity, (libp2p) => [libp2p, libp2p]), NOW), /two libp2p/);
  await assert.rejects(peerOf(await made(identity, (libp2p) => [libp2p, unknown(true)]), NOW), /1\.2\.3\.4/);
  await assert.rejects(peerOf(await made(identity, () => []), NOW), /no libp2p extension|malformed/);
});
