import { WEIGHTS, type BackendSpec } from '../core/balance/spec.ts';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
  /** What is spoken there; where left out, https with a certificate, else http. */
  readonly scheme?: 'http' | 'https';
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as people and logs name it. */
  readonly label: string;
}

/** @throws KelanaError BAD_VALUE for what is not `http[s]://HOST[:PORT]` or `tcp://HOST:PORT` */
export function parseBackendUrl(text: string): HostPort & { readonly url: string } {
  const bad = (why: Text): KelanaError =>
    new KelanaError('BAD_VALUE', {
      value: text,
      name: '--backend',
      why,
      example: '--backend http://localhost:8080',
    });
  const url = URL.canParse(text) ? new URL(text) : null;
  if (url === null || url.hostname === '')
    throw bad({ id: 'bukan URL seperti http://HOST:PORT', en: 'it is not a URL like http://HOST:PORT' });
  if (!['http:', 'https:', 'tcp:'].includes(url.protocol))
    throw bad({
      id: 'hanya http://, https:// dan tcp:// yang didukung',
      en: 'only http://, https:// and tcp:// are supported',
    });
  if (url.protocol === 'tcp:' && url.port === '')
    throw bad({ id: 'tcp:// perlu port', en: 'tcp:// needs a port' });
  if (url.username !== '' || url.password !== '')
    throw bad({
      id: 'nama atau sandi tidak boleh di URL',
      en: 'a URL with a user name or password is not taken',
    });
  if (!['', '/'].includes(url.pathname) || url.search !== '' || url.hash !== '')
    throw bad({ id: 'URL tidak boleh punya jalur', en: 'the URL must not have a path' });
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
  return { host, port, label: hostPort(host, port), url: `${url.protocol}//${hostPort(host, port)}` };
}

/** `URL[,weight=N][,max=N][,proxy=v1|v2][,ca=FILE][,verify=off]`. @throws KelanaError BAD_VALUE */
export function parseBackend(text: string): BackendSpec {
  const [address = '', ...options] = text.split(',').map((part) => part.trim());
  const { url } = parseBackendUrl(address);
  const spec: { -readonly [K in keyof BackendSpec]: BackendSpec[K] } = { url, weight: 1, maxConnections: 0 };
  for (const option of options) {
    const equals = option.indexOf('=');
    const name = option.slice(0, Math.max(0, equals));
    const value = option.slice(equals + 1);
    const number = /^[0-9]{1,6}$/.test(value) ? Number(value) : 0;
    if (name === 'weight' && number >= WEIGHTS.least && number <= WEIGHTS.most) spec.weight = number;
    else if (name === 'max' && number > 0) spec.maxConnections = number;
    else if (name === 'proxy' && (value === 'v1' || value === 'v2')) spec.proxy = value === 'v1' ? 1 : 2;
    else if (name === 'ca' && value !== '' && url.startsWith('https:')) spec.ca = value;
    else if (name === 'verify' && value === 'off' && url.startsWith('https:')) spec.verify = false;
    else {
      throw new KelanaError('BAD_VALUE', {
        value: text,
        name: '--backend',
        why: {
          id: `setelah koma hanya boleh 'weight=N' (N dari ${WEIGHTS.least} sampai ${WEIGHTS.most}), 'max=N' (permintaan sekaligus), 'proxy=v1', 'proxy=v2', dan untuk https 'ca=BERKAS' dan 'verify=off'`,
          en: `after the comma only 'weight=N' (N from ${WEIGHTS.least} to ${WEIGHTS.most}), 'max=N' (requests at once), 'proxy=v1', 'proxy=v2', and with https 'ca=FILE' and 'verify=off' may stand`,
        },
        example: '--backend http://localhost:8080,weight=2,max=100',
      });
    }
  }
  return spec;
}

/** `[http[s]://]HOST:PORT`, with `[IPv6]` as HOST, or nothing for all addresses (or those of `anywhere`). @throws KelanaError BAD_VALUE */
export function parseListen(text: string, name = '--listen', anywhere = '0.0.0.0'): ListenAddress {
  const scheme = /^(https?):\/\//.exec(text)?.[1];
  const rest = scheme === undefined ? text : text.slice(scheme.length + 3);
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s/]*)):([0-9]{1,5})$/.exec(rest);
  const port = Number(match?.[3] ?? Number.NaN);
  if (match === null || !(port <= 65_535)) {
    throw new KelanaError('BAD_VALUE', {
      value: text,
      name,
      why: { id: 'harus HOST:PORT', en: 'it must be HOST:PORT' },
      example: `${name} localhost:8000`,
    });
  }
  const host = match[1] ?? match[2] ?? '';
  const address = { host: host === '' ? anywhere : host, port };
  return scheme === 'http' || scheme === 'https' ? { ...address, scheme } : address;
}

export function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
