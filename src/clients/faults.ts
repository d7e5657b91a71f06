import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import type { Exchange } from './client.ts';
import { field } from './log.ts';
import type { Target } from './target.ts';

/** The codes of Failure (connection.ts) in words; an errno stands for itself. */
const WORDS: Readonly<Record<string, Text>> = {
  ECONNREFUSED: {
    id: 'ECONNREFUSED: tidak ada yang mendengarkan di port itu',
    en: 'ECONNREFUSED: nothing listens on that port',
  },
  ENOTFOUND: { id: 'ENOTFOUND: nama itu tidak dikenal', en: 'ENOTFOUND: no such host name' },
  ECONNRESET: { id: 'ECONNRESET: sambungannya diputus', en: 'ECONNRESET: the connection was reset' },
  CONNECT_TIMEOUT: { id: 'tidak tersambung pada waktunya', en: 'it did not connect in time' },
  CLOSED: { id: 'sambungan ditutup sebelum dijawab', en: 'it closed the connection before it answered' },
  TRUNCATED: {
    id: 'sambungan putus di tengah jawaban',
    en: 'the connection broke in the middle of the answer',
  },
  SOURCE_CHANGED: {
    id: 'berkasnya menjadi lebih pendek selama dikirim',
    en: 'the file became shorter while it was sent',
  },
};

/** Why the target could not be reached, for SERVER_UNREACHABLE. */
export function unreachable(target: Target, code: string, cause?: unknown): KelanaError {
  const why = /CERT|SIGNATURE|ALTNAME/.test(code) ? untrusted(code) : (WORDS[code] ?? code);
  return new KelanaError('SERVER_UNREACHABLE', { url: target.url, why }, cause);
}

/** The codes of OpenSSL for a certificate, such as DEPTH_ZERO_SELF_SIGNED_CERT. */
function untrusted(code: string): Text {
  return {
    id: `${code}: sertifikatnya tidak dipercaya; NODE_EXTRA_CA_CERTS=BERKAS menambah CA sendiri`,
    en: `${code}: its certificate is not trusted; NODE_EXTRA_CA_CERTS=FILE adds a CA of your own`,
  };
}

/** A failed single request as an error for a person. */
export function errorOf(exchange: Exchange, target: Target, what: string, timeoutMs: number): KelanaError {
  const { outcome, status, body, detail } = exchange;
  const code = outcome.ok ? '' : outcome.code;
  if (status !== null) {
    const text = new TextDecoder().decode(body);
    const said = ['message', 'fix']
      .map((name) => field(text, name))
      .filter((part) => typeof part === 'string');
    const why = said.length > 0 ? said.join(' → ') : text.trim().slice(0, 200) || `HTTP ${status}`;
    return new KelanaError(status >= 500 ? 'SERVER_FAILED' : 'SERVER_REFUSED', {
      status,
      why: why.replace(/\.$/, ''),
    });
  }
  if (code === 'RESPONSE_TIMEOUT') return new KelanaError('TIMEOUT', { what, seconds: timeoutMs / 1000 });
  if (code === 'BAD_RESPONSE') return new KelanaError('BAD_ANSWER', { url: target.url, why: detail });
  return unreachable(target, code);
}
