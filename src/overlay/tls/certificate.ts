import { generateKeyPairSync, hash, randomBytes, sign, X509Certificate } from 'node:crypto';
import { publicKeyFromProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys';
import type { PeerId, PrivateKey } from '@libp2p/interface';
import { peerIdFromPublicKey } from '@libp2p/peer-id';
import * as asn1 from 'asn1js';
import { Recent } from '../recent.ts';

/**
 * Certificates of libp2p's TLS 1.3 handshake: self-signed, by a key of their own, which the peer's identity key vouches
 * for in an extension. Source: libp2p/specs, tls/tls.md, "Peer Authentication".
 */

/** "Public Key Extension" of the specification. */
const EXTENSION = '1.3.6.1.4.1.53594.1.1';
const PREFIX = Buffer.from('libp2p-tls-handshake:');
const ECDSA_WITH_SHA256 = '1.2.840.10045.4.3.2';
/** Critical extensions of RFC 5280 that say nothing about a handshake: basic constraints, key usage, extended key usage. */
const HARMLESS: ReadonlySet<string> = new Set(['2.5.29.19', '2.5.29.15', '2.5.29.37']);
const HOUR_MS = 3_600_000;
/** As go-libp2p: clocks of peers may be behind by an hour. */
const BEFORE_MS = HOUR_MS;
/** As go-libp2p: 100 years; who a peer is does not end. */
const AFTER_MS = 100 * 365 * 24 * HOUR_MS;
/** Bytes; those of libp2p peers are about 500 with Ed25519, 1,200 with RSA. OpenSSL itself takes up to 100 KiB. */
const MAX_CERTIFICATE_BYTES = 16_384;

/** In PEM, as `node:tls` takes them. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/**
 * A certificate for a peer. One serves all connections of a process: the specification leaves that open, and making one
 * for each costs more than the rest of the handshake.
 */
export async function createCertificate(identity: PrivateKey, now: number): Promise<Certificate> {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  const vouched = await identity.sign(Buffer.concat([PREFIX, spki]));
  const algorithm = new asn1.Sequence({ value: [new asn1.ObjectIdentifier({ value: ECDSA_WITH_SHA256 })] });
  const name = new asn1.Sequence({
    value: [
      new asn1.Set({
        value: [
          new asn1.Sequence({
            value: [
              // serialNumber (RFC 5280, appendix A), as go-libp2p names its certificates.
              new asn1.ObjectIdentifier({ value: '2.5.4.5' }),
              new asn1.PrintableString({ value: randomBytes(8).readBigUInt64BE().toString() }),
            ],
          }),
        ],
      }),
    ],
  });
  const proof = new asn1.Sequence({
    value: [octets(publicKeyToProtobuf(identity.publicKey)), octets(vouched)],
  });
  const extension = new asn1.Sequence({
    value: [
      new asn1.ObjectIdentifier({ value: EXTENSION }),
      new asn1.Boolean({ value: true }),
      octets(new Uint8Array(proof.toBER())),
    ],
  });
  const serial = randomBytes(8);
  // Positive and without a leading zero, as DER wants integers.
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40;
  const body = new asn1.Sequence({
    value: [
      new asn1.Constructed({
        idBlock: { tagClass: 3, tagNumber: 0 },
        value: [new asn1.Integer({ value: 2 })],
      }),
      new asn1.Integer({ valueHex: bufferOf(serial) }),
      algorithm,
      name,
      new asn1.Sequence({ value: [timeOf(now - BEFORE_MS), timeOf(now + AFTER_MS)] }),
      name,
      parse(spki),
      new asn1.Constructed({
        idBlock: { tagClass: 3, tagNumber: 3 },
        value: [new asn1.Sequence({ value: [extension] })],
      }),
    ],
  });
  const signed = Buffer.from(body.toBER());
  const signature = sign('sha256', signed, { key: privateKey, dsaEncoding: 'der' });
  const whole = new asn1.Sequence({
    value: [parse(signed), algorithm, new asn1.BitString({ valueHex: bufferOf(signature) })],
  });
  return {
    cert: pem('CERTIFICATE', Buffer.from(whole.toBER())),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
}

/** What a certificate says; it says the same whenever it is shown. */
interface Proved {
  readonly peer: PeerId;
  /** ms since the Unix epoch. */
  readonly from: number;
  readonly to: number;
}

/** Certificates whose signatures were checked, about 400 B each: peers show the same one at every dial. */
const MAX_PROVED = 1_024;
const proved = new Recent<string, Proved>(MAX_PROVED);

/**
 * The peer that a certificate proves, from its DER bytes. TLS itself has proved that the other side has its key.
 * @throws Error that says what is wrong with it
 */
export async function peerOf(der: Uint8Array, now: number): Promise<PeerId> {
  if (der.length > MAX_CERTIFICATE_BYTES) throw new Error('the certificate is too large');
  const print = hash('sha256', der, 'base64');
  const { peer, from, to } = proved.get(print) ?? (await check(der));
  if (!(from <= now)) throw new Error('the certificate is not valid yet');
  if (!(to >= now)) throw new Error('the certificate has expired');
  proved.set(print, { peer, from, to });
  return peer;
}

async function check(der: Uint8Array): Promise<Proved> {
  const certificate = new X509Certificate(der);
  const key = certificate.publicKey;
  if (!certificate.verify(key)) throw new Error('the certificate is not signed by its own key');
  const proof = proofIn(der);
  const identity = publicKeyFromProtobuf(proof.key);
  const spki = key.export({ type: 'spki', format: 'der' });
  if (!(await identity.verify(Buffer.concat([PREFIX, spki]), proof.signature)))
    throw new Error('its identity key did not vouch for the certificate');
  return {
    peer: peerIdFromPublicKey(identity),
    from: certificate.validFromDate.getTime(),
    to: certificate.validToDate.getTime(),
  };
}

function proofIn(der: Uint8Array): { key: Uint8Array; signature: Uint8Array } {
  const [body] = childrenOf(parse(der));
  const extensions = childrenOf(body).find(
    ({ idBlock }) => idBlock.tagClass === 3 && idBlock.tagNumber === 3,
  );
  let found: Uint8Array | null = null;
  for (const extension of childrenOf(childrenOf(extensions)[0])) {
    const [id, ...rest] = childrenOf(extension);
    const name = id instanceof asn1.ObjectIdentifier ? id.valueBlock.toString() : '';
    const critical = rest[0] instanceof asn1.Boolean && rest[0].valueBlock.value;
    const value = rest.at(-1);
    if (name === EXTENSION) {
      if (found !== null) throw new Error('the certificate has two libp2p extensions');
      found = bytesOf(value);
    } else if (critical && !HARMLESS.has(name))
      throw new Error(`the certificate needs an unknown extension, ${name}`);
  }
  if (found === null) throw new Error('the certificate has no libp2p extension');
  const [key, signature, ...more] = childrenOf(parse(found));
  if (more.length > 0) throw new Error('the libp2p extension is malformed');
  return { key: bytesOf(key), signature: bytesOf(signature) };
}

type Element = ReturnType<typeof asn1.fromBER>['result'];

function parse(der: Uint8Array): Element {
  const { result, offset } = asn1.fromBER(bufferOf(der));
  if (offset !== der.length) throw new Error('the certificate is malformed');
  return result;
}

function childrenOf(element: Element | undefined): Element[] {
  if (element instanceof asn1.Constructed) return element.valueBlock.value;
  throw new Error('the certificate is malformed');
}

function bytesOf(element: Element | undefined): Uint8Array {
  if (element instanceof asn1.OctetString) return element.valueBlock.valueHexView;
  throw new Error('the libp2p extension is malformed');
}

function octets(bytes: Uint8Array): asn1.OctetString {
  return new asn1.OctetString({ valueHex: bufferOf(bytes) });
}

/** asn1js wants a buffer of its own. */
function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

/** RFC 5280 section 4.1.2.5: UTCTime up to 2049, GeneralizedTime from 2050; whole seconds. */
function timeOf(at: number): Element {
  const date = new Date(at - (at % 1000));
  return date.getUTCFullYear() < 2050
    ? new asn1.UTCTime({ valueDate: date })
    : new asn1.GeneralizedTime({ valueDate: date });
}

function pem(label: string, der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
