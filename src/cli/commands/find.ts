import { EXIT } from '../../core/errors.ts';
import type { Verdict } from '../../core/events.ts';
import { SEARCH } from '../../core/config.ts';
import type { Query } from '../../core/ports.ts';
import { searchJson } from '../../core/render/search-json.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { unlessCutShort } from '../cut-short.ts';
import { withNode, type Searcher } from '../find-node.ts';
import type { Values } from '../values.ts';
import { SEARCH_OPTIONS, searchFor, searchHow } from '../search-options.ts';
import { EXIT_OF, showEvents } from '../show-search.ts';

export const command: Command = {
  name: 'find',
  summary: {
    id: 'cari berkas di semua node, tanpa mengunduhnya',
    en: 'search all nodes for files, without fetching them',
  },
  args: 'QUERY…',
  positionals: [1, SEARCH.maxWords],
  section: 'find',
  options: [
    {
      name: 'limit',
      type: 'count',
      min: 1,
      max: SEARCH.maxWant,
      default: SEARCH.want,
      help: { id: 'jumlah berkas yang sudah cukup', en: 'files that are enough' },
    },
    {
      name: 'trace',
      type: 'flag',
      help: {
        id: 'tampilkan tiap node yang ditanya, dengan waktunya',
        en: 'show each node as it is asked, with the time',
      },
    },
    ...SEARCH_OPTIONS,
  ],
  examples: [
    {
      line: 'kelana find contoh.txt',
      what: {
        id: 'menurut nama persisnya: ditemukan, atau terbukti tidak ada',
        en: 'by its exact name: found, or proved absent',
      },
    },
    {
      line: 'kelana find laporan 2024 --type document --min-size 10kB',
      what: {
        id: 'semua kata itu ada di nama atau foldernya; huruf besar dan aksen diabaikan',
        en: 'all these words are in its name or folders; case and accents do not count',
      },
    },
    {
      line: 'kelana find "*.pdf" --limit 5',
      what: { id: 'menurut pola; lima berkas cukup', en: 'by a pattern; five files are enough' },
    },
    {
      line: 'kelana find contoh.txt --strategy walk --trace',
      what: {
        id: 'dengan jalan acak, langkah demi langkah',
        en: 'by the random walk, hop by hop',
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
    const query = searchFor(values);
    const code = await withNode(context, values, (node) => run(context, values, query, node));
    // What was heard until then is shown, but a verdict that a person cut short is none.
    return context.signal.aborted ? EXIT.interrupted : code;
  },
};

async function run(context: Context, values: Values, query: Query, node: Searcher): Promise<number> {
  const trace = values.flag('trace');
  const how = { ...searchHow(context, values), want: values.number('limit') ?? SEARCH.want, trace };
  const events = unlessCutShort(node.search(query, how), context.signal);
  if (!values.flag('json')) {
    const code = await showEvents(context, events, values.positionals.join(' '), how);
    if (code === EXIT.absent && query.kind === 'name') {
      context.say({
        id: '  → Nama dicari persis, termasuk huruf besarnya; menurut kata-katanya: --as words',
        en: '  → A name is looked for exactly, in this case; by its words: --as words',
      });
    }
    return code;
  }
  let verdict: Verdict | null = null;
  for await (const event of events) {
    if (event.type === 'step' && !trace) continue;
    context.out(JSON.stringify(searchJson(event)));
    if (event.type === 'verdict') verdict = event.verdict;
  }
  return verdict === null ? EXIT.failed : EXIT_OF[verdict];
}
