import { ACCEPTS } from '../../control/mail-desk.ts';
import { rememberNode } from '../../control/socket.ts';
import { OVERLAY, PORTS } from '../../core/config.ts';
import { asKelanaError, EXIT, KelanaError } from '../../core/errors.ts';
import { resolve } from 'node:path';
import { LOGGING, type Command } from '../command.ts';
import { tidyUp, type Context } from '../context.ts';
import { DATA_FOLDER } from '../data-folder.ts';
import { limitTexts } from '../limits.ts';
import { report } from '../report.ts';
import type { NodeApp } from '../node-app.ts';
import type { Values } from '../values.ts';
import { ask, interject } from '../prompt.ts';
import { offerText } from '../show-mail.ts';
import { outside } from '../outside.ts';
import { queryFrom, showEvents } from '../show-search.ts';
import { untilStopped } from '../stopping.ts';

export const command: Command = {
  name: 'node',
  summary: {
    id: 'jalankan satu node: berbagi folder, mencari, mengunduh',
    en: 'run one node: share a folder, search, download',
  },
  section: 'node',
  options: [
    {
      name: 'host',
      type: 'text',
      value: 'H',
      default: '0.0.0.0',
      help: {
        id: 'alamat untuk menerima koneksi (0.0.0.0: semua)',
        en: 'address to accept links on (0.0.0.0: all)',
      },
    },
    {
      name: 'port',
      type: 'port',
      default: PORTS.node,
      help: { id: 'port TCP; 0 berarti sembarang', en: 'TCP port; 0 is any' },
    },
    {
      name: 'share',
      type: 'text',
      value: 'DIR',
      many: true,
      help: { id: 'folder yang dibagikan (bawaan: shared)', en: 'folder to share (default: shared)' },
    },
    {
      name: 'data',
      type: 'text',
      value: 'DIR',
      default: DATA_FOLDER,
      help: { id: 'folder data: identitas, indeks, tetangga', en: 'data folder: identity, index, peers' },
    },
    {
      name: 'downloads',
      type: 'text',
      value: 'DIR',
      default: 'downloaded',
      help: { id: 'folder unduhan', en: 'downloads folder' },
    },
    {
      name: 'peer',
      type: 'text',
      value: 'ADDR',
      many: true,
      help: { id: 'alamat node lain (host:port)', en: 'address of another node (host:port)' },
    },
    {
      name: 'neighbours',
      type: 'count',
      min: 0,
      max: OVERLAY.maxNeighbours,
      default: OVERLAY.wantNeighbours,
      help: {
        id: 'tetangga yang dicari sendiri; 0: hanya alamat yang diberikan',
        en: 'neighbours to look for by itself; 0: only the addresses given',
      },
    },
    {
      name: 'upload-limit',
      type: 'limit',
      value: 'L',
      help: {
        id: 'batas kirim: 5MB/s, 40Mbit/s, "sen-jum 08:00-17:00 5MB/s; unlimited"',
        en: 'upload limit: 5MB/s, 40Mbit/s, "mon-fri 08:00-17:00 5MB/s; unlimited"',
      },
    },
    {
      name: 'download-limit',
      type: 'limit',
      value: 'L',
      help: { id: 'batas unduh, ditulis sama', en: 'download limit, written alike' },
    },
    {
      name: 'accept',
      type: 'text',
      oneOf: ACCEPTS,
      default: 'ask',
      help: {
        id: 'kiriman berkas dari siapa yang diambil tanpa bertanya',
        en: 'whose files are fetched without asking when they are sent',
      },
    },
    {
      name: 'accept-from',
      type: 'text',
      value: 'PEER',
      many: true,
      help: {
        id: 'identitas node yang kirimannya selalu diambil',
        en: 'identity of a node whose files are always fetched',
      },
    },
    {
      name: 'preallocate',
      type: 'flag',
      help: {
        id: 'ambil tempat di disk sebelum blok pertama unduhan; disk menulis dua kali',
        en: 'take the room on the disk before the first block of a download; it is written twice',
      },
    },
    {
      name: 'ipfs',
      type: 'flag',
      help: {
        id: 'layani juga node IPFS (bitswap): siapa pun yang tahu CID-nya bisa mengambil',
        en: 'serve IPFS nodes too (bitswap): whoever knows a CID can fetch it',
      },
    },
    {
      name: 'name',
      type: 'text',
      value: 'NAME',
      help: { id: 'memilih entri [[node]] di kelana.toml', en: 'picks the [[node]] entry of kelana.toml' },
    },
    ...LOGGING,
  ],
  examples: [
    {
      line: 'kelana node --share ~/dokumen',
      what: {
        id: 'di terminal: lalu ketik nama berkas yang dicari',
        en: 'in a terminal: then type the name of a file to find',
      },
    },
    {
      line: 'kelana node --port 5002 --data .kelana2 --peer localhost:5001',
      what: { id: 'node kedua di mesin yang sama', en: 'a second node on the same machine' },
    },
    {
      line: 'kelana node --upload-limit "mon-fri 08:00-17:00 5MB/s; unlimited"',
      what: {
        id: 'di jam kerja paling banyak 5 MB tiap detik; ganti nanti dengan kelana limits',
        en: 'in working hours 5 MB a second at most; change it later with kelana limits',
      },
    },
  ],
  run,
};

async function run(context: Context, values: Values): Promise<number> {
  const [{ openLog }, { shareFolders, startNode }] = await Promise.all([
    import('../logging.ts'),
    import('../node-app.ts'),
  ]);
  const log = await openLog(context, values);
  try {
    const data = values.text('data') ?? DATA_FOLDER;
    const app = await startNode(context, {
      host: values.text('host') ?? '0.0.0.0',
      port: values.number('port') ?? PORTS.node,
      share: await shareFolders(context, values.texts('share'), 'shared'),
      data,
      downloads: values.text('downloads') ?? 'downloaded',
      peers: values.texts('peer'),
      neighbours: values.number('neighbours') ?? OVERLAY.wantNeighbours,
      limits: limitTexts(values.text('upload-limit'), values.text('download-limit')),
      ipfs: values.flag('ipfs'),
      preallocate: values.flag('preallocate'),
      emit: log.emit,
      accept: ACCEPTS.find((name) => name === values.text('accept')) ?? 'ask',
      acceptFrom: peerIds(values.texts('accept-from')),
      onOffer: (item) => {
        if (context.interactive && !values.flag('json')) interject(context, offerText(item, context.lang));
      },
    });
    try {
      await rememberNode(resolve(context.cwd, DATA_FOLDER), resolve(context.cwd, data));
      announce(context, app, values.flag('json'));
      tidyUp(context.env);
      if (context.interactive && !values.flag('json')) await converse(context, app);
      else await untilStopped(context);
    } finally {
      await app.close();
    }
    return EXIT.done;
  } finally {
    await log.close();
  }
}

/** @throws KelanaError BAD_VALUE */
function peerIds(texts: readonly string[]): readonly string[] {
  for (const value of texts) {
    if (/^[1-9A-HJ-NP-Za-km-z]{20,128}$/.test(value)) continue;
    const why = {
      id: 'bukan identitas node (kelana status)',
      en: 'it is no identity of a node (kelana status)',
    };
    throw new KelanaError('BAD_VALUE', {
      name: '--accept-from',
      value,
      why,
      example: '--accept-from 12D3KooW…',
    });
  }
  return texts;
}

function announce(context: Context, app: NodeApp, json: boolean): void {
  const { overlay, library } = app;
  const files = library.list().length;
  if (json) {
    context.out(
      JSON.stringify({
        ready: true,
        label: overlay.label,
        port: overlay.port,
        peerId: overlay.peerId,
        addresses: overlay.addresses(),
        files,
      }),
    );
    return;
  }
  context.say({
    id: `Node ${overlay.label} siap menerima koneksi: ${files} berkas dibagikan.`,
    en: `Node ${overlay.label} is ready for connections: ${files} ${files === 1 ? 'file' : 'files'} shared.`,
  });
  for (const address of overlay.addresses()) context.out(`  ${address}`);
}

/** The seed's loop: ask for a file's name, walk, download, show; until Ctrl+C or the end of input. */
async function converse(context: Context, app: NodeApp): Promise<void> {
  context.say({
    id: 'Ketik nama berkas yang dicari; Ctrl+C untuk berhenti.',
    en: 'Type the name of a file to find; Ctrl+C to stop.',
  });
  while (!context.signal.aborted) {
    let name: string;
    try {
      name = await ask(context, { id: 'Nama berkas', en: 'File name' });
    } catch (thrown) {
      if (thrown instanceof KelanaError && thrown.code === 'UNANSWERED') return;
      throw thrown;
    }
    try {
      const events = app.controls.get(queryFrom(name), { signal: context.signal });
      await showEvents(context, outside(events), name);
    } catch (thrown) {
      if (context.signal.aborted) return;
      // One search that failed is told and does not end the node.
      report(context, asKelanaError(thrown));
    }
  }
}
