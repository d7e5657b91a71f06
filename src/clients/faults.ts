import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import type { Exchange } from './client.ts';
import { showable } from '../core/render/escape.ts';
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

/** What a balancer answers by itself, in English only: its `error` in Indonesian. */
const BALANCER_SAYS: Readonly<Record<string, string>> = {
  NO_SERVER: 'tidak ada server yang siap di belakang balancer',
  BAD_GATEWAY: 'sambungan balancer ke server putus atau jawabannya tidak sah',
  GATEWAY_TIMEOUT: 'server di belakang balancer tidak menjawab pada waktunya',
  REQUEST_TIMEOUT: 'permintaannya tidak tiba pada waktunya',
};

const TRY_AGAIN: Text = {
  id: 'Coba lagi sebentar lagi; bila berulang, lihat log server dan balancer (kelana log)',
  en: 'Try again in a moment; if it repeats, see the log of servers and balancer (kelana log)',
};
const CORRECT: Text = {
  id: 'Perbaiki permintaannya menurut pesan itu',
  en: 'Correct the request as the message says',
};

/** Ends of a connection that was made, before a byte of an answer came. */
const UNANSWERED = new Set(['ECONNRESET', 'ECONNABORTED', 'EPIPE', 'CLOSED']);

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
    const message = told(text, 'message');
    const fix = told(text, 'fix');
    // The server was asked in our language; a balancer's own answer has no fix, and only English.
    const own = fix === undefined ? BALANCER_SAYS[told(text, 'error') ?? ''] : undefined;
    const en = message?.replace(/\.$/, '') ?? (showable(text.trim().slice(0, 200)) || `HTTP ${status}`);
    const why = own === undefined ? en : { id: own, en };
    const failed = status >= 500;
    return new KelanaError(failed ? 'SERVER_FAILED' : 'SERVER_REFUSED', {
      status,
      why,
      fix: fix ?? (failed ? TRY_AGAIN : CORRECT),
    });
  }
  if (code === 'RESPONSE_TIMEOUT') return new KelanaError('TIMEOUT', { what, seconds: timeoutMs / 1000 });
  if (code === 'BAD_RESPONSE') return new KelanaError('BAD_ANSWER', { url: target.url, why: detail });
  if (UNANSWERED.has(code))
    return new KelanaError('NO_ANSWER', { url: target.url, why: WORDS[code] ?? code });
  return unreachable(target, code);
}

/** A text of the server's JSON, fit to be shown. */
function told(json: string, name: string): string | undefined {
  const value = field(json, name);
  return typeof value === 'string' && value !== '' ? showable(value) : undefined;
}
