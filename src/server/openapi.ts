import { MAILBOX, SEARCH, TRANSFER } from '../core/config.ts';
import { STRATEGIES } from '../core/ports.ts';
import { QUERY_KINDS, TYPE_SETS } from '../core/search/query.ts';

type Json = Readonly<Record<string, unknown>>;

const text = (description: string, more: Json = {}): Json => ({ type: 'string', description, ...more });
const count = (description: string, more: Json = {}): Json => ({ type: 'integer', description, ...more });
const query = (name: string, schema: Json, required = false): Json => ({
  name,
  in: 'query',
  required,
  schema,
});
const header = (name: string, description: string): Json => ({
  name,
  in: 'header',
  required: false,
  schema: text(description),
});
const json = (schema: Json): Json => ({ 'application/json': { schema } });
const ref = (name: string): Json => ({ $ref: `#/components/schemas/${name}` });
const answer = (description: string, content?: Json): Json => ({
  description,
  headers: {
    'X-Kelana-Server': { description: 'Name of the server that answered.', schema: { type: 'string' } },
  },
  ...(content === undefined ? {} : { content }),
});
const failure = (description: string): Json => answer(description, json(ref('Error')));
const object = (properties: Json, required = Object.keys(properties)): Json => ({
  type: 'object',
  properties,
  required,
});

const PLACE = [
  query('after', count('Only messages with a greater id.', { minimum: 0 })),
  query('room', text('Only messages of this room.')),
];
const NAME = {
  name: 'name',
  in: 'path',
  required: true,
  schema: text('One percent-encoded path segment: a file name of at most 255 bytes, or (to read) a CID.'),
};
const CONDITIONS = ['Range', 'If-Range', 'If-Match', 'If-None-Match'].map((name) =>
  header(
    name,
    'RFC 9110; the ETag is the quoted CID. Of several ranges none is cut: the whole file is sent.',
  ),
);
const BYTES = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };
const FILE_ANSWERS = {
  200: answer('The whole file; always sent to be saved (Content-Disposition: attachment).', BYTES),
  206: answer('The range asked for.', BYTES),
  304: answer('The copy named in If-None-Match is current.'),
  400: failure('BAD_NAME.'),
  404: failure('FILE_ABSENT: proved; with `verdict` and `asked`.'),
  412: failure('PRECONDITION.'),
  416: failure('BAD_RANGE.'),
  502: failure('The node that holds the file failed before its first byte.'),
  503: failure('FILE_INCOMPLETE with `missing`; SOURCE_CHANGED; OVERLOADED. Try again.'),
};

const PATHS = {
  '/messages': {
    post: {
      summary: 'Leave a message; answered after it is on disk.',
      parameters: [
        header(
          'Idempotency-Key',
          'The same key again returns the first message (200, Idempotent-Replay: true).',
        ),
        header('Accept-Language', 'id or en: language of the reply and of errors.'),
      ],
      requestBody: {
        required: true,
        content: { ...json(ref('NewMessage')), 'text/plain': { schema: text('The text.') } },
      },
      responses: {
        200: answer('Sent before under this key: the first message.', json(ref('Receipt'))),
        201: answer('Stored.', json(ref('Receipt'))),
        400: failure('BAD_REQUEST.'),
        403: failure('CROSS_SITE: sent by a web page of another site.'),
        413: failure('TOO_LARGE.'),
        415: failure('BAD_TYPE.'),
        422: failure('KEY_REUSED: the key belongs to a message with other content.'),
        503: failure('MAILBOX_BUSY or MAILBOX_UNSAFE: not acknowledged. Send again with the same key.'),
      },
    },
    get: {
      summary: 'Messages of all servers, oldest first.',
      parameters: [
        ...PLACE,
        query(
          'limit',
          count('At most so many.', { minimum: 1, maximum: MAILBOX.maxLimit, default: MAILBOX.defaultLimit }),
        ),
      ],
      responses: {
        200: answer('A page; `next` is the `after` of the page that follows.', json(ref('Page'))),
        400: failure('BAD_REQUEST.'),
        503: failure('MAILBOX_BUSY or MAILBOX_UNSAFE.'),
      },
    },
  },
  '/messages/stream': {
    get: {
      summary: 'Messages as they are acknowledged by any server (server-sent events, resumable).',
      parameters: [
        ...PLACE,
        header('Last-Event-ID', 'Goes before `after`. Without either: from the next message on.'),
      ],
      responses: {
        200: answer('Events named message; id is the message id, data a Message.', {
          'text/event-stream': { schema: { type: 'string' } },
        }),
        400: failure('BAD_REQUEST.'),
        503: failure('OVERLOADED: too many streams.'),
      },
    },
  },
  '/files': {
    get: {
      summary: 'Files this server itself holds.',
      responses: { 200: answer('The list.', json(object({ files: { type: 'array', items: ref('File') } }))) },
    },
  },
  '/files/{name}': {
    put: {
      summary: `Store a file, streamed, of at most ${TRANSFER.maxFileBytes} bytes.`,
      parameters: [NAME],
      requestBody: { required: true, content: { '*/*': { schema: { type: 'string', format: 'binary' } } } },
      responses: {
        200: answer('The same content was there under this name.', json(ref('Stored'))),
        201: answer('Stored and shared.', json(ref('Stored'))),
        400: failure('BAD_NAME, BAD_REQUEST (partial upload) or UPLOAD_CUT; nothing is kept.'),
        403: failure('CROSS_SITE: sent by a web page of another site.'),
        409: failure('FILE_EXISTS: other content has this name.'),
        413: failure('TOO_LARGE.'),
        415: failure('BAD_TYPE: a Content-Encoding, or a Content-Type that is none.'),
        503: failure('OVERLOADED.'),
        507: failure('CANNOT_WRITE.'),
      },
    },
    get: {
      summary: 'A file by name or CID, from here or from wherever in the overlay it is.',
      parameters: [NAME, ...CONDITIONS],
      responses: FILE_ANSWERS,
    },
    head: {
      summary: 'The head of the same answer.',
      parameters: [NAME, ...CONDITIONS],
      responses: FILE_ANSWERS,
    },
  },
  '/search': {
    get: {
      summary: 'Search the overlay.',
      parameters: [
        query(
          'q',
          text(`A file name, words, a pattern or a CID, of at most ${SEARCH.maxQueryBytes} bytes.`),
          true,
        ),
        query('as', text('How to read `q`.', { enum: QUERY_KINDS, default: 'auto' })),
        query('type', {
          type: 'array',
          items: text(`An extension, or one of ${Object.keys(TYPE_SETS).join(', ')}.`),
        }),
        query('minSize', text('Bytes, or a size such as 10MB or 1.5GiB; inclusive.')),
        query('maxSize', text('Bytes, or a size such as 10MB or 1.5GiB; inclusive.')),
        query(
          'limit',
          count('Files that are enough.', { minimum: 1, maximum: SEARCH.maxWant, default: SEARCH.want }),
        ),
        query('strategy', text('How to search.', { enum: STRATEGIES, default: 'auto' })),
      ],
      responses: {
        200: answer('One JSON object a line: hits as they come, the verdict last.', {
          'application/x-ndjson': { schema: { oneOf: [ref('Hit'), ref('Holder'), ref('Verdict')] } },
        }),
        400: failure('BAD_REQUEST.'),
        503: failure('OVERLOADED: too many searches.'),
      },
    },
  },
  '/healthz': {
    get: {
      summary: 'Whether this server can acknowledge messages.',
      responses: {
        200: answer('It can.', json(ref('Health'))),
        503: answer('It cannot.', json(ref('Health'))),
      },
    },
  },
  '/metrics': {
    get: {
      summary: 'Figures for Prometheus.',
      responses: { 200: answer('Text format 0.0.4.', { 'text/plain': { schema: { type: 'string' } } }) },
    },
  },
  '/openapi.json': {
    get: {
      summary: 'This description.',
      responses: { 200: answer('OpenAPI 3.1.', json({ type: 'object' })) },
    },
  },
};

const FILE = {
  name: text('Path below the shared folder.'),
  size: count('Bytes.'),
  cid: text('CIDv1, base32.'),
};
const NULLABLE_TO = { type: ['string', 'null'], description: 'Receiver, where there is one.' };

const SCHEMAS = {
  NewMessage: object(
    {
      text: text(`1 to ${MAILBOX.maxTextBytes} bytes of UTF-8.`, { minLength: 1 }),
      room: text(`At most ${MAILBOX.maxLabelBytes} bytes.`, { default: MAILBOX.defaultRoom }),
      to: NULLABLE_TO,
    },
    ['text'],
  ),
  Receipt: object({
    id: count('Grows in the order of acknowledgement, over all servers.'),
    server: text('Server that acknowledged it.'),
    reply: text('A reply for people.'),
    receivedAt: text('ISO 8601, UTC.', { format: 'date-time' }),
  }),
  Message: object({
    id: count('See Receipt.'),
    text: text('The text.'),
    room: text('The room.'),
    to: NULLABLE_TO,
    server: text('Server that acknowledged it.'),
    receivedAt: text('ISO 8601, UTC.', { format: 'date-time' }),
  }),
  Page: object({ messages: { type: 'array', items: ref('Message') }, next: count('Pass it on as `after`.') }),
  File: object(FILE),
  Stored: object({ ...FILE, server: text('Server that holds it.') }),
  Hit: object({
    type: { const: 'hit' },
    ...FILE,
    score: { type: 'number', description: 'How well it answers: 1 is the exact name or CID, above 0.' },
    providers: { type: 'array', items: ref('Provider') },
    hops: count('Links the query had crossed.'),
    elapsedMs: { type: 'number' },
  }),
  Holder: object({
    type: { const: 'provider' },
    name: FILE.name,
    cid: text('CID of a hit that came before.'),
    provider: ref('Provider'),
    hops: count('Links the query had crossed.'),
    elapsedMs: { type: 'number' },
  }),
  Provider: object({
    peer: text('Peer id.'),
    label: text('What people call it.'),
    addresses: { type: 'array', items: text('Multiaddr.') },
  }),
  Verdict: object({
    type: { const: 'verdict' },
    verdict: { enum: ['found', 'absent', 'incomplete'] },
    ground: text(
      'What it rests on: found, all-nodes, all-prints; or why there is no proof: lost, time, cancelled, unsynced, scanning, alone, refused, no-proof.',
    ),
    strategy: text('The strategy that gave the answer.'),
    asked: count('Other nodes that were asked, directly or by their prints.'),
    missing: { type: 'array', items: text('A node that did not answer; 32 at most.') },
    missingCount: count('How many did not answer.'),
    messages: count('Messages the search cost.'),
    elapsedMs: { type: 'number' },
  }),
  Health: object(
    {
      status: { enum: ['ok', 'failing'] },
      server: text('Name.'),
      mailbox: text('ok, or an error code.'),
      message: text('What is wrong.'),
      neighbours: count('Linked peers.'),
    },
    ['status', 'server', 'mailbox', 'neighbours'],
  ),
  Error: object({ error: text('Code.'), message: text('What is wrong.'), fix: text('The next step.') }),
};

/** The API as OpenAPI 3.1. A test compares it with the routes, both ways. */
export function openapi(): Json {
  return {
    openapi: '3.1.0',
    info: { title: 'kelana server', version: '1', license: { name: 'MIT', identifier: 'MIT' } },
    paths: PATHS,
    components: { schemas: SCHEMAS },
  };
}
