import { TRANSFER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { storedName } from '../names.ts';
import { DAG_PB, parseCid } from '../transfer/cid.ts';
import type { OfferLetter } from '../wire/messages.ts';

/** Whether an offer of a stranger could be accepted at all: a name that may be stored, a CID, sizes that can be. */
export function isSound(offer: Pick<OfferLetter, 'name' | 'cid' | 'size' | 'files'>): boolean {
  const { name, cid, size, files } = offer;
  const parsed = parseCid(cid);
  if (parsed?.text !== cid || (files > 0 && parsed.codec !== DAG_PB)) return false;
  if (size > TRANSFER.maxFileBytes * Math.max(1, files) || !Number.isSafeInteger(size)) return false;
  try {
    storedName(name);
    return true;
  } catch (thrown) {
    if (thrown instanceof KelanaError) return false;
    throw thrown;
  }
}
