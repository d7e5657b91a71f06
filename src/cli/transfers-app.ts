import { join } from 'node:path';
import { SWARM } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { shownName } from '../core/names.ts';
import { parseCid, RAW } from '../core/transfer/cid.ts';
import { verifyManifest } from '../core/transfer/verify.ts';
import type { Holding, OverlayPort, Provider } from '../core/ports.ts';
import { beginIncoming, openIncoming } from '../library/incoming.ts';
import { openIncomingFolder } from '../library/incoming-folder.ts';
import { dropLeftovers } from '../library/claims.ts';
import { sha256 } from '../library/hash.ts';
import type { Offers } from '../library/offers.ts';
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
  /** Gives what is being fetched to others who fetch the same: only for what is shared with everybody. */
  readonly offers?: Offers;
  /**
   * What was offered to this node alone: nobody but who offered it is asked, as the question would tell others of it, and
   * a folder must be what its offer said.
   */
  readonly offered?: boolean;
  readonly emit: Emit;
}

export function openDownloads({
  overlay,
  folder,
  writer,
  emit,
  preallocate = false,
  offers,
  offered = false,
}: DownloadsOptions): Downloads {
  const shared = offers === undefined ? {} : { offers };
  return new Downloads({
    open: (provider, signal, cid) => overlay.open(provider, signal, cid),
    ...(offered ? {} : { find: (cid, signal) => findProviders(overlay, cid, signal) }),
    incoming: ({ name }, layout, signal) =>
      openIncoming({ folder, name, layout, writer, signal, preallocate, ...shared }),
    ahead: async ({ name, cid, size }) => {
      if (parseCid(cid)?.codec !== RAW) return null;
      const layout = verifyManifest(cid, [], sha256, { size });
      return await beginIncoming({ folder, name, layout, writer, preallocate, ...shared });
    },
    incomingFolder: (holding, entries, signal, listing) => {
      if (offered) checkOffered(holding, entries);
      const { name, cid } = holding;
      const offer = offers && { offers, listing };
      return openIncomingFolder({
        folder,
        name,
        cid,
        entries,
        folders: listing.folders,
        // What was offered is what its offer said, and is put beside nothing.
        ...(offered ? {} : { whole: listing.whole }),
        places: listing.listed,
        writer,
        signal,
        offer,
      });
    },
    together: offers !== undefined,
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

/** Nobody gets more onto a disk than was agreed to. @throws KelanaError PEER_PROTOCOL */
function checkOffered({ name, size, files }: Holding, entries: readonly { readonly size: number }[]): void {
  const bytes = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (entries.length === files && bytes === size) return;
  const why = { id: 'isi foldernya bukan yang ditawarkan', en: 'the folder is not what was offered' };
  throw new KelanaError('PEER_PROTOCOL', { peer: shownName(name), why });
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
