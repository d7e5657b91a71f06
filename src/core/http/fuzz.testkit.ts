import { seededRandom, type Random } from '../random.ts';
import { NORMALISED } from './normalised.testkit.ts';
import { get, post, REFUSED } from './smuggling.testkit.ts';

/** Requests changed at random, as structured ones are: by the pieces that mean something, not only by bytes. */
const REFUSED_SEEDS: readonly string[] = REFUSED.map(([, , , raw]) => raw);
const VALID_SEEDS: readonly string[] = [
  ...NORMALISED.map(([, , raw]) => raw),
  get(''),
  get('X: caf\u00e9\r\nCookie: a=b; c=d\r\n'),
  get('') + post('Content-Length: 3\r\n', 'abc') + get('Connection: close\r\n'),
];

const PIECES: readonly string[] = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '"',
  '\\',
  '\0',
  '\u000b',
  '\u007f',
  '\u0080',
  '\u00ff',
  '0',
  '1',
  '5',
  'a',
  '-',
  '+',
  '0x',
  'chunked',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Connection: close\r\n',
  'Connection: upgrade\r\nUpgrade: x\r\n',
  'Expect: 100-continue\r\n',
  'Host: a\r\n',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  ';a="b"',
  'HTTP/1.1',
  'HTTP/1.0',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
];

/** An endless row of inputs; the same seed gives the same row. */
export function* inputs(seed: number): Generator<string, never> {
  const random = seededRandom(seed);
  for (;;) {
    let text = one(random() < 0.5 ? VALID_SEEDS : REFUSED_SEEDS, random);
    for (let changes = 1 + Math.floor(random() * 3); changes > 0; changes -= 1) text = changed(text, random);
    yield text;
  }
}

function one<T>(list: readonly T[], random: Random): T {
  const found = list[Math.floor(random() * list.length)];
  if (found === undefined) throw new Error('an empty list');
  return found;
}

function changed(text: string, random: Random): string {
  const at = Math.floor(random() * (text.length + 1));
  const end = Math.min(text.length, at + 1 + Math.floor(random() * 6));
  switch (Math.floor(random() * 7)) {
    case 0:
      return text.slice(0, at) + one(PIECES, random) + text.slice(at);
    case 1:
      return text.slice(0, at) + one(PIECES, random) + text.slice(end);
    case 2:
      return text.slice(0, at) + text.slice(end);
    case 3:
      return text.slice(0, end) + text.slice(at);
    case 4:
      return text.slice(0, at) + String.fromCharCode(Math.floor(random() * 256)) + text.slice(at + 1);
    case 5: {
      const other = one(VALID_SEEDS, random);
      return text.slice(0, at) + other.slice(Math.floor(random() * other.length));
    }
    default: {
      const line = text.indexOf('\r\n', at);
      return line < 0 ? text : text.slice(0, line + 2) + one(PIECES, random) + text.slice(line + 2);
    }
  }
}
