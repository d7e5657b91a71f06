import { SEARCH } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { SearchEvent } from '../core/ports.ts';
import type { App } from './app.ts';
import { gone, opened, sendPieces } from './bytes.ts';
import { queryOf, searched } from './downloads.ts';

/** `GET /search?q=`: hits as they come, one JSON object a line, the verdict last (the form of `find --json`). */
export function searchRoutes(app: App): void {
  app.http.get('/search', async (request, reply) => {
    const { q } = request.query as Record<string, unknown>;
    if (
      typeof q !== 'string' ||
      q === '' ||
      Buffer.byteLength(q) > SEARCH.maxQueryBytes ||
      !q.isWellFormed()
    ) {
      const why = {
        id: `"q" harus teks 1 sampai ${SEARCH.maxQueryBytes} byte`,
        en: `"q" must be text of 1 to ${SEARCH.maxQueryBytes} bytes`,
      };
      throw new KelanaError('BAD_REQUEST', { why });
    }
    // A refusal (too many searches) comes before the first line, while there is still a status to say it with.
    const lines = await opened(results(searched(app, queryOf(q), gone(reply))));
    void reply.header('cache-control', 'no-store').type('application/x-ndjson; charset=utf-8');
    return sendPieces(app, reply, lines);
  });
}

async function* results(events: AsyncIterable<SearchEvent>): AsyncIterable<string> {
  for await (const event of events) {
    if (event.type === 'hit') {
      const { name, size, cid, peer, label, addresses, hops, elapsedMs } = event;
      yield line({ type: 'hit', name, size, cid, providers: [{ peer, label, addresses }], hops, elapsedMs });
    } else if (event.type === 'verdict') yield line(event);
  }
}

function line(value: unknown): string {
  return JSON.stringify(value) + '\n';
}
