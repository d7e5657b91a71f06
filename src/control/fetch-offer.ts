import { KelanaError } from '../core/errors.ts';
import type { InboxItem } from '../core/messages/ports.ts';
import type { Holding, Provider } from '../core/ports.ts';
import type { DownloadsPort } from '../core/transfer/ports.ts';

export interface FetchOfferOptions {
  /** Into the downloads folder, from its sender and nobody else. */
  readonly downloads: DownloadsPort;
  whereabouts(peer: string): Promise<Provider>;
}

/** Fetches what an accepted offer names from its sender, as any file or folder; gives its path. */
export async function fetchOffer(
  options: FetchOfferOptions,
  item: InboxItem,
  signal: AbortSignal,
  onBytes: (bytes: number, fetched: number) => void,
): Promise<string> {
  const { text: name, size, cid, files, peer, label } = item;
  const known = await options.whereabouts(peer);
  const from = { peer, label, addresses: [...new Set([...known.addresses, ...item.addresses])] };
  const offered: Holding = { name, size, cid, ...(files > 0 ? { kind: 'folder', files } : {}) };
  for await (const event of options.downloads.fetch(offered, [from], signal)) {
    onBytes(event.type === 'saved' ? event.size : event.bytes, event.fetched);
    if (event.type === 'saved') return event.path;
  }
  throw new KelanaError('TRANSFER_FAILED', { name, why: 'no end' });
}
