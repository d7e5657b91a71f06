import { BALANCER } from '../config.ts';
import { KelanaError } from '../errors.ts';
import type { Text } from '../lang.ts';
import { isMethodName, isPlainMethod, METHODS, PLAIN_METHODS } from './method.ts';
import type { KeySource, MethodChoice, PlainMethod } from './method.ts';

/** RFC 9110 section 5.6.2; a cookie's name is one too (RFC 6265 section 4.1.1). */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/;

/**
 * `round-robin`, `weighted`, `least-connections`, `two-choices`, `ewma`, `hash:KEY[:bound=N]` with KEY one of
 * `header=NAME`, `cookie=NAME`, `source`, `path`, and `sticky[:name=COOKIE][:method=METHOD]`.
 * @throws KelanaError BAD_VALUE
 */
export function parseMethod(text: string): MethodChoice {
  const [name = '', ...parts] = text.split(':');
  if (!isMethodName(name))
    throw bad(text, {
      id: `harus salah satu dari: ${METHODS.join(', ')}`,
      en: `it must be one of: ${METHODS.join(', ')}`,
    });
  if (name === 'hash') return parseHash(text, parts);
  if (name === 'sticky') return parseSticky(text, parts);
  if (parts.length > 0)
    throw bad(text, { id: `${name} tidak menerima tambahan`, en: `${name} takes nothing after it` });
  return { name };
}

function parseHash(text: string, parts: readonly string[]): MethodChoice {
  let key: KeySource | null = null;
  let bound: number = BALANCER.hashBound;
  for (const part of parts) {
    const [word, value] = split(part);
    if (word === 'bound') {
      bound = /^[0-9]{1,3}(\.[0-9]{1,3})?$/.test(value ?? '') ? Number(value) : Number.NaN;
      if (!(bound === 0 || (bound >= 1 && bound <= 100)))
        throw bad(text, {
          id: 'bound harus 0 (tanpa batas) atau dari 1 sampai 100',
          en: 'bound must be 0 (none) or from 1 to 100',
        });
    } else if (key === null && (word === 'source' || word === 'path') && value === undefined) {
      key = { from: word };
    } else if (key === null && (word === 'header' || word === 'cookie') && TOKEN.test(value ?? '')) {
      key = { from: word, name: word === 'header' ? (value ?? '').toLowerCase() : (value ?? '') };
    } else {
      key = null;
      break;
    }
  }
  if (key === null)
    throw bad(text, {
      id: 'hash perlu satu kunci: header=NAMA, cookie=NAMA, source atau path',
      en: 'hash needs one key: header=NAME, cookie=NAME, source or path',
    });
  return { name: 'hash', key, bound };
}

function parseSticky(text: string, parts: readonly string[]): MethodChoice {
  let cookie: string = BALANCER.stickyCookie;
  let otherwise: PlainMethod = 'round-robin';
  for (const part of parts) {
    const [word, value = ''] = split(part);
    if (word === 'name' && TOKEN.test(value)) cookie = value;
    else if (word === 'method' && isPlainMethod(value)) otherwise = value;
    else
      throw bad(text, {
        id: `setelah sticky hanya boleh name=COOKIE dan method=METODE (${PLAIN_METHODS.join(', ')})`,
        en: `after sticky only name=COOKIE and method=METHOD may stand (${PLAIN_METHODS.join(', ')})`,
      });
  }
  return { name: 'sticky', cookie, otherwise };
}

/** The text that `parseMethod` reads back. */
export function methodText(choice: MethodChoice): string {
  if (choice.name === 'sticky') {
    const name = choice.cookie === BALANCER.stickyCookie ? '' : `:name=${choice.cookie}`;
    return `sticky${name}${choice.otherwise === 'round-robin' ? '' : `:method=${choice.otherwise}`}`;
  }
  if (choice.name !== 'hash') return choice.name;
  const { key, bound } = choice;
  const source = 'name' in key ? `${key.from}=${key.name}` : key.from;
  return `hash:${source}${bound === BALANCER.hashBound ? '' : `:bound=${bound}`}`;
}

function split(part: string): [string, string | undefined] {
  const at = part.indexOf('=');
  return at < 0 ? [part, undefined] : [part.slice(0, at), part.slice(at + 1)];
}

function bad(value: string, why: Text): KelanaError {
  return new KelanaError('BAD_VALUE', {
    value,
    name: '--method',
    why,
    example: '--method hash:header=X-User',
  });
}
