import type { RequestHead } from '../http/request.ts';
import type { KeySource } from './method.ts';

/** What a request says for a key source; null where it says nothing. `client` is its IP address. */
export function keyOf(source: KeySource, request: RequestHead, client: string): string | null {
  if (source.from === 'source') return client === '' ? null : client;
  if (source.from === 'path') {
    const query = request.path.indexOf('?');
    return query < 0 ? request.path : request.path.slice(0, query);
  }
  const wanted = source.from === 'cookie' ? 'cookie' : source.name;
  for (const { name, value } of request.fields) {
    if (name !== wanted) continue;
    const found = source.from === 'cookie' ? cookieOf(value, source.name) : value;
    if (found !== null && found !== '') return found;
  }
  return null;
}

/** The value of a cookie in a Cookie field (RFC 6265 section 5.4); the first where there are several. */
export function cookieOf(field: string, name: string): string | null {
  for (let at = 0; at < field.length;) {
    let end = field.indexOf(';', at);
    if (end < 0) end = field.length;
    while (at < end && (field[at] === ' ' || field[at] === '\t')) at += 1;
    if (field.startsWith(name, at) && field[at + name.length] === '=') {
      const value = field.slice(at + name.length + 1, end).trim();
      return value === '' ? null : value;
    }
    at = end + 1;
  }
  return null;
}
