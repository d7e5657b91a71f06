import { KelanaError } from '../core/errors.ts';
import { hostPort, type ListenAddress } from './address.ts';
import type { Bound } from './handles.ts';
import { addressesOf } from './listener.ts';

/** One address that a balancer listens on, and whether all it does there is to redirect. */
export interface Place extends ListenAddress {
  readonly redirect: boolean;
}

/**
 * Which of the sockets that another process has bound belong to each address: by what they are bound to and what is
 * done there, not by their order. Each address has one at least, and no socket is left over, since nobody would accept
 * from it and its clients would wait in vain.
 * @throws KelanaError WORKER_FAILED where they do not fit
 */
export function socketsOf(places: readonly Place[], given: readonly Bound[]): readonly (readonly Bound[])[] {
  const found = places.map((place, at) => given.filter((socket) => isOf(socket, place, at)));
  const bare = places.filter((_, at) => found[at]?.length === 0);
  const spare = given.filter((socket) => !found.some((sockets) => sockets.includes(socket)));
  const [wrong] = [...bare, ...spare];
  if (wrong === undefined) return found;
  const place = hostPort(wrong.host, wrong.port);
  throw new KelanaError('WORKER_FAILED', {
    why: {
      id: `soket yang berjalan tidak cocok dengan alamatnya: ${place}; balancer perlu dijalankan ulang`,
      en: `the running sockets do not fit its addresses: ${place}; the balancer needs to be restarted`,
    },
  });
}

function isOf(socket: Bound, { host, port, redirect }: Place, at: number): boolean {
  if (!addressesOf(host).includes(socket.host)) return false;
  // An older version does not say it.
  if ((socket.redirect ?? redirect) !== redirect) return false;
  // Which of several ports that the system chose is which, their order alone can tell.
  return port === 0 ? socket.at === at : socket.port === port;
}
