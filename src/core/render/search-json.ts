import type { SearchEvent } from '../ports.ts';

/**
 * The form of a search's events for programs, the same in `kelana find --json` and `GET /search`: only these fields,
 * in this order.
 */
export function searchJson(event: SearchEvent): object {
  const { type, elapsedMs } = event;
  if (type === 'step') {
    const { peer, label, hops } = event;
    return { type, peer, label, hops, elapsedMs };
  }
  if (type === 'provider') {
    const { name, cid, hops, provider } = event;
    const { peer, label, addresses } = provider;
    return { type, name, cid, hops, elapsedMs, provider: { peer, label, addresses } };
  }
  if (type === 'hit') {
    const { name, size, cid, kind, files, score, hops } = event;
    const providers = event.providers.map(({ peer, label, addresses }) => ({ peer, label, addresses }));
    const folder = kind === 'folder' ? { kind, files } : {};
    return { type, name, size, cid, ...folder, score, hops, elapsedMs, providers };
  }
  const { verdict, ground, strategy, asked, missing, missingCount, messages, ipfs } = event;
  const also = ipfs === undefined ? {} : { ipfs };
  return { type, verdict, ground, strategy, asked, missing, missingCount, messages, elapsedMs, ...also };
}
