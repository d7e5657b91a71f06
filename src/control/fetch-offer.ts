import { join } from 'node:path';
import { KelanaError } from '../core/errors.ts';
import type { InboxItem } from '../core/messages/ports.ts';
import type { Hit, Provider } from '../core/ports.ts';
import { decodeListing } from '../core/wire/listing.ts';

export interface FetchOfferOptions {
  /** Verified bytes of a small file, from its sender. */
  bytesOf(hit: Hit, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Fetches a file into a folder, verified; gives its path. */
  fetchFile(hit: Hit, folder: string, signal: AbortSignal, onBytes: (bytes: number) => void): Promise<string>;
  /** Makes a folder of this or a similar name that nothing else uses. */
  claimFolder(name: string): Promise<string>;
  /** Notes where a folder goes, so that a later try goes on there. */
  note(item: InboxItem, path: string): Promise<void>;
  whereabouts(peer: string): Promise<Provider>;
  readonly downloads: string;
}

/** Fetches what an accepted offer names from its sender; gives the path of the file or folder. */
export async function fetchOffer(
  options: FetchOfferOptions,
  item: InboxItem,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const known = await options.whereabouts(item.peer);
  const from = {
    peer: item.peer,
    label: item.label,
    addresses: [...new Set([...known.addresses, ...item.addresses])],
    hops: 1,
  };
  if (item.files === 0) {
    const hit = { ...from, name: item.text, size: item.size, cid: item.cid };
    return await options.fetchFile(hit, options.downloads, signal, onBytes);
  }
  const list = { ...from, name: item.text, size: item.listBytes, cid: item.cid };
  const parts: Uint8Array[] = [];
  for await (const part of options.bytesOf(list, signal)) parts.push(part);
  const files = decodeListing(Buffer.concat(parts));
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (files.length !== item.files || size !== item.size)
    throw new KelanaError('PEER_PROTOCOL', { peer: item.label, why: 'the list is not what was offered' });
  const folder = item.path ?? (await options.claimFolder(item.text));
  if (item.path === null) await options.note(item, folder);
  for (const file of files) {
    const below = file.name.split('/').slice(0, -1);
    await options.fetchFile({ ...from, ...file }, join(folder, ...below), signal, onBytes);
  }
  return folder;
}
