import { lookup } from 'node:dns/promises';
import { rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { formatHostPort, labelOf } from '../core/address.ts';
import { KelanaError } from '../core/errors.ts';
import type { Emit } from '../core/events.ts';
import { openDataFolder } from '../library/datafolder.ts';
import { openLibrary } from '../library/library.ts';
import { openMailbox } from '../mailbox/mailbox.ts';
import { startOverlay } from '../overlay/overlay.ts';
import { strongRandom } from '../overlay/strong-random.ts';
import { startServer, type RunningServer } from '../server/start.ts';
import type { Context } from './context.ts';
import { P2P_FILE, siblingAddresses } from './siblings.ts';

export interface ServerAppOptions {
  readonly host: string;
  readonly port: number;
  readonly name: string | undefined;
  /** Shared by the servers of one machine: the mailbox lies in it, and each server's own folder. */
  readonly data: string;
  /** SQLite file of the mailbox; `<data>/mailbox.db` where it is not given. */
  readonly database: string | undefined;
  readonly p2pHost: string;
  readonly p2pPort: number;
  readonly peers: readonly string[];
  /** The group that it announces itself to, and its key; null: none. */
  readonly group: { readonly name: string; readonly key: Uint8Array } | null;
  readonly emit: Emit;
}

export interface ServerApp {
  readonly server: RunningServer;
  readonly p2p: string;
  close(): Promise<void>;
}

/**
 * Opens data folder, mailbox, library and overlay, and the HTTP server last. Servers that share a data folder find
 * each other by it and link, so that a file put on one is found through the other without any option.
 * @throws KelanaError of each of them; what was opened before is closed again
 */
export async function startServerApp(context: Context, options: ServerAppOptions): Promise<ServerApp> {
  const { emit, host, port } = options;
  const root = resolve(context.cwd, options.data);
  const label = options.name ?? labelOf(host, port);
  const closers: (() => Promise<void>)[] = [];
  const close = async (): Promise<void> => {
    for (const step of closers.splice(0).reverse()) await step();
  };
  try {
    const folder = await openDataFolder(join(root, `server-${port}`));
    closers.push(() => folder.release());
    const mailbox = await openMailbox({ path: databasePath(context, root, options.database) });
    closers.push(() => mailbox.close());
    const library = await openLibrary({
      roots: [],
      writable: join(folder.path, 'files'),
      dataDir: folder.path,
      emit,
      who: `server ${label}`,
    });
    closers.push(() => library.close());
    const siblings = await siblingAddresses(root, `server-${port}`);
    const overlay = await startOverlay({
      host: options.p2pHost,
      port: options.p2pPort,
      dataFolder: folder.path,
      library,
      peers: [...new Set([...options.peers, ...siblings])],
      emit,
      now: () => performance.now(),
      random: strongRandom(),
      flag: '--p2p-port',
    });
    closers.push(() => overlay.close());
    const p2p = `${options.p2pHost === '0.0.0.0' ? '127.0.0.1' : options.p2pHost}:${overlay.port}`;
    await writeFile(join(folder.path, P2P_FILE), p2p);
    closers.push(() => rm(join(folder.path, P2P_FILE), { force: true }));
    const server = await startServer({
      host,
      port,
      ...(options.name === undefined ? {} : { name: options.name }),
      lang: context.lang,
      mailbox,
      library,
      overlay,
      emit,
    });
    closers.push(() => server.close());
    if (options.group !== null)
      await overlay.announce({ ...options.group, host: await ownAddress(host), port: server.port });
    return { server, p2p: formatHostPort(options.p2pHost, overlay.port), close };
  } catch (thrown) {
    await close();
    throw thrown;
  }
}

/** A path, or `sqlite:PATH`. @throws KelanaError BAD_VALUE for other databases */
function databasePath(context: Context, root: string, given: string | undefined): string {
  if (given === undefined) return join(root, 'mailbox.db');
  const scheme = /^([a-z][a-z0-9+.-]+):/.exec(given)?.[1];
  if (scheme === undefined) return resolve(context.cwd, given);
  if (scheme === 'sqlite')
    return resolve(context.cwd, given.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, ''));
  throw new KelanaError('BAD_VALUE', {
    name: '--database',
    value: given.replace(/\/\/[^@/]*@/, '//…@'),
    why: { id: 'mailbox memakai berkas SQLite', en: 'the mailbox is an SQLite file' },
    example: '--database .kelana/mailbox.db',
  });
}

/** The IP address that this host means; empty for all addresses of the machine. */
async function ownAddress(host: string): Promise<string> {
  if (host === '0.0.0.0' || host === '::') return '';
  // As the server listens.
  return host === 'localhost' ? '127.0.0.1' : (await lookup(host)).address;
}
