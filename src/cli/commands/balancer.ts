import { resolve } from 'node:path';
import { hostPort, parseBackend, parseListen } from '../../balancer/address.ts';
import { startBalancer, type Balancer } from '../../balancer/balancer.ts';
import { readStickyKey } from '../../balancer/sticky-key.ts';
import { createMethod } from '../../core/balance/methods.ts';
import type { MethodChoice } from '../../core/balance/method.ts';
import type { BackendSpec } from '../../core/balance/spec.ts';
import { PORTS } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import { BALANCE_OPTIONS, balanceFrom } from '../balancer-options.ts';
import { LOGGING, type Command } from '../command.ts';
import { FORWARDING_OPTIONS, forwardingFrom } from '../forwarding-options.ts';
import type { Context } from '../context.ts';
import { openLog } from '../logging.ts';
import type { Values } from '../values.ts';
import { untilStopped } from '../stopping.ts';

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
      value: 'H:P',
      default: LISTEN,
      help: { id: 'alamat untuk menerima client', en: 'address to accept clients on' },
    },
    {
      name: 'backend',
      type: 'text',
      value: 'URL[,weight=N][,max=N]',
      many: true,
      fields: ['url', 'weight', 'max'],
      help: {
        id: `server di belakangnya, bobotnya, dan permintaan sekaligus padanya (bawaan: ${BACKENDS.join(' dan ')})`,
        en: `a server behind it, its weight, and requests on it at once (default: ${BACKENDS.join(' and ')})`,
      },
    },
    ...BALANCE_OPTIONS,
    ...FORWARDING_OPTIONS,
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
  ],
  run,
};

async function run(context: Context, values: Values): Promise<number> {
  const { host, port } = parseListen(values.text('listen') ?? LISTEN);
  const balance = balanceFrom(values);
  const forwarding = forwardingFrom(values);
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
    const balancer = await startBalancer({
      host,
      port,
      backends,
      balance,
      forwarding,
      stickyKey,
      emit: log.emit,
    });
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
  const labels = balancer.stats().backends.map((backend) => backend.label);
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
    if (last !== undefined && /^(weight|max)=/.test(text)) joined.push(`${last},${text}`);
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
