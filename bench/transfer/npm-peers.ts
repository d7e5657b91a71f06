/** WebTorrent and Helia, from npm, in a folder of their own: no dependencies of kelana. */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Order as HeliaOrder } from '../peers/helia.ts';
import type { Order as TorrentOrder, Seeding } from '../peers/webtorrent.ts';
import { Missing, type Contender, type Running } from './contender.ts';
import type { Material } from './material.ts';
import type { Child, Workshop } from './workshop.ts';

const PEERS = new URL('../peers/', import.meta.url);
let installing: Promise<void> | undefined;

/** Installs them at the first run, exactly as the lock file says and without running their scripts. */
export function peersInstalled(workshop: Workshop): Promise<void> {
  return (installing ??= install(workshop));
}

async function install(workshop: Workshop): Promise<void> {
  const folder = fileURLToPath(PEERS);
  // npm writes what it installed; another lock file means that it is to be done again.
  const hidden = join(folder, 'node_modules/.package-lock.json');
  if (existsSync(hidden) && sameLock(join(folder, 'package-lock.json'), hidden)) return;
  process.stderr.write('        installing the npm packages of bench/peers (once)\n');
  try {
    // With the person's own settings, such as a registry or a proxy.
    await workshop.spawn('npm', ['ci', '--ignore-scripts'], { cwd: folder, env: process.env }).ended();
  } catch (thrown) {
    throw new Missing(`npm ci in bench/peers failed: ${String(thrown)}`);
  }
}

interface Lock {
  readonly packages: Readonly<Record<string, { version?: string; optional?: boolean }>>;
}

/** Whether all packages of the lock file that are not optional are installed in its version. */
function sameLock(path: string, hidden: string): boolean {
  const [wanted, there] = [path, hidden].map((file) => JSON.parse(readFileSync(file, 'utf8')) as Lock);
  return Object.entries(wanted?.packages ?? {}).every(
    ([name, { version, optional }]) =>
      name === '' || optional === true || there?.packages[name]?.version === version,
  );
}

/** Ends both, whatever happened. */
async function stop(...children: readonly Child[]): Promise<void> {
  await Promise.all(children.map((child) => child.stop('SIGKILL')));
}

export const webtorrent: Contender = {
  name: 'WebTorrent',
  note: 'TCP, unencrypted',
  async start(workshop: Workshop, material: Material): Promise<Running> {
    await peersInstalled(workshop);
    const folder = join(workshop.folder, 'webtorrent', material.name);
    await mkdir(folder, { recursive: true });
    const url = new URL('webtorrent.ts', PEERS);
    const [sender, receiver] = [workshop.fork(url), workshop.fork(url)];
    const tell = (child: Child, order: TorrentOrder): Promise<object> => child.ask(order);
    const { torrent, port } = (await tell(sender, { type: 'seed', path: material.path })) as Seeding;
    return {
      pids: { sender: [sender.pid], receiver: [receiver.pid] },
      folder,
      prepare: async () => {
        await tell(receiver, { type: 'forget' });
      },
      async transfer(meter) {
        meter.start();
        await tell(receiver, { type: 'get', torrent, port, folder });
        meter.stop();
        return join(folder, material.name);
      },
      close: () => stop(sender, receiver),
    };
  },
};

export const helia: Contender = {
  name: 'Helia',
  note: 'bitswap over TLS, blocks in memory',
  async start(workshop: Workshop, material: Material): Promise<Running> {
    await peersInstalled(workshop);
    const folder = join(workshop.folder, 'helia');
    await mkdir(folder, { recursive: true });
    const url = new URL('helia.ts', PEERS);
    const tell = async (child: Child, order: HeliaOrder): Promise<string> =>
      Object.values(await child.ask<Readonly<Record<string, string>>>(order))[0] ?? '';
    const sender = workshop.fork(url);
    const address = await tell(sender, { type: 'start' });
    const cid = await tell(sender, { type: 'add', path: material.path });
    let receiver: Child | undefined;
    // What was fetched once is in its memory: each transfer has a new receiver, up and connected.
    const pids = { sender: [sender.pid], receiver: [] };
    return {
      pids,
      folder,
      async prepare() {
        if (receiver !== undefined) await stop(receiver);
        receiver = workshop.fork(url);
        await tell(receiver, { type: 'start' });
        await tell(receiver, { type: 'dial', address });
      },
      async transfer(meter) {
        if (receiver === undefined) throw new Error('not prepared');
        const path = join(folder, material.name);
        meter.watch('receiver', receiver.pid);
        meter.start();
        await tell(receiver, { type: 'get', cid, path });
        meter.stop();
        return path;
      },
      close: () => stop(sender, ...(receiver === undefined ? [] : [receiver])),
    };
  },
};
