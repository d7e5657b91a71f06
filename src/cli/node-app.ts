import { mkdir, realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Accepts } from '../control/mail-desk.ts';
import type { MailControls } from '../control/mail.ts';
import { listNode } from '../control/listing.ts';
import { getFile } from '../control/operations.ts';
import { serveControl, type NodeControls } from '../control/server.ts';
import { socketPath } from '../control/socket.ts';
import { KelanaError, reason } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import type { InboxItem } from '../core/messages/ports.ts';
import type { LimitsInfo, SearchOptions } from '../core/ports.ts';
import { openDataFolder } from '../library/datafolder.ts';
import { openLibrary, type Library } from '../library/library.ts';
import { Offers } from '../library/offers.ts';
import { sweepParts } from '../library/parts.ts';
import { Shares } from '../library/shares.ts';
import { openStreamed } from '../library/streamed.ts';
import { Writer } from '../library/writer.ts';
import type { Overlay } from '../overlay/options.ts';
import { startOverlay } from '../overlay/overlay.ts';
import { strongRandom } from '../overlay/strong-random.ts';
import type { Downloads } from '../transfers/downloads.ts';
import type { TransferQueue } from '../transfers/queue.ts';
import type { Context } from './context.ts';
import { NodeLimits, type LimitTexts } from './limits.ts';
import { openMail } from './mail-app.ts';
import { shareControls } from './share-controls.ts';
import { openDownloads, openQueue } from './transfers-app.ts';

export interface NodeAppOptions {
  readonly host: string;
  readonly port: number;
  /** Shared folders; each must exist, but the default one is made. */
  readonly share: readonly string[];
  readonly data: string;
  readonly downloads: string;
  readonly peers: readonly string[];
  /** Neighbours to look for; 0 keeps to the addresses given. */
  readonly neighbours?: number;
  /** Takes part in the DHT; true by default. */
  readonly dht?: boolean;
  /** Limits of bandwidth; a direction that is left out has the limit kept in the data folder, if any. */
  readonly limits?: LimitTexts;
  /** Takes the room on the disk before a download begins; false by default. */
  readonly preallocate?: boolean;
  /** Serves what it shares to IPFS nodes too; false by default. */
  readonly ipfs?: boolean;
  readonly emit: Emit;
  /** Whose offers of files are accepted without a question; `ask` by default. */
  readonly accept?: Accepts;
  /** Peer ids whose offers are accepted in any case. */
  readonly acceptFrom?: readonly string[];
  /** An offer waits for a decision. */
  onOffer?(item: InboxItem): void;
  /** False for a node that lives only for one command: no other command should find it. */
  readonly control?: boolean;
}

/** A running node with everything a command can ask of it. */
export interface NodeApp {
  readonly overlay: Overlay;
  readonly library: Library;
  readonly controls: NodeControls;
  close(): Promise<void>;
}

/**
 * Opens the data folder, the library and the overlay, in this order, and the control socket last: who can reach it
 * finds a node that works.
 * @throws KelanaError of each of them; what was opened before is closed again
 */
export async function startNode(context: Context, options: NodeAppOptions): Promise<NodeApp> {
  const { emit } = options;
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closers.splice(0).reverse()) await step();
  };
  try {
    const folder = await openDataFolder(resolve(context.cwd, options.data));
    closers.push(() => folder.release());
    const downloads = resolve(context.cwd, options.downloads);
    const shares = await Shares.open(join(folder.path, 'shares.json'));
    const library = await openLibrary({
      roots: options.share,
      kept: shares.list(),
      dataDir: folder.path,
      emit,
      who: `node ${options.port}`,
    });
    closers.push(() => library.close());
    const limits = await NodeLimits.open(folder.path, options.limits ?? {});
    const writer = new Writer();
    closers.push(() => writer.close());
    const { accept, acceptFrom } = options;
    const mail =
      options.control === false
        ? null
        : await openMail({
            dataFolder: folder.path,
            downloads,
            writer,
            emit,
            preallocate: options.preallocate ?? false,
            onOffer: (item) => options.onOffer?.(item),
            ...(accept === undefined ? {} : { accept }),
            ...(acceptFrom === undefined ? {} : { acceptFrom }),
          });
    if (mail !== null) closers.push(() => mail.close());
    const offers = new Offers();
    const fetching: { downloads: Downloads | null; queue: TransferQueue | null } = {
      downloads: null,
      queue: null,
    };
    const overlay = await startOverlay({
      host: options.host,
      port: options.port,
      dataFolder: folder.path,
      library,
      peers: options.peers,
      emit,
      now: () => performance.now(),
      random: strongRandom(),
      uploadLimit: () => limits.rate('up'),
      downloadLimit: () => limits.rate('down'),
      ...(options.neighbours === undefined ? {} : { wantNeighbours: options.neighbours }),
      ...(options.dht === undefined ? {} : { dht: options.dht }),
      ...mail?.hooks,
      partial: (cid) => offers.partial(cid),
      linked: (provider) => {
        fetching.downloads?.linked(provider);
        fetching.queue?.heard(provider);
      },
      fetcher: (cid, provider) => fetching.downloads?.told(cid, provider),
      ...(options.ipfs === true ? { ipfsBlocks: library.blocks() } : {}),
    });
    closers.push(() => overlay.close());
    if (mail !== null) closers.push(() => mail.stop());
    const letters = await mail?.open(overlay);
    const { preallocate = false } = options;
    const how = { overlay, folder: downloads, writer, emit, preallocate, offers };
    const transfers = openDownloads(how);
    fetching.downloads = transfers;
    // A node for one command has nothing to go on with later.
    const queue = options.control === false ? null : openQueue(folder.path, transfers, how);
    if (queue !== null) closers.push(() => queue.close());
    fetching.queue = queue;
    const queued = new Set([
      ...(queue?.list() ?? []).map(({ cid }) => cid),
      ...((await mail?.accepted()) ?? []),
    ]);
    await sweepParts(downloads, { queued });
    const controls = controlsOf(
      context,
      overlay,
      library,
      shares,
      limits,
      downloads,
      writer,
      transfers,
      queue,
      emit,
      letters,
    );
    if (options.control !== false) closers.push(await serveControl(await socketPath(folder.path), controls));
    await Promise.race([library.ready, new Promise((done) => setTimeout(done, FIRST_SCAN_MS).unref())]);
    emit({ type: 'node.ready', who: overlay.label, peerId: overlay.peerId, files: library.list().length });
    return { overlay, library, controls, close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** ms that a start waits for the first scan; a large library goes on being scanned while the node already serves. */
const FIRST_SCAN_MS = 2_000;

function controlsOf(
  context: Context,
  overlay: Overlay,
  library: Library,
  shares: Shares,
  limits: NodeLimits,
  folder: string,
  writer: Writer,
  downloads: Downloads,
  queue: TransferQueue | null,
  emit: Emit,
  mail: MailControls | undefined,
): NodeControls {
  const shown = (): LimitsInfo => {
    const { up, down } = overlay.traffic();
    return { up: limits.info('up', up), down: limits.info('down', down) };
  };
  return {
    ...shareControls(library, shares),
    status: () => {
      const files = library.list();
      return {
        label: overlay.label,
        peerId: overlay.peerId,
        addresses: overlay.addresses(),
        neighbours: overlay.neighbours(),
        prints: overlay.prints(),
        limits: shown(),
        files: files.length,
        bytes: files.reduce((sum, file) => sum + file.size, 0),
        scanning: library.scanning(),
        scan: library.progress(),
        pid: context.pid,
        uptimeSeconds: context.uptime(),
        memoryBytes: context.memory(),
      };
    },
    search: (query, how) => afterLinks(overlay, how, () => overlay.search(query, how)),
    get: (query, { background = false, ...how }) => {
      // While it is searched for.
      writer.warm();
      return afterLinks(overlay, how, () =>
        getFile(query, {
          ...how,
          overlay,
          downloads,
          ...(background && queue !== null
            ? { queue: (file, providers) => queue.add(file, providers, how.only) }
            : {}),
          ipfsSource: {
            port: overlay.ipfs,
            open: ({ name, size }) => openStreamed({ folder, name, size }),
          },
          emit,
          now: () => performance.now(),
        }),
      );
    },
    transfers: queue,
    files: () => library.list(),
    folders: () => library.folders(),
    list: (node, signal) =>
      listNode(
        {
          overlay,
          who: (text, until) =>
            mail?.who(text, until, 'kelana ls') ?? overlay.carrier.find(text, until, 'kelana ls'),
        },
        node,
        signal,
      ),
    peers: () => overlay.peers(),
    addPeer: (address, signal) => overlay.addPeer(address, signal),
    removePeer: (address) => overlay.removePeer(address),
    limits: shown,
    setLimits: async ({ save = false, ...change }) => {
      await limits.set(change, save);
      return shown();
    },
    ...(mail === undefined ? {} : { mail }),
  };
}

async function* afterLinks<T>(
  overlay: Overlay,
  how: SearchOptions,
  run: () => AsyncIterable<T>,
): AsyncGenerator<T> {
  await overlay.settled(how.signal ?? new AbortController().signal);
  yield* run();
}

/** The shared folders that were asked for, absolute; the default one is made where it is missing. */
export async function shareFolders(
  context: Context,
  asked: readonly string[],
  preset: string,
): Promise<readonly string[]> {
  if (asked.length > 0) return asked.map((path) => resolve(context.cwd, path));
  const path = resolve(context.cwd, preset);
  try {
    await mkdir(path, { recursive: true });
    return [await realpath(path)];
  } catch (thrown) {
    throw new KelanaError('CANNOT_WRITE', { path, why: reason(thrown) }, thrown);
  }
}
