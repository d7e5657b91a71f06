import { parseMethod } from '../core/balance/choice.ts';
import { BALANCE_DEFAULTS, type BalanceOptions } from '../core/balance/options.ts';
import { BALANCER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import type { Option } from './command.ts';
import type { Values } from './values.ts';

/** Options of `kelana balancer` for methods, health, failure and overload: core/balance/options.ts, flag by flag. */

const seconds = (name: string, ms: number, help: Text, min = 0.001): Option => ({
  name,
  type: 'seconds',
  value: 'S',
  default: ms / 1000,
  min,
  max: 86_400,
  help,
});
const count = (name: string, preset: number, help: Text, min = 0, max = 1_000_000): Option => ({
  name,
  type: 'count',
  value: 'N',
  default: preset,
  min,
  max,
  help,
});
const part = (name: string, preset: number, help: Text, max = 1): Option => ({
  name,
  type: 'rate',
  value: 'P',
  default: preset,
  min: 0,
  max,
  help,
});

const { check, health, outlier, retry, queue, timeouts } = BALANCE_DEFAULTS;

export const METHOD_OPTION: Option = {
  name: 'method',
  type: 'text',
  value: 'M',
  check: parseMethod,
  default: 'round-robin',
  help: {
    id: 'cara memilih server: round-robin, weighted, least-connections, two-choices, ewma, hash:header=NAMA, hash:cookie=NAMA, hash:source, hash:path, sticky[:name=COOKIE][:method=M]',
    en: 'how a server is chosen: round-robin, weighted, least-connections, two-choices, ewma, hash:header=NAME, hash:cookie=NAME, hash:source, hash:path, sticky[:name=COOKIE][:method=M]',
  },
};

export const BALANCE_OPTIONS: readonly Option[] = [
  METHOD_OPTION,
  {
    name: 'sticky-key',
    type: 'text',
    value: 'FILE',
    default: '.kelana/sticky.key',
    help: {
      id: 'kunci yang menyamarkan server di cookie sticky; dibuat bila belum ada',
      en: 'key that hides the server in sticky cookies; made where there is none',
    },
  },
  {
    name: 'check',
    type: 'text',
    oneOf: ['http', 'tcp'],
    default: 'http',
    help: { id: 'cara memeriksa server', en: 'how servers are checked' },
  },
  {
    name: 'check-method',
    type: 'text',
    oneOf: ['GET', 'HEAD', 'OPTIONS'],
    default: 'GET',
    help: { id: 'metode HTTP pemeriksaan', en: 'HTTP method of a check' },
  },
  {
    name: 'check-path',
    type: 'text',
    value: 'PATH',
    check: checkPath,
    default: BALANCER.checkPath,
    help: { id: 'jalur HTTP pemeriksaan', en: 'HTTP path of a check' },
  },
  {
    name: 'check-status',
    type: 'text',
    value: 'A-B',
    check: parseStatus,
    default: BALANCER.checkStatus.join('-'),
    help: { id: 'status HTTP yang berarti sehat', en: 'HTTP statuses that are good' },
  },
  seconds(
    'check-interval',
    health.intervalMs,
    {
      id: 'jarak antar pemeriksaan server yang sehat; 0: hanya setelah kegagalan',
      en: 'time between checks of a server that is up; 0: only after a failure',
    },
    0,
  ),
  part('check-jitter', health.jitter, {
    id: 'bagian jarak itu yang diacak',
    en: 'part of that time by which it varies',
  }),
  seconds('check-timeout', check.timeoutMs, {
    id: 'batas waktu satu pemeriksaan',
    en: 'time for one check',
  }),
  count(
    'check-rise',
    health.rise,
    {
      id: 'pemeriksaan baik berturut-turut sampai server dipakai lagi',
      en: 'good checks in a row that bring a server back',
    },
    1,
    100,
  ),
  count(
    'check-fall',
    health.fall,
    {
      id: 'pemeriksaan buruk berturut-turut sampai server ditinggalkan',
      en: 'bad checks in a row that take a server out',
    },
    1,
    100,
  ),
  count('outlier-failures', outlier.consecutive, {
    id: 'permintaan gagal berturut-turut sampai server dikeluarkan; 0: tidak pernah',
    en: 'failed requests in a row that take a server out; 0: never',
  }),
  part('outlier-rate', outlier.rate, {
    id: 'bagian permintaan gagal sampai server dikeluarkan; 0: tidak pernah',
    en: 'part of its requests that must fail to take a server out; 0: never',
  }),
  seconds('outlier-window', outlier.windowMs, {
    id: 'selang untuk menghitung bagian itu',
    en: 'time over which that part is counted',
  }),
  count(
    'outlier-requests',
    outlier.leastRequests,
    { id: 'permintaan paling sedikit untuk menilainya', en: 'requests needed to judge by it' },
    1,
  ),
  part('outlier-share', outlier.maxShare, {
    id: 'bagian server yang paling banyak dikeluarkan sekaligus',
    en: 'part of all servers that may be out at once',
  }),
  seconds('outlier-time', outlier.baseMs, {
    id: 'lama dikeluarkan pertama kali; tiap kali lebih lama',
    en: 'time out, the first time; longer each time',
  }),
  seconds('outlier-max-time', outlier.maxMs, {
    id: 'lama dikeluarkan paling lama',
    en: 'longest time out',
  }),
  part(
    'retry-ratio',
    retry.ratio,
    { id: 'percobaan ulang untuk tiap permintaan', en: 'retries allowed for each request' },
    10,
  ),
  count('retry-min', retry.perSecond, {
    id: 'percobaan ulang per detik yang selalu boleh',
    en: 'retries a second that are always allowed',
  }),
  count('queue', queue.max, {
    id: 'permintaan yang boleh menunggu server yang penuh',
    en: 'requests that may wait while all servers are full',
  }),
  seconds('queue-timeout', queue.timeoutMs, {
    id: 'lama menunggu paling lama',
    en: 'longest time to wait',
  }),
  seconds('queue-busy-timeout', queue.busyTimeoutMs, {
    id: 'lama menunggu selama antrean tidak pernah kosong',
    en: 'longest time to wait while the queue does not empty',
  }),
  count(
    'max-active',
    BALANCE_DEFAULTS.maxActive,
    {
      id: 'permintaan yang berjalan sekaligus; selebihnya dijawab 503',
      en: 'requests in flight at once; more are answered 503',
    },
    1,
  ),
  seconds(
    'slow-start',
    BALANCE_DEFAULTS.slowStartMs,
    {
      id: 'waktu sampai server yang baru pulih mendapat bagian penuh',
      en: 'time until a server that came up gets its whole share',
    },
    0,
  ),
  seconds('drain-timeout', BALANCE_DEFAULTS.drainMs, {
    id: 'waktu bagi permintaan di server yang dihapus',
    en: 'time for the requests on a server that is removed',
  }),
  seconds('head-timeout', timeouts.headMs, {
    id: 'batas waktu kepala permintaan dari client',
    en: 'time for the head of a request to arrive',
  }),
  seconds('idle-timeout', timeouts.idleMs, {
    id: 'lama koneksi client boleh diam di antara permintaan',
    en: 'time a client may idle between requests',
  }),
  seconds('body-timeout', timeouts.bodyMs, {
    id: 'lama isi permintaan atau jawaban boleh berhenti',
    en: 'time a body may stand still, either way',
  }),
  seconds('connect-timeout', timeouts.connectMs, {
    id: 'batas waktu tersambung ke server',
    en: 'time to connect to a server',
  }),
  seconds('response-timeout', timeouts.responseMs, {
    id: 'batas waktu server mulai menjawab',
    en: 'time for a server to begin its answer',
  }),
  seconds('tunnel-timeout', timeouts.tunnelMs, {
    id: 'lama terowongan (WebSocket, TCP) boleh diam',
    en: 'time a tunnel (WebSocket, TCP) may idle',
  }),
];

/** @throws KelanaError BAD_VALUE */
export function balanceFrom(values: Values): BalanceOptions {
  const number = (name: string): number => values.number(name) ?? 0;
  const ms = (name: string): number => number(name) * 1000;
  const timeoutMs = ms('check-timeout');
  return {
    method: parseMethod(values.text('method') ?? 'round-robin'),
    check:
      values.text('check') === 'tcp'
        ? { kind: 'tcp', timeoutMs }
        : {
            kind: 'http',
            method: values.text('check-method') ?? 'GET',
            path: values.text('check-path') ?? BALANCER.checkPath,
            status: parseStatus(values.text('check-status') ?? BALANCER.checkStatus.join('-')),
            timeoutMs,
          },
    health: {
      ...health,
      intervalMs: ms('check-interval'),
      jitter: number('check-jitter'),
      rise: number('check-rise'),
      fall: number('check-fall'),
    },
    outlier: {
      consecutive: number('outlier-failures'),
      rate: number('outlier-rate'),
      windowMs: ms('outlier-window'),
      leastRequests: number('outlier-requests'),
      maxShare: number('outlier-share'),
      baseMs: ms('outlier-time'),
      maxMs: Math.max(ms('outlier-time'), ms('outlier-max-time')),
    },
    retry: { ...retry, ratio: number('retry-ratio'), perSecond: number('retry-min') },
    queue: {
      ...queue,
      max: number('queue'),
      timeoutMs: ms('queue-timeout'),
      busyTimeoutMs: ms('queue-busy-timeout'),
    },
    timeouts: {
      headMs: ms('head-timeout'),
      idleMs: ms('idle-timeout'),
      bodyMs: ms('body-timeout'),
      connectMs: ms('connect-timeout'),
      responseMs: ms('response-timeout'),
      tunnelMs: ms('tunnel-timeout'),
    },
    slowStartMs: ms('slow-start'),
    maxActive: number('max-active'),
    drainMs: ms('drain-timeout'),
  };
}

/** `200-399` or `204`. @throws KelanaError BAD_VALUE */
function parseStatus(text: string): readonly [number, number] {
  const match = /^([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?$/.exec(text);
  const low = Number(match?.[1]);
  const high = Number(match?.[2] ?? match?.[1]);
  if (match !== null && low <= high) return [low, high];
  throw bad(text, '--check-status', '--check-status 200-399', {
    id: 'harus dua status seperti 200-399',
    en: 'it must be two statuses like 200-399',
  });
}

/** @throws KelanaError BAD_VALUE */
function checkPath(text: string): void {
  // It goes into a request line as it is: what could end that line must not be in it.
  if (/^\/[!-~]{0,1023}$/.test(text)) return;
  throw bad(text, '--check-path', '--check-path /healthz', {
    id: "harus jalur yang dimulai dengan '/', tanpa spasi",
    en: "it must be a path that begins with '/', without spaces",
  });
}

function bad(value: string, name: string, example: string, why: Text): KelanaError {
  return new KelanaError('BAD_VALUE', { value, name, why, example });
}
