import { hostPort, parseListen, type ListenAddress } from '../../balancer/address.ts';
import type { EdgeOptions } from '../../balancer/edge-options.ts';
import { trustedSources } from '../../balancer/proxy-in.ts';
import { EDGE } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import type { Option } from '../command.ts';
import type { Values } from '../values.ts';

/** The options of what stands between the balancer's sockets and its requests. */
export const EDGES: readonly Option[] = [
  {
    name: 'tls-cert',
    type: 'text',
    value: 'FILE',
    many: true,
    help: {
      id: 'sertifikat PEM dengan rantainya; boleh berulang, yang pertama untuk nama yang tidak dikenal',
      en: 'PEM certificate with its chain; may be repeated, the first is for unknown names',
    },
  },
  {
    name: 'tls-key',
    type: 'text',
    value: 'FILE',
    many: true,
    help: {
      id: 'kunci PEM untuk tiap --tls-cert, dalam urutan yang sama',
      en: 'PEM key of each --tls-cert, in the same order',
    },
  },
  {
    name: 'redirect-http',
    type: 'text',
    value: 'PORT|H:P',
    help: {
      id: 'alamat http yang mengarahkan ke https',
      en: 'http address that redirects to https',
    },
  },
  {
    name: 'accept-proxy',
    type: 'text',
    value: 'IP[/BITS]',
    many: true,
    help: {
      id: 'proksi di depan yang memakai protokol PROXY; yang lain ditolak',
      en: 'proxy in front that speaks the PROXY protocol; all others are refused',
    },
  },
  {
    name: 'mode',
    type: 'text',
    value: 'M',
    oneOf: ['http', 'tcp'],
    default: 'http',
    help: { id: 'tcp: teruskan byte apa adanya', en: 'tcp: relay bytes as they are' },
  },
  {
    name: 'rate-limit',
    type: 'rate',
    value: 'N',
    min: 0.001,
    help: {
      id: 'permintaan per detik dari satu alamat (IPv6: /64); lebih dari itu 429',
      en: 'requests a second of one address (IPv6: /64); more get 429',
    },
  },
  {
    name: 'rate-burst',
    type: 'count',
    value: 'N',
    min: 1,
    help: {
      id: 'permintaan sekaligus setelah jeda (bawaan: dua kali --rate-limit)',
      en: 'requests at once after a pause (default: twice --rate-limit)',
    },
  },
  {
    name: 'max-connections',
    type: 'count',
    value: 'N',
    min: 1,
    help: {
      id: 'sambungan client sekaligus (bawaan: 10000)',
      en: 'client connections at once (default: 10000)',
    },
  },
  {
    name: 'max-per-source',
    type: 'count',
    value: 'N',
    min: 1,
    help: {
      id: 'dari satu alamat (bawaan: tanpa batas sendiri)',
      en: 'of one address (default: no limit of its own)',
    },
  },
];

/** Addresses to listen on, the first one first. @throws KelanaError BAD_VALUE */
export function listenFrom(
  texts: readonly string[],
  usual: string,
): readonly [ListenAddress, ...ListenAddress[]] {
  const [first = usual, ...more] = texts;
  return [parseListen(first), ...more.map((text) => parseListen(text))];
}

/** @throws KelanaError BAD_VALUE, USAGE */
export function edgesFrom(values: Values, listen: readonly [ListenAddress, ...ListenAddress[]]): EdgeOptions {
  const [first, ...more] = listen;
  const certificates = pairs(values.texts('tls-cert'), values.texts('tls-key'));
  const redirect = values.text('redirect-http');
  const acceptProxy = values.texts('accept-proxy');
  // Wrong ones are told before anything is opened.
  trustedSources(acceptProxy);
  const secure = certificates.length > 0;
  if (!secure && (redirect !== undefined || listen.some(({ scheme }) => scheme === 'https')))
    throw usage('https perlu --tls-cert dan --tls-key', 'https needs --tls-cert and --tls-key');
  const mode = values.text('mode') === 'tcp' ? 'tcp' : 'http';
  const perSecond = values.number('rate-limit');
  const burst = values.number('rate-burst');
  if (mode === 'tcp' && (perSecond !== undefined || redirect !== undefined))
    throw usage(
      '--rate-limit dan --redirect-http hanya untuk --mode http',
      '--rate-limit and --redirect-http are for --mode http only',
    );
  if (burst !== undefined && perSecond === undefined)
    throw usage('--rate-burst perlu --rate-limit', '--rate-burst needs --rate-limit');
  const maxConnections = values.number('max-connections');
  const maxPerSource = values.number('max-per-source');
  return {
    listen: more,
    certificates,
    acceptProxy,
    mode,
    ...(first.scheme === undefined ? {} : { scheme: first.scheme }),
    ...(redirect === undefined ? {} : { redirect: redirectFrom(redirect, first.host) }),
    ...(perSecond === undefined
      ? {}
      : { rate: { perSecond, burst: burst ?? Math.max(EDGE.leastBurst, Math.ceil(2 * perSecond)) } }),
    ...(maxConnections === undefined ? {} : { maxConnections }),
    ...(maxPerSource === undefined ? {} : { maxPerSource }),
  };
}

/** A port alone is one of the first address. */
function redirectFrom(text: string, host: string): ListenAddress {
  return parseListen(/^[0-9]+$/.test(text) ? hostPort(host, Number(text)) : text, '--redirect-http');
}

function pairs(certs: readonly string[], keys: readonly string[]) {
  if (certs.length !== keys.length)
    throw usage(
      `ada ${certs.length} --tls-cert dan ${keys.length} --tls-key: tiap sertifikat perlu kuncinya`,
      `there are ${certs.length} --tls-cert and ${keys.length} --tls-key: each certificate needs its key`,
    );
  return certs.map((cert, at) => ({ cert, key: keys[at] ?? '' }));
}

function usage(id: string, en: string): KelanaError {
  return new KelanaError('USAGE', {
    detail: { id: `${capital(id)}.`, en: `${capital(en)}.` },
    command: 'balancer',
  });
}

function capital(text: string): string {
  return text.slice(0, 1).toUpperCase() + text.slice(1);
}
