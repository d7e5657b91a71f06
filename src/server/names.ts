import { KelanaError } from '../core/errors.ts';
import { shownName, storedName } from '../core/names.ts';
import { parseCid } from '../core/transfer/cid.ts';

const PREFIX = '/files/';

/**
 * The one path segment after `/files/`, decoded strictly from the request target as it was sent: nothing that a
 * router, a proxy or a URL parser may have made of it.
 * @throws KelanaError BAD_NAME
 */
export function nameFrom(target: string): string {
  const query = target.indexOf('?');
  const raw = target.slice(PREFIX.length, query < 0 ? undefined : query);
  let name: string;
  try {
    name = decodeURIComponent(raw);
  } catch {
    const why = { id: 'percent-encoding-nya salah', en: 'its percent-encoding is wrong' };
    throw new KelanaError('BAD_NAME', { name: `'${shownName(raw)}'`, why });
  }
  return storedName(name);
}

/** A name for a new file. One that reads as a CID is refused: `/files/CID` must mean that content and no other. */
export function newNameFrom(target: string): string {
  const name = nameFrom(target);
  if (parseCid(name) === null) return name;
  const why = { id: 'berbentuk CID', en: 'it has the form of a CID' };
  throw new KelanaError('BAD_NAME', { name: `'${shownName(name)}'`, why });
}
