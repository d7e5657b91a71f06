import { labelOf, parsePeerAddress } from '../core/address.ts';
import { asKelanaError, type KelanaError } from '../core/errors.ts';
import type { CarrierPort, PostPort } from '../core/messages/ports.ts';
import type { Provider } from '../core/ports.ts';

export interface WhoOptions {
  readonly carrier: Pick<CarrierPort, 'find'>;
  readonly post: Pick<PostPort, 'remember' | 'recall'>;
  /** ms since 1970. */
  readonly now: () => number;
}

/**
 * The node that a person names by a label, host:port, multiaddr or identity, even where nobody answers there now: then
 * it is who was there before. `command` asks, for the example of an error.
 * @throws KelanaError BAD_VALUE; PEER_UNREACHABLE, NOT_KELANA where nobody is known to have been there (`isAway`)
 */
export async function whoIs(
  { carrier, post, now }: WhoOptions,
  text: string,
  signal: AbortSignal,
  command: string,
): Promise<Provider> {
  try {
    const { verified, ...found } = await carrier.find(text, signal, command);
    if (verified) await post.remember(found, true, now());
    return found;
  } catch (thrown) {
    const error = asKelanaError(thrown);
    if (!isAway(error)) throw error;
    const { host, port } = parsePeerAddress(text.trim(), 'NODE', command);
    const known = await post.recall(labelOf(host, port));
    if (known === null) throw error;
    return known;
  }
}

/** Nobody answers there, or somebody else. */
export function isAway({ code }: KelanaError): boolean {
  return code === 'PEER_UNREACHABLE' || code === 'NOT_KELANA';
}
