import { resolve } from 'node:path';
import { hostPort, parseBackend } from '../../balancer/address.ts';
import { startBalancer, type Balancer } from '../../balancer/balancer.ts';
import { readStickyKey } from '../../balancer/sticky-key.ts';
import { createMethod } from '../../core/balance/methods.ts';
import type { MethodChoice } from '../../core/balance/method.ts';
import type { BackendSpec } from '../../core/balance/spec.ts';
import { PORTS } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import { BALANCE_OPTIONS, balanceFrom } from '../balancer-options.ts';
import { LOGGING, type Command } from '../command.ts';
import type { Context } from '../context.ts';
import { openLog } from '../logging.ts';
import type { Values } from '../values.ts';
import { untilStopped } from '../stopping.ts';
import { EDGES, edgesFrom, listenFrom } from './balancer-edges.ts';

/** The two servers of the seed. */
const BACKENDS = [`http://localhost:${PORTS.server}`, `http://localhost:${PORTS.server + 1}`];
const LISTEN = `localhost:${PORTS.balancer}`;

export const command: Command = {
  name: 'balancer',
  summary: {
    id: 'bagi permintaan HTTP ke beberapa server',
    en: 'share HTTP requests out among servers',
  },
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
      fields: ['url', 'weight', 'max', 'proxy', 'ca', 'verify'],
      help: {
        id: `server di belakangnya, bobotnya, dan permintaan sekaligus padanya (bawaan: ${BACKENDS.join(' dan ')})`,
        en: `a server behind it, its weight, and requests on it at once (default: ${BACKENDS.join(' and ')})`,
      },
    },
    ...BALANCE_OPTIONS,
    ...EDGES,
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
  const listen = listenFrom(values.texts('listen'), LISTEN);
  const [{ host, port }] = listen;
  const edges = edgesFrom(values, listen);
  const asked = balanceFrom(values);
  // What speaks another protocol than HTTP can only be asked whether it is there.
  const bare = edges.mode === 'tcp' && values.origin('check') === 'default';
  const balance = bare
    ? { ...asked, check: { kind: 'tcp' as const, timeoutMs: asked.check.timeoutMs } }
    : asked;
  const backends = backendsFrom(values.texts('backend'), balance.method);
  const own = backends.find(({ url }) => url === `http://${hostPort(host, port)}`);
  if (own !== undefined) {
    throw new KelanaError('BAD_VALUE', {
      value: own.url,
      name: '--backend',
      why: { id: 'itu alamat balancer ini sendiri', en: 'it is this balancer itself' },
      example: `--backend ${BACKENDS[0] ?? ''}`,
    });
  }
  const keyFile = resolve(context.cwd, values.text('sticky-key') ?? '.kelana/sticky.key');
  const stickyKey = await readStickyKey(keyFile, balance.method.name === 'sticky');
  const log = await openLog(context, values);
  try {
    const balancer = await startBalancer({ host, port, backends, balance, edges, stickyKey, emit: log.emit });
    try {
      announce(context, balancer, values.flag('json'));
      await untilStopped(context);
    } finally {
      await balancer.close();
    }
    return EXIT.done;
  } finally {
    await log.close();
  }
}

function announce(context: Context, balancer: Balancer, json: boolean): void {
  if (json) {
    context.out(JSON.stringify({ ready: true, url: balancer.url, port: balancer.port }));
    return;
  }
  const { backends } = balancer;
  const labels = backends.list.map((backend) => backend.label);
  const open = backends.list.filter(({ link }) => link.tls?.verify === false).map((backend) => backend.label);
  if (open.length > 0)
    context.say({
      id: `PERINGATAN: sertifikat ${open.join(', ')} TIDAK diperiksa (verify=off); siapa pun di antaranya bisa membaca dan mengubah semuanya.`,
      en: `WARNING: the certificate of ${open.join(', ')} is NOT checked (verify=off); anyone between may read and change all of it.`,
    });
  context.say({
    id: `Balancer siap di ${balancer.url} untuk ${labels.join(' dan ')}.`,
    en: `Balancer ready at ${balancer.url} for ${labels.join(' and ')}.`,
  });
}

/** @throws KelanaError BAD_VALUE */
export function backendsFrom(texts: readonly string[], method: MethodChoice): readonly BackendSpec[] {
  // A list from the environment is cut at its commas, so a weight may stand alone: it belongs to what precedes it.
  const joined: string[] = [];
  for (const text of texts.length === 0 ? BACKENDS : texts) {
    const last = joined.pop();
    if (last !== undefined && /^(weight|max|proxy|ca|verify)=/.test(text)) joined.push(`${last},${text}`);
    else joined.push(...(last === undefined ? [] : [last]), text);
  }
  const backends = joined.map(parseBackend);
  const { usesWeights } = createMethod(method);
  for (const [index, { url, weight }] of backends.entries()) {
    const twice = backends.findIndex((other) => other.url === url) !== index;
    if (!twice && (weight === 1 || usesWeights)) continue;
    throw new KelanaError('BAD_VALUE', {
      value: joined[index] ?? url,
      name: '--backend',
      why: twice
        ? { id: 'server ini sudah disebut', en: 'this server was given before' }
        : {
            id: `metode ${method.name} tidak memakai bobot`,
            en: `the method ${method.name} does not use weights`,
          },
      example: `--backend ${url}`,
    });
  }
  return backends;
}
