import { parsePeerAddress } from '../../core/address.ts';
import { PORTS } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import { openBalancer, type BalancerApp } from '../balancer/app.ts';
import { backendFromTable, BACKENDS, checkBackend, LISTEN } from '../balancer/configuration.ts';
import { EDGES } from '../balancer/edges.ts';
import { FORWARDING_OPTIONS } from '../balancer/forwarding.ts';
import { warnUnverified } from '../balancer/show.ts';
import { runVerb, VERB_ARGS } from '../balancer/verbs.ts';
import { BALANCE_OPTIONS } from '../balancer/options.ts';
import { SEEING_OPTIONS } from '../balancer/seeing.ts';
import { LOGGING, type Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_FOLDER } from '../data-folder.ts';
import { GROUP_KEY_OPTION } from '../group.ts';
import { openLog } from '../logging.ts';
import type { Values } from '../values.ts';
import { untilStopped } from '../stopping.ts';

export const command: Command = {
  name: 'balancer',
  summary: {
    id: 'bagi permintaan HTTP ke beberapa server, dan ubah itu sambil jalan',
    en: 'share HTTP requests out among servers, and change that while it runs',
  },
  args: VERB_ARGS,
  positionals: [0, 3],
  section: 'balancer',
  options: [
    {
      name: 'listen',
      type: 'text',
      value: '[http[s]://]H:P',
      many: true,
      help: {
        id: `alamat untuk menerima client; boleh berulang (bawaan: ${LISTEN})`,
        en: `address to accept clients on; may be repeated (default: ${LISTEN})`,
      },
    },
    {
      name: 'backend',
      type: 'text',
      value: 'URL[,weight=N][,max=N][,proxy=v1|v2][,ca=FILE][,verify=off]',
      many: true,
      check: checkBackend,
      fromTable: backendFromTable,
      help: {
        id: `server di belakangnya, bobotnya, dan permintaan sekaligus padanya; dns://NAMA:PORT, srv://NAMA atau p2p://NAMA: server yang ditemukan dengan nama itu di DNS, atau di overlay (bawaan: ${BACKENDS.join(' dan ')})`,
        en: `a server behind it, its weight, and requests on it at once; dns://NAME:PORT, srv://NAME or p2p://NAME: the servers found by that name in the DNS, or in the overlay (default: ${BACKENDS.join(' and ')})`,
      },
    },
    ...BALANCE_OPTIONS,
    ...FORWARDING_OPTIONS,
    ...EDGES,
    {
      name: 'workers',
      type: 'text',
      value: 'N',
      default: '1',
      help: {
        id: 'proses yang berbagi port itu; auto: satu tiap inti',
        en: 'processes that share the port; auto: one a core',
      },
    },
    {
      name: 'data',
      type: 'text',
      value: 'DIR',
      default: DATA_FOLDER,
      help: {
        id: 'folder data: soket perintah dan perubahan, di balancer-PORT di dalamnya',
        en: 'data folder: command socket and changes, in balancer-PORT below it',
      },
    },
    {
      name: 'forget',
      type: 'flag',
      help: {
        id: 'untuk reload: lupakan juga yang diubah dengan perintah',
        en: 'for reload: also forget what was changed by command',
      },
    },
    {
      name: 'dns',
      type: 'text',
      value: 'IP:PORT',
      many: true,
      help: {
        id: 'server DNS untuk nama itu (bawaan: yang dipakai sistem)',
        en: 'DNS server for those names (default: those of the system)',
      },
    },
    {
      name: 'peer',
      type: 'text',
      value: 'ADDR',
      many: true,
      check: parsePeerAddress,
      help: {
        id: 'node overlay tempat mulai mencari server p2p://; yang di mesin ini dikenal sendiri',
        en: 'node of the overlay to begin with for p2p:// servers; those on this machine are known',
      },
    },
    GROUP_KEY_OPTION,
    ...SEEING_OPTIONS,
    ...LOGGING,
  ],
  examples: [
    {
      line: 'kelana balancer',
      what: {
        id: `di ${LISTEN}, untuk server di port ${PORTS.server} dan ${PORTS.server + 1}`,
        en: `on ${LISTEN}, for the servers on ports ${PORTS.server} and ${PORTS.server + 1}`,
      },
    },
    {
      line: 'kelana balancer --method ewma --backend http://10.0.0.5:8080,weight=3,max=200 --backend http://10.0.0.6:8080',
      what: {
        id: 'ke server yang menjawab paling cepat; yang pertama tiga kali lebih besar, paling banyak 200 permintaan sekaligus',
        en: 'to the server that answers fastest; the first is three times as large, at most 200 requests at once',
      },
    },
    {
      line: 'kelana balancer --listen 0.0.0.0:8000 --backend http://10.0.0.5:8080 --backend http://10.0.0.6:8080',
      what: { id: 'untuk server di mesin lain', en: 'for servers on other machines' },
    },
    {
      line: 'kelana balancer ls',
      what: {
        id: 'server, proses dan hitungan balancer yang berjalan',
        en: 'backends, processes and counts of the balancer that runs',
      },
    },
    {
      line: 'kelana balancer top',
      what: {
        id: 'permintaan per detik, waktu dan kesalahan tiap server, langsung',
        en: 'requests a second, times and errors of each backend, live',
      },
    },
    {
      line: 'kelana balancer add http://10.0.0.7:8080',
      what: { id: 'tambah server sambil jalan', en: 'add a backend while it runs' },
    },
    {
      line: 'kelana balancer drain 10.0.0.5:8080',
      what: {
        id: 'tanpa permintaan baru, sampai undrain',
        en: 'no new requests to it, until undrain',
      },
    },
    {
      line: 'kelana balancer reload',
      what: { id: 'baca kelana.toml lagi (atau SIGHUP)', en: 'read kelana.toml again (or SIGHUP)' },
    },
    {
      line: 'kelana balancer upgrade',
      what: {
        id: 'ganti prosesnya dengan yang baru tanpa kehilangan permintaan (atau SIGUSR2)',
        en: 'new processes in place of the old, without losing a request (or SIGUSR2)',
      },
    },
    {
      line: 'kelana balancer --listen :443 --tls-cert site.pem --tls-key site.key --redirect-http 80',
      what: { id: 'dengan HTTPS dan HTTP/2', en: 'with HTTPS and HTTP/2' },
    },
    {
      line: 'kelana balancer --mode tcp --listen :5432 --backend tcp://10.0.0.5:5432,proxy=v2',
      what: { id: 'untuk layanan TCP mana pun', en: 'for any TCP service' },
    },
  ],
  run,
};

async function run(context: Context, values: Values): Promise<number> {
  if (values.positionals.length > 0) return await runVerb(context, values);
  const [flag, verb] = values.flag('forget') ? ['--forget', 'reload'] : ['--once', 'top'];
  if (values.flag('forget') || values.flag('once'))
    throw new KelanaError('USAGE', {
      detail: { id: `${flag} hanya untuk ${verb}.`, en: `${flag} is for ${verb} only.` },
      command: 'balancer',
    });
  const log = await openLog(context, values);
  try {
    const app = await openBalancer(context, command, values, log.emit);
    try {
      await announce(context, app, values.flag('json'));
      await untilStopped(context);
    } finally {
      await app.close();
    }
    return EXIT.done;
  } finally {
    await log.close();
  }
}

async function announce(
  context: Context,
  { balancer, manager, stats }: BalancerApp,
  json: boolean,
): Promise<void> {
  if (json) {
    const more = stats === null ? {} : { stats: stats.url };
    const { url, urls, port } = balancer;
    context.out(JSON.stringify({ ready: true, url, urls, port, ...more }));
    return;
  }
  const view = await manager.view();
  const names = view.backends.map(({ name }) => name);
  const { urls } = balancer;
  warnUnverified(context, view);
  context.say(
    names.length === 0
      ? {
          id: `Balancer siap di ${urls.join(', ')}; belum ada server yang ditemukan, permintaan dijawab 503 sampai ada.`,
          en: `Balancer ready at ${urls.join(', ')}; no server is found yet, requests are answered 503 until one is.`,
        }
      : {
          id: `Balancer siap di ${urls.join(', ')} untuk ${listed(names, 'dan', 'lainnya')}.`,
          en: `Balancer ready at ${urls.join(', ')} for ${listed(names, 'and', 'more')}.`,
        },
  );
  if (stats !== null)
    context.say({ id: `Angkanya di ${stats.url}/metrics.`, en: `Its figures are at ${stats.url}/metrics.` });
}

/** The first ones; `ls` has all. */
function listed(names: readonly string[], and: string, more: string): string {
  if (names.length <= 5) return names.join(` ${and} `);
  return `${names.slice(0, 4).join(', ')} ${and} ${names.length - 4} ${more}`;
}
