import { constants, type ServerHttp2Stream } from 'node:http2';
import { reason } from '../core/errors.ts';

/**
 * The one way by which what was said elsewhere, heads and trailers, gets to node:http2. That throws at fields which it
 * would not send, and it is called out of events of sockets, where nobody catches: one answer would end the process,
 * with the requests of all. So here it ends its stream, and is told.
 *
 * @param send calls node:http2 with what is made already, and does nothing else: what it throws is no fault of ours
 * @returns null, or why the stream was reset
 */
export function say(stream: ServerHttp2Stream, send: (stream: ServerHttp2Stream) => void): string | null {
  if (stream.destroyed || stream.closed) return null;
  try {
    send(stream);
    return null;
  } catch (thrown) {
    stream.close(constants.NGHTTP2_INTERNAL_ERROR);
    return reason(thrown);
  }
}

/** For those calls of node:http2 that take no list. A repeated field becomes a list of values. */
export function objectOf(pairs: readonly string[]): Record<string, string | string[]> {
  // Without a prototype: a field may be called `__proto__`.
  const object = Object.create(null) as Record<string, string | string[]>;
  for (let at = 0; at + 1 < pairs.length; at += 2) {
    const name = pairs[at] ?? '';
    const value = pairs[at + 1] ?? '';
    const before = object[name];
    object[name] = before === undefined ? value : [before, value].flat();
  }
  return object;
}
