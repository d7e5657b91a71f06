import type { FastifyRequest } from 'fastify';
import { MAILBOX, SERVER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { App } from './app.ts';
import { gone, sendPieces } from './bytes.ts';
import { parseCount, parsePlace } from './messages.ts';
import { toFrame, type Frame } from './tail.ts';

/** Characters of events written at once. */
const PIECE = 64 * 1024;

/**
 * `GET /messages/stream`: server-sent events (WHATWG HTML section 9.2), from every server. Begins after
 * `Last-Event-ID` or `?after=`, else with the next message. A reader that is cut off loses nothing: it resumes.
 */
export function streamRoutes(app: App): void {
  app.http.get('/messages/stream', async (request, reply) => {
    const { after, room } = parsePlace(request.query);
    const start = lastEventId(request) ?? after;
    if (app.tail.followers >= SERVER.maxStreams) {
      throw new KelanaError('OVERLOADED', {
        what: {
          id: `${SERVER.maxStreams} aliran pesan terbuka`,
          en: `${SERVER.maxStreams} streams are open`,
        },
      });
    }
    const latest = await app.tail.join();
    const left = gone(reply);
    if (left.aborted) app.tail.leave();
    else left.addEventListener('abort', () => app.tail.leave(), { once: true });
    void reply
      .type('text/event-stream; charset=utf-8')
      .headers({ 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
    const signal = AbortSignal.any([left, app.stopping]);
    return sendPieces(app, reply, follow(app, Math.min(start ?? latest, latest), room, signal));
  });
}

function lastEventId(request: FastifyRequest): number | null {
  const header = request.headers['last-event-id'];
  return header === undefined || header === ''
    ? null
    : parseCount('Last-Event-ID', header, 0, Number.MAX_SAFE_INTEGER);
}

async function* follow(
  app: App,
  from: number,
  room: string | undefined,
  signal: AbortSignal,
): AsyncGenerator<string> {
  let cursor = from;
  let quietSince = performance.now();
  yield `: kelana ${app.who()}\nretry: 1000\n\n`;
  while (!signal.aborted) {
    const { frames, reached } = await ahead(app, cursor, room);
    cursor = reached;
    for (const piece of pieces(frames)) yield piece;
    if (frames.length > 0) quietSince = performance.now();
    else if (performance.now() - quietSince >= SERVER.heartbeatMs) {
      yield ': heartbeat\n\n';
      quietSince = performance.now();
    }
    const rest = SERVER.heartbeatMs - (performance.now() - quietSince);
    if (cursor >= app.tail.floor) await app.tail.wait(cursor, Math.max(1, rest), signal);
  }
}

/** What comes after `cursor` in the room, and how far that reaches: everything up to `reached` was looked at. */
async function ahead(
  app: App,
  cursor: number,
  room: string | undefined,
): Promise<{ frames: readonly Frame[]; reached: number }> {
  const recent = app.tail.after(cursor);
  if (recent !== null) {
    const frames = room === undefined ? recent : recent.filter((frame) => frame.room === room);
    return { frames, reached: recent.at(-1)?.id ?? cursor };
  }
  const { floor } = app.tail;
  const page = await app.mailbox.list(cursor, MAILBOX.defaultLimit, room);
  // An empty page says that the room has nothing up to the floor, which was committed before we looked.
  return { frames: page.map(toFrame), reached: page.at(-1)?.id ?? floor };
}

function* pieces(frames: readonly Frame[]): Iterable<string> {
  let piece = '';
  for (const frame of frames) {
    if (piece !== '' && piece.length + frame.text.length > PIECE) {
      yield piece;
      piece = '';
    }
    piece += frame.text;
  }
  if (piece !== '') yield piece;
}
