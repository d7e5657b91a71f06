import type { Stream } from '@libp2p/interface';

/**
 * Sends where the other side still takes bytes; false where it was closed or cut off. To be used inside a listener of
 * the stream's own messages, where an error would be nobody's.
 */
export function sendIfOpen(stream: Stream, bytes: Uint8Array): boolean {
  if (stream.writeStatus === 'closed' || stream.writeStatus === 'closing') return false;
  stream.send(bytes);
  return true;
}
