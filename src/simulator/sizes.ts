import type { SearchFrame } from '../core/search/search.ts';
import { encodeFrame } from '../core/wire/frames.ts';
import { PEER_BYTES } from './world.ts';

/** Frames of one kind that are measured one by one; beyond, one in `SAMPLE` stands for all. */
const EXACT = 64;
const SAMPLE = 64;
/** Kinds that a query has few of, of varying size: all are measured. */
const ALWAYS: ReadonlySet<SearchFrame['type']> = new Set(['token', 'report', 'confirm', 'found']);

/**
 * Bytes of the frames that one query sends, as the wire codec writes them, with peer ids and addresses of real length.
 * What carries them (length prefix, TLS, yamux, TCP) is not counted.
 */
export class FrameSizes {
  bytes = 0;
  readonly #seen = new Map<SearchFrame['type'], number>();

  reset(): void {
    this.bytes = 0;
    this.#seen.clear();
  }

  add(frame: SearchFrame): void {
    if (ALWAYS.has(frame.type)) {
      this.bytes += sizeOf(frame);
      return;
    }
    const seen = this.#seen.get(frame.type) ?? 0;
    this.#seen.set(frame.type, seen + 1);
    if (seen < EXACT) this.bytes += sizeOf(frame);
    else if (seen % SAMPLE === 0) this.bytes += SAMPLE * sizeOf(frame);
  }
}

export function sizeOf(frame: SearchFrame): number {
  let size = encodeFrame(frame).length;
  for (const peer of peersIn(frame)) size += PEER_BYTES - peer.length;
  return size;
}

function peersIn(frame: SearchFrame): readonly string[] {
  switch (frame.type) {
    case 'flood':
    case 'walker':
    case 'token':
      return [frame.origin.peer];
    case 'visit':
      return frame.trace === undefined ? [] : [frame.trace.peer];
    case 'return':
      return [...frame.hits.map((hit) => hit.peer), ...frame.trail.map((step) => step.peer)];
    case 'found':
      return frame.hits.map((hit) => hit.peer);
    case 'report':
      return [...frame.candidates, ...frame.hits].map(({ peer }) => peer);
    default:
      return [];
  }
}
