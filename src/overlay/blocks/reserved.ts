import type { BlockReader } from '../../core/messages/ports.ts';
import type { BlockSourcePort } from '../../core/ports.ts';

/** What one peer may read: all that is shared, and beside it what is open to it alone. */
export function openTo(
  source: BlockSourcePort,
  reserved: (cid: string) => BlockReader | undefined,
): BlockSourcePort {
  return {
    lookup: (query) => source.lookup(query),
    list: () => source.list(),
    scanning: () => source.scanning(),
    onChange: (listener) => source.onChange(listener),
    manifest: (cid) => (reserved(cid) ?? source).manifest(cid),
    readBlock: (cid, index, into) => (reserved(cid) ?? source).readBlock(cid, index, into),
    have: (cid) => (reserved(cid) === undefined ? (source.have?.(cid) ?? null) : null),
  };
}
