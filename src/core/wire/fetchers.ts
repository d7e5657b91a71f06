import { reader, writer } from 'protons-runtime';
import { TOGETHER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { append, eachField, length, refuse } from './protobuf.ts';
import type { Contact } from './search-frames.ts';
import { readContact, writeContact } from './search-parts.ts';

/** Peers that fetch the same file: the payload of `peers` in the blocks protocol, a message of contacts as field 1. */
export function encodeFetchers(peers: readonly Contact[]): Uint8Array {
  const out = writer();
  for (const { peer, label, addresses } of peers.slice(0, TOGETHER.told))
    writeContact(out, 1, { peer, label, addresses: addresses.slice(0, TOGETHER.addresses) });
  return out.finish();
}

/** @throws KelanaError PEER_PROTOCOL */
export function decodeFetchers(bytes: Uint8Array): readonly Contact[] {
  const peers: Contact[] = [];
  try {
    const from = reader(bytes);
    eachField(from, from.len, (field) => {
      if (field !== 1) return false;
      append(peers, readContact(from, length(from)), TOGETHER.told);
      return true;
    });
  } catch (thrown) {
    if (thrown instanceof KelanaError) throw thrown;
    throw refuse(thrown instanceof Error ? thrown.message : 'not protobuf');
  }
  return peers;
}
