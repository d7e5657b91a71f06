import { EXIT, KelanaError } from '../../core/errors.ts';
import { SEARCH } from '../../core/config.ts';
import type { Query } from '../../core/ports.ts';
import { searchJson } from '../../core/render/search-json.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { againText, type GetEvent } from '../../control/operations.ts';
import { unlessCutShort } from '../cut-short.ts';
import { outside } from '../outside.ts';
import { runningNode, withNode, type Searcher } from '../find-node.ts';
import type { Values } from '../values.ts';
import { SEARCH_OPTIONS, searchFor, searchHow } from '../search-options.ts';
import { EXIT_OF, showEvents } from '../show-search.ts';

export const command: Command = {
  name: 'get',
  summary: { id: 'cari berkas dan unduh, terverifikasi', en: 'find a file and download it, verified' },
  args: 'QUERY…|CID',
  positionals: [1, SEARCH.maxWords],
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
    {
      name: 'background',
      type: 'flag',
      help: {
        id: 'serahkan ke node yang berjalan, yang mengunduhnya sendiri, juga setelah dimulai ulang',
        en: 'hand it to the running node, which fetches it by itself, also after a restart',
      },
    },
    {
      name: 'only',
      type: 'text',
      value: 'GLOB',
      many: true,
      help: {
        id: "dari sebuah folder hanya berkas yang cocok, misalnya '*.pdf' atau 'foto/**'",
        en: "of a folder only the files that match, for example '*.pdf' or 'photos/**'",
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
      line: 'kelana get laporan akhir 2024 --type pdf',
      what: {
        id: 'menurut katanya; bila beberapa berkas sama cocoknya, semua disebut dan tak satu pun diunduh',
        en: 'by its words; where several files match equally well, they are named and none is fetched',
      },
    },
    {
      line: 'kelana get video.mp4 --background',
      what: {
        id: 'diunduh di latar; lihat dengan kelana transfers',
        en: 'fetched in the background; see it with kelana transfers',
      },
    },
    {
      line: "kelana get liburan --only '*.jpg'",
      what: {
        id: 'dari folder itu hanya gambarnya; tanpa --only: seluruh folder',
        en: 'of that folder only the pictures; without --only: all of it',
      },
    },
    {
      line: 'kelana get bafkreib…',
      what: { id: 'menurut CID-nya, apa pun namanya', en: 'by its CID, whatever its name' },
    },
    {
      line: 'kelana get bafkreib… --peer /ip4/127.0.0.1/tcp/4001/p2p/12D3…',
      what: {
        id: 'juga dari node IPFS (Helia, Kubo) di alamat itu',
        en: 'also from the IPFS node (Helia, Kubo) at that address',
      },
    },
  ],
  run: async (context, values) => {
    // A bad query is told at once, before any node is looked for or started.
    const query = searchFor(values);
    const work = (node: Searcher, ipfs: readonly string[] = []): Promise<number> =>
      run(context, values, query, node, ipfs);
    if (values.flag('background')) return await work(await runningNode(context, values));
    return await withNode(context, values, work, { ipfs: query.kind === 'cid' });
  },
};

async function run(
  context: Context,
  values: Values,
  query: Query,
  node: Searcher,
  ipfs: readonly string[],
): Promise<number> {
  const only = values.texts('only');
  const how = {
    ...searchHow(context, values),
    ...(ipfs.length === 0 ? {} : { ipfs }),
    ...(only.length === 0 ? {} : { only }),
  };
  const background = values.flag('background');
  const got = unlessCutShort(node.get(query, { ...how, background }), context.signal);
  const events = stoppable(context, got, only);
  if (!values.flag('json'))
    return await showEvents(context, outside(events), values.positionals.join(' '), how);
  let code: number = EXIT.failed;
  for await (const event of events) {
    if (event.type === 'failed') throw event.error;
    if (event.type === 'step') continue;
    if (event.type === 'verdict') code = EXIT_OF[event.verdict];
    const own = event.type === 'progress' || event.type === 'saved' || event.type === 'queued';
    context.out(JSON.stringify(own ? event : searchJson(event)));
  }
  return code;
}

/** A download that a person stops says that it can be taken up again. */
async function* stoppable(
  context: Context,
  events: AsyncIterable<GetEvent>,
  only: readonly string[],
): AsyncGenerator<GetEvent> {
  const cids = new Map<string, string>();
  let name: string | null = null;
  try {
    for await (const event of events) {
      if (event.type === 'hit') cids.set(event.name, event.cid);
      else if (event.type === 'progress') ({ name } = event);
      yield event;
    }
  } catch (thrown) {
    if (!context.signal.aborted || name === null) throw thrown;
    throw new KelanaError('DOWNLOAD_STOPPED', { name, cid: againText(cids.get(name) ?? name, only) }, thrown);
  }
}
