import { PRINTS } from '../config.ts';
import type { AgedHeader, Piece, Renewed, SyncFrame, Want } from '../wire/sync.ts';
import { recordBytes } from './keeper.ts';
import { notes, type SyncPeer } from './sync-peer.ts';
import type { Entry, Table } from './table.ts';

/** Bytes of a renewal in a frame. */
const RENEWED_BYTES = 88;

/**
 * Frames that bring a peer the records it lacks, as far as it may have answered: what it has the content of already
 * takes a number and a signature. Records left out come when heads are compared again.
 */
export function headersFor(
  to: SyncPeer,
  entries: Iterable<Entry>,
  table: Table,
  now: number,
): Extract<SyncFrame, { type: 'headers' }>[] {
  const frames: Extract<SyncFrame, { type: 'headers' }>[] = [];
  let headers: AgedHeader[] = [];
  let renewed: Renewed[] = [];
  let bytes = 0;
  const close = (): void => {
    if (bytes > 0) frames.push({ type: 'headers', headers, renewed });
    headers = [];
    renewed = [];
    bytes = 0;
  };
  for (const entry of entries) {
    const { id, header } = entry;
    const has = to.has.get(id) ?? 0;
    if (has >= header.seq || !table.fresh(entry, now)) continue;
    const short = has >= entry.sinceSeq;
    const size = short ? RENEWED_BYTES : recordBytes(entry);
    if (!to.answers.take(size, now)) break;
    const age = table.ageOf(entry, now);
    if (short) renewed.push({ id, seq: header.seq, age, signature: header.signature });
    else headers.push({ header, age });
    notes(to, id, header.seq);
    bytes += size;
    if (bytes >= PRINTS.frameBytes) close();
  }
  close();
  return frames;
}

/** Frames with the segments that a peer asked for, as far as they are here and it may have answered. */
export function segmentsFor(to: SyncPeer, wants: readonly Want[], table: Table, now: number): SyncFrame[] {
  const frames: SyncFrame[] = [];
  let segments: Piece[] = [];
  let bytes = 0;
  for (const want of wants) {
    for (const hash of want.segments) {
      const segment = table.get(want.id)?.segments.get(hash);
      if (segment === undefined || !to.answers.take(segment.bytes.length + 24, now)) continue;
      if (bytes > 0 && bytes + segment.bytes.length > PRINTS.frameBytes) {
        frames.push({ type: 'segments', segments });
        segments = [];
        bytes = 0;
      }
      segments.push({ id: want.id, hash, bytes: segment.bytes });
      bytes += segment.bytes.length;
    }
  }
  if (segments.length > 0) frames.push({ type: 'segments', segments });
  return frames;
}
