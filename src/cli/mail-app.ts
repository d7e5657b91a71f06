import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { fetchOffer } from '../control/fetch-offer.ts';
import { Fetching } from '../control/fetching.ts';
import { MailDesk, type Accepts } from '../control/mail-desk.ts';
import { mailControls, type MailControls } from '../control/mail.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { InboxItem } from '../core/messages/ports.ts';
import type { Hit } from '../core/ports.ts';
import { claimFolder } from '../library/claim.ts';
import { collect } from '../library/collect.ts';
import { PrivateHoldings } from '../library/private.ts';
import { openPost } from '../mailbox/post.ts';
import { Postman } from '../mailbox/postman.ts';
import type { Writer } from '../library/writer.ts';
import type { Overlay, OverlayOptions } from '../overlay/options.ts';
import { strongRandom } from '../overlay/strong-random.ts';
import { openDownloads, type DownloadsOptions } from './transfers-app.ts';

export interface MailAppOptions {
  readonly dataFolder: string;
  readonly downloads: string;
  /** Hashes and writes what is fetched. */
  readonly writer: Writer;
  readonly emit: Emit;
  readonly accept?: Accepts;
  readonly acceptFrom?: readonly string[];
  onOffer?(item: InboxItem): void;
}

/** A node's messages and offers, before and after there is an overlay to carry them. */
export interface MailApp {
  /** What the overlay needs to be told. */
  readonly hooks: Required<Pick<OverlayOptions, 'letters' | 'visible'>>;
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
      const fetching = new Fetching({
        fetch: (item, signal, onBytes) =>
          fetchOffer(
            {
              downloads,
              bytesOf: (hit, until) => overlay.fetch(hit, undefined, until),
              fetchFile: (hit, folder, until, count) =>
                fetchFile({ overlay, folder, writer, emit }, hit, until, count),
              claimFolder: (name) => claimFolder(downloads, name),
              note: async ({ no }, path) => {
                await post.decide(no, ['accepted'], 'accepted', { path }, null);
              },
              whereabouts: (peer) => carrier.whereabouts(peer),
            },
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

/** From its sender, as every other file; what came stays for the next attempt. */
async function fetchFile(
  how: DownloadsOptions,
  hit: Hit,
  signal: AbortSignal,
  onBytes: (bytes: number) => void,
): Promise<string> {
  const { name, size, cid, peer, label, addresses } = hit;
  let told = 0;
  for await (const event of openDownloads(how).fetch(
    { name, size, cid },
    [{ peer, label, addresses }],
    signal,
  )) {
    const bytes = event.type === 'saved' ? size : event.bytes;
    onBytes(bytes - told);
    told = bytes;
    if (event.type === 'saved') return event.path;
  }
  throw new KelanaError('TRANSFER_FAILED', { name, why: 'no end' });
}
