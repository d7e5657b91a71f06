import assert from 'node:assert/strict';
import { setFlagsFromString } from 'node:v8';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { seededRandom } from '../random.ts';
import { chunkStart, chunkedEnd, forwardRequest } from './forward.ts';
import { inputs } from './fuzz.testkit.ts';
import { RequestParser, ResponseParser } from './parser.ts';
import { originOf } from './provenance.ts';
import type { RequestHead } from './request.ts';
import { SeenHeads } from './seen.ts';
import { LIMITS } from './testing.ts';

/** `npm run test:nightly` asks for ten million. */
const COUNT = Number(process.env['KELANA_FUZZ'] ?? 100_000);
const SEED = Number(process.env['KELANA_SEED'] ?? 9112);
const limits = {
  ...LIMITS,
  decode: (bytes: Uint8Array, start: number, end: number) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1', start, end),
};
const ROUTE = { origin: originOf('10.0.0.1', 'http'), fallbackHost: 'backend' };

interface Outcome {
  /** Whatever decides what a reader of these bytes would do. */
  told: string;
  /** What would be sent to a backend of each whole request. */
  readonly sent: string[];
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** Reads it all; the buffer is overwritten after each part, as a socket's is. */
function run(parser: RequestParser, parts: readonly Buffer[]): Outcome {
  const outcome: Outcome = { told: '', sent: [] };
  let [events, size] = [0, 0];
  let head: RequestHead | null = null;
  let body = '';
  for (const part of parts) {
    size += part.length;
    const reused = Buffer.from(part);
    parser.push(reused);
    for (let event = parser.next(); event !== undefined; event = parser.next()) {
      events += 1;
      assert.ok(events <= 3 * size + 3, 'endless events');
      if (event.type === 'head') [head, body] = [event.head, ''];
      if (event.type === 'body') body += latin1(event.bytes);
      if (event.type === 'end' && head !== null) {
        const chunked = head.framing === 'chunked';
        const end = chunkedEnd(event.trailers);
        outcome.sent.push(
          forwardRequest(head, ROUTE) +
            (chunked ? (body === '' ? end : `${chunkStart(body.length)}${body}\r\n${end}`) : body),
        );
        head = null;
      }
      if (event.type === 'error') {
        outcome.told = `${event.problem.status} ${event.problem.why}`;
        break;
      }
    }
    assert.ok(parser.buffered <= LIMITS.maxHeadBytes + part.length, 'more is kept than a head');
    reused.fill(0x0a);
    if (outcome.told !== '') break;
  }
  outcome.told += `|${parser.idle ? 'idle' : ''}${parser.finished ? 'finished' : ''}|${head?.method ?? ''} ${body}`;
  return outcome;
}

test(`${COUNT} changed requests are read the same whole and split, and what is sent on reads as one request (seed ${SEED})`, () => {
  const seen = new SeenHeads<RequestHead>(64);
  const random = seededRandom(SEED);
  const texts = inputs(SEED);
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  let accepted = 0;
  let before = 0;
  for (let count = 0; count < COUNT; count += 1) {
    if (count === Math.floor(COUNT / 10)) {
      collect();
      before = process.memoryUsage().heapUsed;
    }
    const text = texts.next().value;
    const bytes = Buffer.from(text, 'latin1');
    const whole = run(new RequestParser(limits, seen), [bytes]);
    const cut = Math.floor(random() * bytes.length);
    const next = cut + Math.floor(random() * (bytes.length - cut));
    const parts = [bytes.subarray(0, cut), bytes.subarray(cut, next), bytes.subarray(next)];
    const apart = run(new RequestParser(limits), parts);
    if (apart.told !== whole.told || apart.sent.join('') !== whole.sent.join(''))
      assert.deepEqual(apart, whole, JSON.stringify(text));
    for (const sent of whole.sent) {
      accepted += 1;
      const again = run(new RequestParser(limits), [Buffer.from(sent, 'latin1')]);
      assert.equal(
        again.sent.length,
        1,
        `${JSON.stringify(text)} becomes ${JSON.stringify(sent)}: ${again.told}`,
      );
      assert.ok(again.told.startsWith('|idle'), `${JSON.stringify(text)} becomes ${JSON.stringify(sent)}`);
    }
  }
  collect();
  const grown = process.memoryUsage().heapUsed - before;
  assert.ok(
    accepted > COUNT / 20,
    `only ${accepted} requests were accepted: the changes are too wild to test much`,
  );
  assert.ok(grown < 16 * 1024 * 1024, `${grown} bytes more after ${COUNT} inputs`);
});

test('changed responses never loop, never throw, and keep no more than a head', () => {
  const random = seededRandom(SEED);
  const seen = new SeenHeads<never>(64) as unknown as ConstructorParameters<typeof ResponseParser>[1];
  const texts = inputs(SEED + 1);
  for (let count = 0; count < COUNT / 10; count += 1) {
    const text = texts
      .next()
      .value.replaceAll(/^(?:GET|POST) \S* HTTP/gm, 'HTTP')
      .replaceAll('HTTP/1.1\r\n', 'HTTP/1.1 200 OK\r\n');
    const bytes = Buffer.from(text, 'latin1');
    const cut = Math.floor(random() * bytes.length);
    const told = [[bytes], [bytes.subarray(0, cut), bytes.subarray(cut)]].map((parts) => {
      const parser = new ResponseParser(limits, seen);
      parser.expect('GET');
      let [said, events] = ['', 0];
      for (const part of parts) {
        if (parser.finished) break;
        parser.push(Buffer.from(part));
        for (let event = parser.next(); event !== undefined; event = parser.next()) {
          events += 1;
          assert.ok(events <= 3 * bytes.length + 3, 'endless events');
          if (event.type === 'body') said += latin1(event.bytes);
          else said += event.type === 'error' ? event.problem.why : event.type;
          if (event.type === 'error') break;
        }
        assert.ok(parser.buffered <= LIMITS.maxHeadBytes + bytes.length);
      }
      return said;
    });
    assert.equal(told[1], told[0], JSON.stringify(text));
  }
});
