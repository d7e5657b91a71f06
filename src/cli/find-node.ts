import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { NodeClient } from '../control/client.ts';
import { isAlive, knownNodes, socketPath } from '../control/socket.ts';
import type { NodeControls } from '../control/server.ts';
import { KelanaError } from '../core/errors.ts';
import type { Context } from './context.ts';
import { DATA_FOLDER } from './data-folder.ts';
import type { Values } from './values.ts';

/**
 * The running node that a command means: `--data`, else the default folder's, else the first by name of those started here.
 * @throws KelanaError NO_NODE
 */
export async function runningNode(context: Context, values: Values): Promise<NodeClient> {
  const asked = values.text('data');
  const root = resolve(context.cwd, DATA_FOLDER);
  const folders = asked === undefined ? [root, ...(await knownNodes(root))] : [resolve(context.cwd, asked)];
  for (const folder of folders) {
    const path = await socketPath(folder);
    if (await isAlive(path)) return new NodeClient(path, folder);
  }
  throw new KelanaError('NO_NODE', { path: folders[0] ?? root });
}

export interface WithNodeOptions {
  /** Addresses of `--peer` may be those of IPFS nodes, which are then handed to `work` instead of linked to. */
  readonly ipfs?: boolean;
}

/** What `find` and `get` need of a node, be it another process or this one. */
export type Searcher = Pick<NodeControls, 'search' | 'get'>;

/**
 * Runs `work` on the running node; with none running, on one that is started for the moment with the peers given
 * by `--peer`, and those that the data folder knows.
 * @throws KelanaError INTERRUPTED where the process is asked to stop before `work` begins
 */
export async function withNode<T>(
  context: Context,
  values: Values,
  work: (node: Searcher, ipfs: readonly string[]) => Promise<T>,
  { ipfs: mayBeIpfs = false }: WithNodeOptions = {},
): Promise<T> {
  const ipfs: string[] = [];
  const client = await runningNode(context, values).catch((thrown: unknown) => {
    if (thrown instanceof KelanaError && thrown.code === 'NO_NODE') return null;
    throw thrown;
  });
  if (client !== null) {
    for (const peer of values.texts('peer')) {
      try {
        await client.addPeer(peer);
      } catch (thrown) {
        if (!mayBeIpfs || !isNotKelana(thrown)) throw thrown;
        await client.removePeer(peer);
        ipfs.push(peer);
      }
    }
    context.signal.throwIfAborted();
    return await work(client, ipfs);
  }
  const [{ openLog }, { startNode }] = await Promise.all([import('./logging.ts'), import('./node-app.ts')]);
  const log = await openLog(context, values);
  const nothing = await mkdtemp(join(tmpdir(), 'kelana-empty-'));
  try {
    const app = await startNode(context, {
      host: '0.0.0.0',
      port: 0,
      share: [nothing],
      data: values.text('data') ?? DATA_FOLDER,
      downloads: values.text('downloads') ?? 'downloaded',
      peers: values.texts('peer'),
      // It is gone in a moment: others need not link to it, nor keep records with it.
      neighbours: 0,
      dht: values.text('strategy') === 'dht',
      emit: log.emit,
      control: false,
    });
    try {
      context.signal.throwIfAborted();
      if (app.overlay.peers().length === 0)
        throw new KelanaError('NO_NODE', { path: resolve(context.cwd, values.text('data') ?? DATA_FOLDER) });
      await app.overlay.settled(context.signal);
      context.signal.throwIfAborted();
      for (const peer of mayBeIpfs ? app.overlay.peers() : []) {
        if (!isNotKelana(peer.error) || !values.texts('peer').includes(peer.address)) continue;
        await app.overlay.removePeer(peer.address);
        ipfs.push(peer.address);
      }
      if (ipfs.length === 0) refuseIfAlone(app.overlay.peers());
      return await work(app.controls, ipfs);
    } finally {
      await app.close();
    }
  } finally {
    await rm(nothing, { recursive: true, force: true });
    await log.close();
  }
}

/** Something answers there, but no kelana node. */
function isNotKelana(thrown: unknown): boolean {
  return thrown instanceof KelanaError && thrown.code === 'NOT_KELANA';
}

/** With known peers of which none could be linked, the reason is a better answer than a search among nobody. */
function refuseIfAlone(peers: readonly { state: string; error: KelanaError | null }[]): void {
  const failed = peers.find((peer) => peer.error !== null)?.error;
  if (failed !== undefined && failed !== null && !peers.some((peer) => peer.state === 'linked')) throw failed;
}
