import type { FastifyReply } from 'fastify';
import { Readable } from 'node:stream';
import { KelanaError } from '../core/errors.ts';
import type { Bytes } from '../core/ports.ts';
import type { App } from './app.ts';

/** Aborted when the client's answer ended or its connection broke, so that nobody works for a client that left. */
export function gone(reply: FastifyReply): AbortSignal {
  const controller = new AbortController();
  reply.raw.once('close', () => controller.abort());
  if (reply.raw.destroyed) controller.abort();
  return controller.signal;
}

/** Reads up to the first chunk, so that what fails at once still gets a status of its own. */
export async function opened<T>(bytes: AsyncIterable<T>): Promise<AsyncIterable<T>> {
  const iterator = bytes[Symbol.asyncIterator]();
  let next = await iterator.next();
  return (async function* () {
    try {
      while (next.done !== true) {
        yield next.value;
        next = await iterator.next();
      }
    } finally {
      await iterator.return?.();
    }
  })();
}

/**
 * The same bytes, which must be `size`: an answer that promised a Content-Length must not end early as if whole.
 * @throws KelanaError TRANSFER_FAILED
 */
export async function* exactly(bytes: Bytes, size: number, name: string, done: () => void): Bytes {
  let seen = 0;
  for await (const chunk of bytes) {
    seen += chunk.length;
    if (seen > size) break;
    if (seen === size) done();
    yield chunk;
  }
  if (seen !== size) {
    const why = { id: `${seen} dari ${size} byte`, en: `${seen} of ${size} bytes` };
    throw new KelanaError('TRANSFER_FAILED', { name, why });
  }
  if (size === 0) done();
}

/**
 * Sends text pieces as they come. At most two are in memory: the next is asked for when the socket took the last;
 * a reader that leaves its socket full for `server.slowReaderMs` is cut off.
 */
export function sendPieces(app: App, reply: FastifyReply, pieces: AsyncIterable<string>): FastifyReply {
  let timer: NodeJS.Timeout | undefined;
  const timed = async function* (): AsyncIterable<string> {
    try {
      for await (const piece of pieces) {
        timer = setTimeout(() => reply.raw.destroy(), app.slowReaderMs);
        yield piece;
        clearTimeout(timer);
      }
    } finally {
      clearTimeout(timer);
    }
  };
  // Yields from a generator wait for the reader: objectMode with a high-water mark of one piece.
  return reply.send(Readable.from(timed(), { highWaterMark: 1 }));
}
