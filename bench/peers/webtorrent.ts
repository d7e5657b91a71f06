/**
 * One side of WebTorrent, driven by messages of its parent (bench/transfer/webtorrent.ts): TCP on loopback alone; no
 * tracker, DHT, local discovery, port mapping, uTP or WebRTC. BitTorrent connections are not encrypted.
 */
import { once, type EventEmitter } from 'node:events';

interface Torrent extends EventEmitter {
  readonly torrentFile: Uint8Array;
  readonly done: boolean;
  addPeer(address: string): boolean;
}
interface Client extends EventEmitter {
  readonly torrentPort: number;
  readonly listening: boolean;
  seed(path: string, options: object, ready: (torrent: Torrent) => void): Torrent;
  add(torrent: Uint8Array, options: object): Torrent;
  remove(torrent: Torrent, options: object, done: (error?: Error) => void): void;
}

export type Order =
  | { readonly type: 'seed'; readonly path: string }
  | { readonly type: 'get'; readonly torrent: string; readonly port: number; readonly folder: string }
  | { readonly type: 'forget' };

export interface Seeding {
  /** The .torrent file, base64. */
  readonly torrent: string;
  readonly port: number;
}

// A peer of the bench has its packages in a folder of its own, and may not be installed.
const PACKAGE: string = 'webtorrent';
const { default: WebTorrent } = (await import(PACKAGE)) as {
  default: new (options: object) => Client;
};
const client = new WebTorrent({
  dht: false,
  lsd: false,
  tracker: false,
  natUpnp: false,
  natPmp: false,
  utp: false,
  utPex: false,
  webSeeds: false,
});
client.on('error', (error: unknown) => process.send?.({ error: String(error) }));
let current: Torrent | undefined;

async function obey(order: Order): Promise<object> {
  if (order.type === 'seed') {
    const torrent = await new Promise<Torrent>((ready) => {
      client.seed(order.path, { announceList: [] }, ready);
    });
    while (!client.listening) await once(client, 'listening');
    return {
      torrent: Buffer.from(torrent.torrentFile).toString('base64'),
      port: client.torrentPort,
    } satisfies Seeding;
  }
  if (order.type === 'get') {
    const torrent = client.add(Buffer.from(order.torrent, 'base64'), { path: order.folder, announce: [] });
    current = torrent;
    torrent.once('infoHash', () => torrent.addPeer(`127.0.0.1:${order.port}`));
    await once(torrent, 'done');
    return { done: true };
  }
  const torrent = current;
  if (torrent !== undefined)
    await new Promise<void>((resolve, reject) => {
      client.remove(torrent, {}, (error) => (error instanceof Error ? reject(error) : resolve()));
    });
  return { done: true };
}

process.on('message', (order: Order) => {
  obey(order).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});
process.on('disconnect', () => process.exit());
