import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
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

export function adminSocket(folder: string): Promise<string> {
  return socketPath(folder, 'balancer.sock');
}

export interface Place {
  readonly folder: string;
  readonly socket: string;
}

/**
 * The running balancer that a command means: the one on the port of `--listen`, else the only one below `--data`, else
 * the one on the usual port.
 * @throws KelanaError NO_BALANCER, MANY_BALANCERS
 */
export async function runningBalancer(context: Context, values: Values): Promise<Place> {
  const { port } = parseListen(values.text('listen') ?? ':0');
  const root = resolve(context.cwd, values.text('data') ?? DATA_FOLDER);
  if (port !== 0 && values.origin('listen') !== 'default') {
    const place = await placeOf(folderOf(context, values, port));
    if (place === null) throw new KelanaError('NO_BALANCER', { path: folderOf(context, values, port) });
    return place;
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
