import { reader, writer } from 'protons-runtime';
import { KelanaError } from '../errors.ts';
import { blob, count, eachField, readBlob, readCount, readText, refuse, text } from './protobuf.ts';

/** Bytes of a proof: HMAC-SHA-256 (RFC 2104). */
export const PROOF_BYTES = 32;
/** Bytes of the longest IP address as text. */
const HOST_BYTES = 45;

/** Where a server takes HTTP, told to who proved to have the key of its group (docs/protocol.md). */
export interface ServerPlace {
  /** An IP address; empty: that of the connection over which this was said. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
  readonly proof: Uint8Array;
}

export function encodeServerAsk(proof: Uint8Array): Uint8Array {
  const out = writer();
  blob(out, 1, proof);
  return out.finish();
}

/** Gives the proof. @throws KelanaError PEER_PROTOCOL */
export function decodeServerAsk(bytes: Uint8Array): Uint8Array {
  return guarded(() => {
    const from = reader(bytes);
    let proof = new Uint8Array();
    eachField(from, from.len, (field) => {
      if (field !== 1) return false;
      proof = Uint8Array.from(readBlob(from, PROOF_BYTES));
      return true;
    });
    return checkedProof(proof);
  });
}

export function encodeServerPlace({ host, port, proof }: ServerPlace): Uint8Array {
  const out = writer();
  if (host !== '') text(out, 1, host);
  count(out, 2, port);
  blob(out, 3, proof);
  return out.finish();
}

/** @throws KelanaError PEER_PROTOCOL */
export function decodeServerPlace(bytes: Uint8Array): ServerPlace {
  return guarded(() => {
    const from = reader(bytes);
    let host = '';
    let port = 0;
    let proof = new Uint8Array();
    eachField(from, from.len, (field) => {
      if (field === 1) host = readText(from, HOST_BYTES);
      else if (field === 2) port = readCount(from, 65_535);
      else if (field === 3) proof = Uint8Array.from(readBlob(from, PROOF_BYTES));
      else return false;
      return true;
    });
    if (port === 0) throw refuse('a server without a port');
    if (!/^[0-9A-Fa-f.:]*$/.test(host)) throw refuse('a host that is no IP address');
    return { host, port, proof: checkedProof(proof) };
  });
}

function checkedProof(proof: Uint8Array): Uint8Array {
  if (proof.length !== PROOF_BYTES) throw refuse('a proof that is not 32 bytes');
  return proof;
}

function guarded<T>(read: () => T): T {
  try {
    return read();
  } catch (thrown) {
    if (thrown instanceof KelanaError) throw thrown;
    throw refuse(thrown instanceof Error ? thrown.message : 'not protobuf');
  }
}
