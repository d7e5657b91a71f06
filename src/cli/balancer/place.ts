import { lstat, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseListen } from '../../balancer/address.ts';
import { isAlive, socketPath } from '../../control/socket.ts';
import { PORTS } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import type { Context } from '../context.ts';
import { DATA_FOLDER } from '../data-folder.ts';
import type { Values } from '../values.ts';

const PREFIX = 'balancer-';
/** Folders looked at for a balancer that runs; each costs an attempt to connect. */
const MAX_FOLDERS = 256;

/** The data folder of the balancer on a port: one of its own below that of `--data`. */
export function folderOf(context: Context, values: Values, port: number): string {
  return join(resolve(context.cwd, values.text('data') ?? DATA_FOLDER), `${PREFIX}${port}`);
}

/**
 * Whoever may write there could put a socket or changes of their own in the place of these, and choose where requests go.
 * So may only this user, and root. @param uid of this user; undefined where the system has none
 * @throws KelanaError BAD_VALUE
 */
export async function refuseOpenFolder(folder: string, uid: number | undefined): Promise<void> {
  for (const path of [dirname(folder), folder]) {
    // A link may be changed by its own owner.
    const both = await Promise.all([stat(path), lstat(path)]).catch(() => null);
    if (both === null) continue;
    const [found] = both;
    if (uid !== undefined && both.some((one) => one.uid !== uid && one.uid !== 0))
      throw new KelanaError('BAD_VALUE', {
        value: path,
        name: '--data',
        why: {
          id: 'folder itu milik pengguna lain, yang jadi bisa menentukan ke mana permintaan pergi',
          en: 'that folder belongs to another user, who may so decide where requests go',
        },
        example: '--data /srv/kelana',
      });
    // With the sticky bit, as /tmp has it, nobody but its owner may rename or remove what is in it.
    const safe = (found.mode & 0o002) === 0 || ((found.mode & 0o1000) !== 0 && path !== folder);
    if (safe) continue;
    throw new KelanaError('BAD_VALUE', {
      value: path,
      name: '--data',
      why: {
        id: 'semua pengguna boleh menulis di folder itu, jadi bisa menentukan ke mana permintaan pergi',
        en: 'any user may write in that folder, and so decide where requests go',
      },
      example: `chmod o-w ${path}`,
    });
  }
}

export function adminSocket(folder: string): Promise<string> {
  return socketPath(folder, 'balancer.sock');
}

export interface Place {
  readonly folder: string;
  readonly socket: string;
}

/**
 * The running balancer that a command means: the one on the port of `--listen`, on that of the file if it runs, else the only one below `--data`, else
 * the one on the usual port.
 * @throws KelanaError NO_BALANCER, MANY_BALANCERS
 */
export async function runningBalancer(context: Context, values: Values): Promise<Place> {
  const { port } = parseListen(values.texts('listen')[0] ?? ':0');
  const root = resolve(context.cwd, values.text('data') ?? DATA_FOLDER);
  if (port !== 0) {
    const place = await placeOf(folderOf(context, values, port));
    if (place !== null) return place;
    // What the file says now may be newer than the balancer, which a reload is to tell.
    if (values.origin('listen') !== 'file')
      throw new KelanaError('NO_BALANCER', { path: folderOf(context, values, port) });
  }
  const names = (await readdir(root).catch(() => [])).filter((name) => /^balancer-\d{1,5}$/.test(name));
  const found: Place[] = [];
  for (const name of names.sort().slice(0, MAX_FOLDERS)) {
    const place = await placeOf(join(root, name));
    if (place !== null) found.push(place);
  }
  const usual = found.find(({ folder }) => folder.endsWith(`${PREFIX}${PORTS.balancer}`));
  const [first, ...others] = found;
  if (first === undefined) throw new KelanaError('NO_BALANCER', { path: root });
  if (others.length === 0) return first;
  if (usual !== undefined) return usual;
  const ports = found.map(({ folder }) => folder.slice(folder.lastIndexOf('-') + 1));
  throw new KelanaError('MANY_BALANCERS', { ports: ports.join(', '), first: ports[0] ?? '' });
}

async function placeOf(folder: string): Promise<Place | null> {
  const socket = await adminSocket(folder);
  return (await isAlive(socket)) ? { folder, socket } : null;
}
