import { EXIT } from '../../core/errors.ts';
import type { Verdict } from '../../core/events.ts';
import type { Hit, Query } from '../../core/ports.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { withNode, type Searcher } from '../find-node.ts';
import type { Values } from '../values.ts';
import { SEARCH_OPTIONS, searchHow } from '../search-options.ts';
import { EXIT_OF, queryFrom, showEvents } from '../show-search.ts';

export const command: Command = {
  name: 'find',
  summary: {
    id: 'cari berkas di semua node, tanpa mengunduhnya',
    en: 'search all nodes for a file, without fetching it',
  },
  args: 'QUERY',
  positionals: [1, 1],
  section: 'find',
  options: [...SEARCH_OPTIONS],
  examples: [
    {
      line: 'kelana find contoh.txt',
      what: {
        id: 'berjalan acak sampai ketemu, atau terbukti tidak ada',
        en: 'walk at random until it is found, or proved absent',
      },
    },
    {
      line: 'kelana find contoh.txt --peer 192.168.1.5:5001',
      what: {
        id: 'tanpa node yang berjalan: sambung sebentar lewat alamat itu',
        en: 'with no node running: link for the moment through that address',
      },
    },
    {
      line: 'kelana find contoh.txt --json',
      what: {
        id: 'NDJSON: hit, lalu verdict. Kode keluar 0 ada, 3 tidak ada, 4 belum pasti',
        en: 'NDJSON: hits, then the verdict. Exit 0 found, 3 absent, 4 incomplete',
      },
    },
  ],
  run: async (context, values) => {
    // A bad query is told at once, before any node is looked for or started.
    const query = queryFrom(values.positionals[0] ?? '');
    return await withNode(context, values, (node) => run(context, values, query, node));
  },
};

async function run(context: Context, values: Values, query: Query, node: Searcher): Promise<number> {
  const text = values.positionals[0] ?? '';
  const how = searchHow(context, values);
  const events = node.search(query, how);
  if (!values.flag('json')) return await showEvents(context, events, text);
  let verdict: Verdict | null = null;
  for await (const event of events) {
    if (event.type === 'hit') context.out(JSON.stringify(hitJson(event)));
    if (event.type !== 'verdict') continue;
    verdict = event.verdict;
    context.out(JSON.stringify(event));
  }
  return verdict === null ? EXIT.failed : EXIT_OF[verdict];
}

/** The contract's form of a hit: one file, all its providers. */
export function hitJson(hit: Hit & { elapsedMs: number }) {
  const { name, size, cid, hops, elapsedMs, peer, label, addresses } = hit;
  return { type: 'hit', name, size, cid, hops, elapsedMs, providers: [{ peer, label, addresses }] };
}
