import { WEIGHTS, type BackendSpec } from '../core/balance/spec.ts';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

export interface HostPort {
  readonly host: string;
  readonly port: number;
  /** `host:port`, as people and logs name it. */
  readonly label: string;
}

/** @throws KelanaError BAD_VALUE for what is not `http://HOST[:PORT]` */
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
  if (url.protocol !== 'http:')
    throw bad({ id: 'hanya http:// yang didukung', en: 'only http:// is supported' });
  if (url.username !== '' || url.password !== '')
    throw bad({
      id: 'nama atau sandi tidak boleh di URL',
      en: 'a URL with a user name or password is not taken',
    });
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw bad({ id: 'URL tidak boleh punya jalur', en: 'the URL must not have a path' });
  const host = url.hostname.replace(/^\[|\]$/g, '');
  const port = url.port === '' ? 80 : Number(url.port);
  return { host, port, label: hostPort(host, port), url: `http://${hostPort(host, port)}` };
}

/** `URL[,weight=N][,max=N]`. @throws KelanaError BAD_VALUE */
export function parseBackend(text: string): BackendSpec {
  const [address = '', ...options] = text.split(',');
  let weight = 1;
  let maxConnections = 0;
  for (const option of options) {
    const match = /^(weight|max)=([0-9]{1,6})$/.exec(option.trim());
    const number = Number(match?.[2]);
    if (match?.[1] === 'weight' && number >= WEIGHTS.least && number <= WEIGHTS.most) weight = number;
    else if (match?.[1] === 'max' && number > 0) maxConnections = number;
    else {
      throw new KelanaError('BAD_VALUE', {
        value: text,
        name: '--backend',
        why: {
          id: `setelah koma hanya boleh 'weight=N' (N dari ${WEIGHTS.least} sampai ${WEIGHTS.most}) dan 'max=N' (permintaan sekaligus)`,
          en: `after the comma only 'weight=N' (N from ${WEIGHTS.least} to ${WEIGHTS.most}) and 'max=N' (requests at once) may stand`,
        },
        example: '--backend http://localhost:8080,weight=2,max=100',
      });
    }
  }
  return { url: parseBackendUrl(address.trim()).url, weight, maxConnections };
}

/** `HOST:PORT`, `[IPv6]:PORT` or `:PORT`. @throws KelanaError BAD_VALUE */
export function parseListen(text: string, flag = '--listen', anywhere = '0.0.0.0'): ListenAddress {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]\s/]*)):([0-9]{1,5})$/.exec(text);
  const port = Number(match?.[3] ?? Number.NaN);
  if (match === null || !(port <= 65_535)) {
    throw new KelanaError('BAD_VALUE', {
      value: text,
      name: flag,
      why: { id: 'harus HOST:PORT', en: 'it must be HOST:PORT' },
      example: `${flag} localhost:8000`,
    });
  }
  const host = match[1] ?? match[2] ?? '';
  return { host: host === '' ? anywhere : host, port };
}

export function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
