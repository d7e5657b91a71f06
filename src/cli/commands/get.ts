import { EXIT } from '../../core/errors.ts';
import type { Query } from '../../core/ports.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { withNode, type Searcher } from '../find-node.ts';
import type { Values } from '../values.ts';
import { SEARCH_OPTIONS, searchHow } from '../search-options.ts';
import { EXIT_OF, queryFrom, showEvents } from '../show-search.ts';
import { hitJson } from './find.ts';

export const command: Command = {
  name: 'get',
  summary: { id: 'cari berkas dan unduh, terverifikasi', en: 'find a file and download it, verified' },
  args: 'QUERY|CID',
  positionals: [1, 1],
  section: 'get',
  options: [
    {
      name: 'downloads',
      type: 'text',
      value: 'DIR',
      help: {
        id: 'folder unduhan bila tidak ada node yang berjalan (bawaan: downloaded)',
        en: 'downloads folder where no node is running (default: downloaded)',
      },
    },
    ...SEARCH_OPTIONS,
  ],
  examples: [
    {
      line: 'kelana get contoh.txt',
      what: {
        id: 'tersimpan di downloaded/; berkas lain tidak pernah ditimpa',
        en: 'saved under downloaded/; never over a different file',
      },
    },
    {
      line: 'kelana get bafkreib…',
      what: { id: 'menurut CID-nya, apa pun namanya', en: 'by its CID, whatever its name' },
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
  const events = node.get(query, how);
  if (!values.flag('json')) return await showEvents(context, events, text);
  let code: number = EXIT.failed;
  for await (const event of events) {
    if (event.type === 'failed') throw event.error;
    if (event.type === 'step') continue;
    if (event.type === 'verdict') code = EXIT_OF[event.verdict];
    context.out(JSON.stringify(event.type === 'hit' ? hitJson(event) : event));
  }
  return code;
}
