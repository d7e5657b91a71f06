import assert from 'node:assert/strict';
import { createServer, METHODS, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { inputs } from './fuzz.testkit.ts';
import { NORMALISED } from './normalised.testkit.ts';
import { get, REFUSED } from './smuggling.testkit.ts';
import { LIMITS, readRequests } from './testing.ts';

/** Inputs of the fuzzer that are also given to node:http; `npm run test:nightly` asks for more. */
const COUNT = Math.min(300_000, Math.ceil(Number(process.env['KELANA_FUZZ'] ?? 100_000) / 25));

/** One end of a connection in memory: gives the server `bytes`, then its end. */
class Wire extends Duplex {
  answered = '';

  constructor(bytes: Buffer) {
    super({ allowHalfOpen: true });
    this.push(bytes);
    // A FIN that comes together with the last bytes makes node:http drop what it has not handed on yet.
    setImmediate(() => setImmediate(() => this.push(null)));
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.answered += bytes.toString('latin1');
    done();
  }
}

interface Seen {
  /** `body` is null where its bytes were not handed on any more, because of what followed. */
  readonly whole: { method: string; target: string; body: string | null }[];
  readonly refused: boolean;
}

/** What a strict node:http server makes of these bytes. */
function nodeReads(raw: Buffer): Promise<Seen> {
  return new Promise((resolve) => {
    const begun: { request: IncomingMessage; body: string; ended: boolean }[] = [];
    let refused = false;
    const wire = new Wire(raw);
    const server = createServer(
      { insecureHTTPParser: false, requireHostHeader: true },
      (request, response) => {
        const read = { request, body: '', ended: false };
        begun.push(read);
        request.on('data', (bytes: Buffer) => (read.body += bytes.toString('latin1')));
        request.on('end', () => {
          read.ended = true;
          response.end();
        });
        request.on('error', () => {});
      },
    );
    Object.assign(server, { httpAllowHalfOpen: true });
    server.on('checkExpectation', (_, response: { end(): void }) => response.end());
    server.on('clientError', () => {
      refused = true;
      wire.destroy();
    });
    wire.on('close', () => {
      server.close();
      const whole = begun
        .filter(({ request }) => request.complete)
        .map(({ request, body, ended }) => ({
          method: request.method ?? '',
          target: request.url ?? '',
          body: ended ? body : null,
        }));
      resolve({ whole, refused: refused || /^HTTP\/1\.1 4/m.test(wire.answered) });
    });
    wire.on('finish', () => wire.destroy());
    server.emit('connection', wire);
  });
}

/** Where node:http is stricter than RFC 9112 asks, and ours is not: each with its reason. */
function stricterThanAsked(method: string, target: string, text: string): string | null {
  if (!METHODS.includes(method)) return 'any token is a method (RFC 9110 section 9.1)';
  if (/HTTP\/1\.[2-9]/.test(text)) return 'a later minor version is 1.1 (RFC 9110 section 2.5)';
  if (!/^[/*h]/i.test(target)) return 'no target that is known to node:http';
  return null;
}

async function compare(text: string): Promise<string | null> {
  const raw = Buffer.from(text, 'latin1');
  const ours = readRequests([new Uint8Array(raw)]);
  const theirs = await nodeReads(raw);
  for (const [at, { head, body }] of ours.messages.entries()) {
    const their = theirs.whole[at];
    if (their === undefined) {
      if (!theirs.refused && at > 0) continue;
      if (stricterThanAsked(head.method, head.target, text) !== null) return null;
      return `ours takes ${head.method} ${head.target}, node:http ${theirs.refused ? 'refuses it' : 'does not end it'}`;
    }
    const same =
      their.method === head.method && their.target === head.target && (their.body ?? body) === body;
    if (!same) return `ours reads ${JSON.stringify({ ...head, body })}, node:http ${JSON.stringify(their)}`;
  }
  return null;
}

test('nothing is taken that node:http in strict mode refuses: the named vectors', async () => {
  for (const text of [...REFUSED.map(([, , , raw]) => raw), ...NORMALISED.map(([, , raw]) => raw), get('')]) {
    const found = await compare(text);
    assert.equal(found, null, `${JSON.stringify(text)}: ${found ?? ''}`);
  }
});

test(`nothing is taken that node:http in strict mode refuses: ${COUNT} changed requests`, async () => {
  assert.ok(LIMITS.maxHeaders <= 2000);
  const texts = inputs(7230);
  for (let count = 0; count < COUNT; count += 1) {
    const text = texts.next().value;
    const found = await compare(text);
    assert.equal(found, null, `${JSON.stringify(text)}: ${found ?? ''}`);
  }
});
