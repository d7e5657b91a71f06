import { join } from 'node:path';
import { SWARM } from '../core/config.ts';
import type { Emit } from '../core/events.ts';
import type { OverlayPort, Provider } from '../core/ports.ts';
import { openIncoming } from '../library/incoming.ts';
import { openIncomingFolder } from '../library/incoming-folder.ts';
import { dropLeftovers } from '../library/claims.ts';
import { sha256 } from '../library/hash.ts';
import type { Writer } from '../library/writer.ts';
import type { Overlay } from '../overlay/options.ts';
import { strongRandom } from '../overlay/strong-random.ts';
import { Downloads } from '../transfers/downloads.ts';
import { TransferQueue } from '../transfers/queue.ts';
import { TransferStore } from '../transfers/store.ts';

/**
 * Where downloads meet the overlay, which gives blocks, and the library, which puts them on the disk: the one place
 * that knows all three.
 */
export interface DownloadsOptions {
  readonly overlay: Pick<Overlay, 'label' | 'open' | 'liar' | 'search'>;
  /** Absolute. */
  readonly folder: string;
  /** Hashes and writes the blocks of all downloads. */
  readonly writer: Writer;
  /** Takes the room on the disk before the first block. */
  readonly preallocate?: boolean;
  readonly emit: Emit;
}

export function openDownloads({
  overlay,
  folder,
  writer,
  emit,
  preallocate = false,
}: DownloadsOptions): Downloads {
  return new Downloads({
    open: (provider, signal) => overlay.open(provider, signal),
    find: (cid, signal) => findProviders(overlay, cid, signal),
    incoming: ({ name }, layout, signal) =>
      openIncoming({ folder, name, layout, writer, signal, preallocate }),
    incomingFolder: ({ name, cid }, entries, signal) =>
      openIncomingFolder({ folder, name, cid, entries, writer, signal }),
    sha256,
    now: () => performance.now(),
    random: strongRandom(),
    onDropped: ({ peer }, error, liar) => {
      const { code, message: detail, params } = error;
      emit({ type: 'error', who: overlay.label, code, detail, params });
      if (liar) overlay.liar(peer, detail);
    },
  });
}

/** The transfers of a node that stays; `data` is its data folder. @throws KelanaError DATABASE */
export function openQueue(
  data: string,
  downloads: Downloads,
  { overlay, folder, emit }: DownloadsOptions,
): TransferQueue {
  const store = new TransferStore(join(data, 'transfers.db'));
  const who = overlay.label;
  if (store.damaged !== null) {
    const params = { path: store.damaged, why: 'damaged' };
    emit({ type: 'error', who, code: 'DATABASE', detail: `damaged: ${store.damaged}`, params });
  }
  return new TransferQueue({
    store,
    downloads,
    discard: ({ cid, kind }) => dropLeftovers(folder, cid, kind === 'folder' ? 'dir' : 'part'),
    wall: Date.now,
    random: strongRandom(),
    emit,
    who,
  });
}

/** Those who have a file, as a search by its CID hears of them. */
async function* findProviders(
  overlay: Pick<OverlayPort, 'search'>,
  cid: string,
  signal: AbortSignal,
): AsyncGenerator<Provider> {
  const how = { want: SWARM.maxOpen, timeoutMs: SWARM.searchMs, signal };
  for await (const event of overlay.search({ kind: 'cid', cid }, how)) {
    if (event.type === 'hit') yield* event.providers;
    else if (event.type === 'provider') yield event.provider;
  }
}
