import { isIP } from 'node:net';
import { KelanaError } from '../core/errors.ts';
import type { Lang, Text } from '../core/lang.ts';

/** Where requests go. */
export interface Target {
  readonly host: string;
  readonly port: number;
  readonly secure: boolean;
  /** Value of the Host header. */
  readonly authority: string;
  /** Path before `/messages` and `/files`, without a final slash. */
  readonly base: string;
  readonly url: string;
  /** The language its replies and errors are asked for. */
  readonly lang: Lang;
}

/** @throws KelanaError BAD_VALUE */
export function parseTarget(text: string, lang: Lang = 'en'): Target {
  const bad = (why: Text): KelanaError =>
    new KelanaError('BAD_VALUE', {
      value: text.replace(/\/\/[^/@]*@/, '//…@'),
      name: '--url',
      why,
      example: '--url http://localhost:8000',
    });
  const url = URL.parse(text);
  if (url === null) {
    throw bad({
      id: 'itu bukan URL yang sah, atau port-nya salah',
      en: 'it is no valid URL, or its port is wrong',
    });
  }
  const secure = url.protocol === 'https:';
  if (!secure && url.protocol !== 'http:') {
    throw bad({ id: 'harus diawali http:// atau https://', en: 'it must begin with http:// or https://' });
  }
  if (url.username !== '' || url.password !== '') {
    throw bad({
      id: 'nama dan sandi tidak boleh di dalam URL',
      en: 'it must not hold a user name or password',
    });
  }
  if (url.search !== '' || url.hash !== '') {
    throw bad({ id: "tidak boleh berisi '?' atau '#'", en: "it must not hold '?' or '#'" });
  }
  const port = url.port === '' ? (secure ? 443 : 80) : Number(url.port);
  if (port === 0) throw bad({ id: 'port 0 tidak bisa dituju', en: 'port 0 cannot be reached' });
  const base = url.pathname.replace(/\/+$/, '');
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    secure,
    authority: url.host,
    base,
    url: `${url.protocol}//${url.host}${base}`,
    lang,
  };
}

/** A TLS server name is a name, never an address (RFC 6066 section 3). */
export function serverName(target: Target): string | undefined {
  return isIP(target.host) === 0 ? target.host : undefined;
}
