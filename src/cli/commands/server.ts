import { PORTS } from '../../core/config.ts';
import { EXIT } from '../../core/errors.ts';
import { LOGGING, type Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_FOLDER } from '../data-folder.ts';
import { GROUP_KEY_OPTION, groupName, readGroupKey } from '../group.ts';
import type { Values } from '../values.ts';
import { untilStopped } from '../stopping.ts';

export const command: Command = {
  name: 'server',
  summary: {
    id: 'server HTTP untuk pesan dan berkas, sekaligus node di overlay',
    en: 'HTTP server for messages and files, itself a node of the overlay',
  },
  section: 'server',
  options: [
    {
      name: 'host',
      type: 'text',
      value: 'H',
      default: 'localhost',
      help: { id: 'alamat HTTP', en: 'address for HTTP' },
    },
    {
      name: 'port',
      type: 'port',
      default: PORTS.server,
      help: { id: 'port HTTP; 0 berarti sembarang', en: 'port for HTTP; 0 is any' },
    },
    {
      name: 'name',
      type: 'text',
      value: 'NAME',
      help: {
        id: 'nama di balasan dan log (bawaan host:port)',
        en: 'name in replies and log (default host:port)',
      },
    },
    {
      name: 'data',
      type: 'text',
      value: 'DIR',
      default: DATA_FOLDER,
      help: {
        id: 'folder data; server di satu mesin boleh berbagi satu',
        en: 'data folder; the servers of one machine may share one',
      },
    },
    {
      name: 'database',
      type: 'text',
      value: 'FILE',
      help: {
        id: 'berkas SQLite kotak pesan (bawaan DIR/mailbox.db)',
        en: 'SQLite file of the mailbox (default DIR/mailbox.db)',
      },
    },
    {
      name: 'peer',
      type: 'text',
      value: 'ADDR',
      many: true,
      help: { id: 'alamat node lain di overlay', en: 'address of another node of the overlay' },
    },
    {
      name: 'p2p-host',
      type: 'text',
      value: 'H',
      default: '0.0.0.0',
      help: { id: 'alamat overlay', en: 'address for the overlay' },
    },
    {
      name: 'p2p-port',
      type: 'port',
      default: 0,
      help: { id: 'port overlay; 0 berarti sembarang', en: 'port for the overlay; 0 is any' },
    },
    {
      name: 'announce',
      type: 'text',
      value: 'NAME',
      check: groupName,
      help: {
        id: 'kelompok tempat balancer dengan --backend p2p://NAME menemukannya (bawaan: tidak ada)',
        en: 'group in which balancers with --backend p2p://NAME find it (default: none)',
      },
    },
    GROUP_KEY_OPTION,
    ...LOGGING,
  ],
  examples: [
    { line: 'kelana server', what: { id: 'di http://localhost:8080', en: 'on http://localhost:8080' } },
    {
      line: 'kelana server --port 8081',
      what: {
        id: 'yang kedua, di folder yang sama: melihat pesan dan berkas yang sama',
        en: 'the second one, in the same folder: it sees the same messages and files',
      },
    },
    {
      line: 'kelana server --host 0.0.0.0 --announce app --peer 10.0.0.5:5001',
      what: {
        id: 'ditemukan balancer dengan --backend p2p://app dan kunci yang sama (.kelana/group.key)',
        en: 'found by balancers with --backend p2p://app and the same key (.kelana/group.key)',
      },
    },
    {
      line: "curl -d 'halo' -H 'content-type: text/plain' localhost:8080/messages",
      what: { id: 'mengirim pesan', en: 'send a message' },
    },
  ],
  run,
};

async function run(context: Context, values: Values): Promise<number> {
  const [{ openLog }, { startServerApp }] = await Promise.all([
    import('../logging.ts'),
    import('../server-app.ts'),
  ]);
  const announced = values.text('announce');
  const log = await openLog(context, values);
  try {
    const app = await startServerApp(context, {
      host: values.text('host') ?? 'localhost',
      port: values.number('port') ?? PORTS.server,
      name: values.text('name'),
      data: values.text('data') ?? DATA_FOLDER,
      database: values.text('database'),
      p2pHost: values.text('p2p-host') ?? '0.0.0.0',
      p2pPort: values.number('p2p-port') ?? 0,
      peers: values.texts('peer'),
      group:
        announced === undefined
          ? null
          : { name: groupName(announced), key: await readGroupKey(context.cwd, values.text('group-key')) },
      emit: log.emit,
    });
    try {
      const { url, name } = app.server;
      if (values.flag('json')) context.out(JSON.stringify({ ready: true, url, name, p2p: app.p2p }));
      else
        context.say({
          id: `Server ${name} siap di ${url}, overlay di ${app.p2p}.`,
          en: `Server ${name} is ready on ${url}, overlay on ${app.p2p}.`,
        });
      await untilStopped(context);
    } finally {
      await app.close();
    }
    return EXIT.done;
  } finally {
    await log.close();
  }
}
