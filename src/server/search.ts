import { SEARCH } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { STRATEGIES, type Filters, type Query, type SearchEvent, type SearchOptions } from '../core/ports.ts';
import { searchJson } from '../core/render/search-json.ts';
import { parseQuery, parseSize, parseTypes, QUERY_KINDS } from '../core/search/query.ts';
import type { App } from './app.ts';
import { gone, opened, sendPieces } from './bytes.ts';
import { searched } from './downloads.ts';

/** `GET /search?q=`: hits as they come, one JSON object a line, the verdict last (the form of `find --json`). */
export function searchRoutes(app: App): void {
  app.http.get('/search', async (request, reply) => {
    const { query, how } = readAsked(request.query as Record<string, unknown>);
    // A refusal (too many searches) comes before the first line, while there is still a status to say it with.
    const lines = await opened(results(searched(app, query, gone(reply), how)));
    void reply.header('cache-control', 'no-store').type('application/x-ndjson; charset=utf-8');
    return sendPieces(app, reply, lines);
  });
}

/** @throws KelanaError BAD_REQUEST that names the parameter */
function readAsked(given: Readonly<Record<string, unknown>>): { query: Query; how: SearchOptions } {
  const text = (name: string): string | undefined => {
    const value = given[name];
    if (value === undefined || typeof value === 'string') return value;
    throw refused(name, { id: 'hanya boleh satu', en: 'it may be given once' });
  };
  const oneOf = <T extends string>(name: string, words: readonly T[]): T | undefined => {
    const value = text(name);
    const word = words.find((one) => one === value);
    if (value === undefined || word !== undefined) return word;
    const list = words.join(', ');
    throw refused(name, { id: `harus salah satu dari: ${list}`, en: `it must be one of: ${list}` });
  };
  const [least, most, limit] = [text('minSize'), text('maxSize'), text('limit')];
  const { type } = given;
  const types = (Array.isArray(type) ? type : [type]).filter((one) => typeof one === 'string');
  const filters: Filters = {
    ...(least === undefined ? {} : { minSize: read('minSize', () => parseSize(least)) }),
    ...(most === undefined ? {} : { maxSize: read('maxSize', () => parseSize(most)) }),
    ...(types.length === 0 ? {} : { types: read('type', () => parseTypes(types)) }),
  };
  const as = oneOf('as', QUERY_KINDS) ?? 'auto';
  const query = read('q', () => parseQuery(text('q') ?? '', { as, filters }));
  const want = limit === undefined ? SEARCH.want : /^\d{1,9}$/.test(limit) ? Number(limit) : 0;
  if (want < 1 || want > SEARCH.maxWant) {
    throw refused('limit', {
      id: `harus bilangan bulat dari 1 sampai ${SEARCH.maxWant}`,
      en: `it must be a whole number from 1 to ${SEARCH.maxWant}`,
    });
  }
  return { query, how: { want, strategy: oneOf('strategy', STRATEGIES) ?? 'auto' } };
}

function read<T>(name: string, parse: () => T): T {
  try {
    return parse();
  } catch (thrown) {
    const why = thrown instanceof KelanaError ? thrown.params['why'] : undefined;
    throw typeof why === 'object' ? refused(name, why) : thrown;
  }
}

function refused(name: string, { id, en }: Text): KelanaError {
  return new KelanaError('BAD_REQUEST', { why: { id: `"${name}" ${id}`, en: `"${name}": ${en}` } });
}

async function* results(events: AsyncIterable<SearchEvent>): AsyncIterable<string> {
  for await (const event of events) if (event.type !== 'step') yield JSON.stringify(searchJson(event)) + '\n';
}
