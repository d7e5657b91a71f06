import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fetchOffer } from '../control/fetch-offer.ts';
import { Fetching } from '../control/fetching.ts';
import { MailDesk, type Accepts } from '../control/mail-desk.ts';
import { mailControls, type MailControls } from '../control/mail.ts';
import type { Emit } from '../core/events.ts';
import type { InboxItem } from '../core/messages/ports.ts';
import { collect } from '../library/collect.ts';
import { PrivateHoldings } from '../library/private.ts';
import { openPost } from '../mailbox/post.ts';
import { Postman } from '../mailbox/postman.ts';
import type { Writer } from '../library/writer.ts';
import type { Overlay, OverlayOptions } from '../overlay/options.ts';
import { strongRandom } from '../overlay/strong-random.ts';
import { openDownloads } from './transfers-app.ts';

export interface MailAppOptions {
  readonly dataFolder: string;
  readonly downloads: string;
  /** Hashes and writes what is fetched. */
  readonly writer: Writer;
  /** Takes the room on the disk before the first block of what is fetched; false by default. */
  readonly preallocate?: boolean;
  readonly emit: Emit;
  readonly accept?: Accepts;
  readonly acceptFrom?: readonly string[];
  onOffer?(item: InboxItem): void;
}

/** A node's messages and offers, before and after there is an overlay to carry them. */
export interface MailApp {
  /** What the overlay needs to be told. */
  readonly hooks: Required<Pick<OverlayOptions, 'letters' | 'visible'>>;
  /** CIDs of what was accepted and is still to be fetched. */
  accepted(): Promise<readonly string[]>;
  /** Begins to deliver, and to fetch what was accepted. To be called once. */
  open(overlay: Overlay): Promise<MailControls>;
  /** Before the overlay is closed. */
  stop(): Promise<void>;
  /** After it: nothing comes in any more. */
  close(): Promise<void>;
}

/** @throws KelanaError DATABASE */
export async function openMail(options: MailAppOptions): Promise<MailApp> {
  const { emit, downloads, writer } = options;
  const post = await openPost(join(options.dataFolder, 'inbox.db'));
  const holdings = new PrivateHoldings();
  let who = 'node';
  let running: { postman: Postman; fetching: Fetching } | null = null;
  const desk = new MailDesk({
    post,
    holdings,
    emit,
    who: () => who,
    now: Date.now,
    accept: options.accept ?? 'ask',
    acceptFrom: new Set(options.acceptFrom),
    onOffer: (item) => options.onOffer?.(item),
  });
  return {
    hooks: { letters: desk, visible: (peer, cid) => holdings.visible(peer, cid) },
    accepted: async () => (await post.accepted()).map(({ cid }) => cid),
    open: async (overlay) => {
      const { carrier } = overlay;
      who = overlay.label;
      const postman = new Postman({
        post,
        carrier,
        now: Date.now,
        random: strongRandom(),
        onSettled: (item) => desk.settled(item),
        onPostponed: () => desk.changes.tell(),
        onError: (error) => desk.failed(error),
      });
      const fetched = openDownloads({
        overlay,
        folder: downloads,
        writer,
        emit,
        offered: true,
        preallocate: options.preallocate ?? false,
      });
      const fetching = new Fetching({
        fetch: (item, signal, onBytes) =>
          fetchOffer(
            { downloads: fetched, whereabouts: (peer) => carrier.whereabouts(peer) },
            item,
            signal,
            onBytes,
          ).then((path) => {
            emit({ type: 'file.downloaded', who, from: item.label, name: item.text, path, bytes: item.size });
            return path;
          }),
        ended: (item, outcome) => desk.ended(item, outcome),
        onChange: () => desk.changes.tell(),
        now: Date.now,
        random: strongRandom(),
      });
      running = { postman, fetching };
      await desk.open(carrier, postman, fetching);
      postman.start();
      return mailControls({
        post,
        desk,
        fetching,
        carrier,
        postman,
        holdings,
        changes: desk.changes,
        collect: (peer, group, path, signal, onFile) => collect(holdings, peer, group, path, signal, onFile),
        newId: () => randomBytes(16).toString('hex'),
        now: Date.now,
      });
    },
    stop: async () => {
      await Promise.all([running?.postman.stop(), running?.fetching.stop()]);
    },
    close: async () => {
      holdings.close();
      await post.close();
    },
  };
}
