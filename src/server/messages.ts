import type { FastifyReply, FastifyRequest } from 'fastify';
import { MAILBOX, SERVER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Lang, Text } from '../core/lang.ts';
import type { MailboxMessage } from '../core/ports.ts';
import type { App } from './app.ts';
import { sendPieces } from './bytes.ts';
import { clientOf } from './watch.ts';
import { langOf } from './failures.ts';

/** `POST /messages` and `GET /messages`. */
export function messageRoutes(app: App): void {
  app.http.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    const parser = { parseAs: 'buffer', bodyLimit: SERVER.maxBodyBytes } as const;
    scope.addContentTypeParser<Buffer>('application/json', parser, async (_request: unknown, body: Buffer) =>
      parseJson(decodeUtf8(body)),
    );
    scope.addContentTypeParser<Buffer>(
      'text/plain',
      parser,
      async (request: FastifyRequest, body: Buffer) => {
        const charset = /charset="?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1] ?? 'utf-8';
        if (!/^(utf-8|utf8|us-ascii)$/i.test(charset)) throw new KelanaError('BAD_TYPE', { why: charset });
        return { text: decodeUtf8(body) };
      },
    );
    scope.post('/messages', { preParsing: limitBodyTime }, (request, reply) => post(app, request, reply));
  });
  app.http.get('/messages', (request, reply) => list(app, request, reply));
}

/** A body that drips in byte by byte keeps its connection busy, so it has a time limit of its own. */
async function limitBodyTime(request: FastifyRequest, reply: FastifyReply): Promise<void> {
  const timer = setTimeout(() => request.raw.destroy(), SERVER.bodyTimeoutMs);
  const stop = (): void => clearTimeout(timer);
  request.raw.once('end', stop);
  reply.raw.once('close', stop);
}

async function post(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { text, room, to } = parseMessage(request.body);
  const idempotencyKey = parseKey(request.headers['idempotency-key']);
  const { message, repeated } = await app.mailbox.append({
    text,
    room,
    to,
    server: app.who(),
    idempotencyKey,
  });
  if (repeated && (message.text !== text || message.room !== room || message.to !== to)) {
    throw new KelanaError('KEY_REUSED', { id: message.id });
  }
  app.metrics.message(repeated);
  if (repeated) void reply.header('idempotent-replay', 'true');
  else {
    app.tail.nudge();
    app.emit({ type: 'message.received', who: app.who(), from: clientOf(request.raw.socket), text });
  }
  return reply
    .code(repeated ? 200 : 201)
    .headers({ location: `/messages?after=${message.id - 1}&limit=1`, 'cache-control': 'no-store' })
    .send({
      id: message.id,
      server: message.server,
      reply: replyText(langOf(app, request), message),
      receivedAt: message.receivedAt,
    });
}

/** The reply in the seeds' spirit; a long text is repeated in part. */
export function replyText(lang: Lang, { server, text }: Pick<MailboxMessage, 'server' | 'text'>): string {
  const part = text.slice(0, SERVER.replyChars);
  // The cut may have gone through a surrogate pair.
  const shown = part === text ? text : `${part.isWellFormed() ? part : part.slice(0, -1)}…`;
  return lang === 'id'
    ? `Server ${server} menerima pesan: ${shown}`
    : `Server ${server} received the message: ${shown}`;
}

function decodeUtf8(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw bad({ id: 'isinya bukan UTF-8 yang sah', en: 'its body is not valid UTF-8' });
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (thrown) {
    const detail = thrown instanceof Error ? thrown.message : '';
    throw bad({ id: `isinya bukan JSON (${detail})`, en: `its body is not JSON (${detail})` });
  }
}

function parseMessage(body: unknown): { text: string; room: string; to: string | null } {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw bad({
      id: 'isinya harus objek JSON {"text": "…"} atau teks',
      en: 'its body must be a JSON object {"text": "…"} or plain text',
    });
  }
  const { text, room = null, to = null } = body as Record<string, unknown>;
  if (typeof text !== 'string' || text === '') {
    throw bad({ id: '"text" harus teks yang tidak kosong', en: '"text" must be text that is not empty' });
  }
  if (!text.isWellFormed() || text.includes('\0')) {
    throw bad({
      id: '"text" berisi NUL atau separuh pasangan surrogate',
      en: '"text" holds a NUL or half of a surrogate pair',
    });
  }
  if (Buffer.byteLength(text) > MAILBOX.maxTextBytes) {
    throw new KelanaError('TOO_LARGE', {
      what: { id: 'Teks pesan', en: 'The text' },
      limit: MAILBOX.maxTextBytes,
    });
  }
  return { text, room: parseLabel('room', room) ?? MAILBOX.defaultRoom, to: parseLabel('to', to) };
}

function parseLabel(name: string, value: unknown): string | null {
  if (value === null) return null;
  const fits =
    typeof value === 'string' &&
    value !== '' &&
    value.isWellFormed() &&
    !/\p{Cc}/u.test(value) &&
    Buffer.byteLength(value) <= MAILBOX.maxLabelBytes;
  if (fits) return value;
  throw bad({
    id: `"${name}" harus teks 1 sampai ${MAILBOX.maxLabelBytes} byte tanpa karakter kendali`,
    en: `"${name}" must be text of 1 to ${MAILBOX.maxLabelBytes} bytes without control characters`,
  });
}

function parseKey(header: string | string[] | undefined): string | null {
  if (header === undefined) return null;
  return parseLabel('Idempotency-Key', Array.isArray(header) ? header.join(', ') : header);
}

export interface Place {
  readonly after: number | null;
  readonly limit: number;
  readonly room: string | undefined;
}

/** `?after=&limit=&room=`. @throws KelanaError BAD_REQUEST */
export function parsePlace(query: unknown): Place {
  const { after, limit, room } = query as Record<string, unknown>;
  return {
    after: after === undefined ? null : parseCount('after', after, 0, Number.MAX_SAFE_INTEGER),
    limit: limit === undefined ? MAILBOX.defaultLimit : parseCount('limit', limit, 1, MAILBOX.maxLimit),
    room: parseLabel('room', room ?? null) ?? undefined,
  };
}

export function parseCount(name: string, value: unknown, min: number, max: number): number {
  const number = typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= min && number <= max) return number;
  throw bad({
    id: `"${name}" harus bilangan bulat dari ${min} sampai ${max}`,
    en: `"${name}" must be a whole number from ${min} to ${max}`,
  });
}

function bad(why: Text): KelanaError {
  return new KelanaError('BAD_REQUEST', { why });
}

/** One page, read from the store piece by piece: a thousand long messages never lie in memory together. */
async function list(app: App, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const { after, limit, room } = parsePlace(request.query);
  const first = await app.mailbox.list(after ?? 0, limit, room);
  void reply.header('cache-control', 'no-store').type('application/json; charset=utf-8');
  const pieces = async function* (): AsyncIterable<string> {
    let next = after ?? 0;
    let left = limit;
    let page = first;
    yield '{"messages":[';
    while (page.length > 0) {
      yield (left < limit ? ',' : '') + page.map((message) => JSON.stringify(message)).join(',');
      next = page.at(-1)?.id ?? next;
      left -= page.length;
      page = left > 0 ? await app.mailbox.list(next, left, room) : [];
    }
    yield `],"next":${next}}\n`;
  };
  return sendPieces(app, reply, pieces());
}
