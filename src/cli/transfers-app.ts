import { join } from 'node:path';
import { SWARM } from '../core/config.ts';
import type { Emit } from '../core/events.ts';
import type { Holding, IncomingFile, OverlayPort, Provider } from '../core/ports.ts';
import { leafOf, type Layout } from '../core/transfer/layout.ts';
import { openDownload, verifyBlock } from '../library/download.ts';
import { sha256 } from '../library/hash.ts';
import type { Overlay } from '../overlay/overlay.ts';
import { Downloads } from '../transfers/downloads.ts';
import { SlotPool } from '../transfers/slots.ts';
import { TransferQueue } from '../transfers/queue.ts';
import { TransferStore } from '../transfers/store.ts';

/**
 * Where downloads meet the overlay, which gives blocks, and the library, which puts them on the disk: the one place
 * that knows all three.
 */
export interface DownloadsOptions {
  readonly overlay: Pick<Overlay, 'label' | 'openBlocks' | 'liar' | 'search'>;
  /** Absolute. */
  readonly folder: string;
  readonly emit: Emit;
}

export function openDownloads({ overlay, folder, emit }: DownloadsOptions): Downloads {
  return new Downloads({
    open: (provider, signal) => overlay.openBlocks(provider, signal),
    find: (cid, signal) => findProviders(overlay, cid, signal),
    incoming: (file, layout) => openIncoming(folder, file, layout),
    sha256,
    now: () => performance.now(),
    random: Math.random,
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
    discard: (file) => discardIncoming(folder, file),
    wall: Date.now,
    random: Math.random,
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

/** A download of the library as one that takes blocks by slots; what is fetched of a file is not kept yet. */
async function openIncoming(folder: string, file: Holding, layout: Layout): Promise<IncomingFile> {
  const download = await openDownload({ folder, ...file });
  const pool = new SlotPool(SWARM.maxOutstanding, layout.blockBytes);
  return {
    path: download.path ?? null,
    have: new Uint8Array(Math.ceil(layout.count / 8)),
    slot: (signal) => pool.take(signal),
    write: async (index, slot) => {
      try {
        const leaf = leafOf(layout, index);
        const bytes = slot.bytes.subarray(0, leaf.size);
        if (!verifyBlock(leaf, bytes)) return false;
        await download.write(index, bytes);
        return true;
      } finally {
        slot.release();
      }
    },
    finish: () => download.finish(),
    suspend: () => download.abort(),
    abort: () => download.abort(),
  };
}

async function discardIncoming(_folder: string, _file: Holding): Promise<void> {
  // Nothing is kept of a file that is not whole.
}
