import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import test from 'node:test';
import fc from 'fast-check';
import { LOG } from '../config.ts';
import { ERRORS } from '../errors.ts';
import type { EventBody, EventType, KelanaEvent } from '../events.ts';
import { LANGS } from '../lang.ts';
import { escapeText, quoted, showable, token, tokens } from './escape.ts';
import { FIELDS, isEvent, parseEvent, type Field } from './fields.ts';
import { renderJson, renderLine, stamp } from './line.ts';
import { insertRows, MANY, sqlRows } from './sql-rows.ts';

const TIME = '2024-10-12 13:26:34';
const RUNS = { numRuns: 300 };
const UNSHOWABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Default_Ignorable_Code_Point}]/u;
const QUOTED = /'(?:[^'\\]|\\.)*'/g;
const TYPES = Object.keys(FIELDS) as EventType[];

const line = (body: EventBody, lang: 'id' | 'en' = 'id'): string =>
  renderLine({ ...body, at: 0 }, lang, TIME);

/** Any string at all, lone surrogates and line ends well represented. */
const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string({ unit: fc.integer({ min: 0, max: 0xffff }).map((unit) => String.fromCharCode(unit)) }),
  fc.string({
    unit: fc.constantFrom(
      '\n',
      '\r',
      "'",
      '\\',
      '\u2028',
      '\u202e',
      '\u200b',
      '\u{e0041}',
      ' - ',
      'n',
      '{',
      '\0',
    ),
  }),
);

/** Any event whose texts are drawn from `text`. */
const anyEvent = (text: fc.Arbitrary<string>): fc.Arbitrary<KelanaEvent> => {
  const number = fc.double({ noNaN: true });
  const of: Readonly<Record<Field, fc.Arbitrary<unknown>>> = {
    text,
    texts: fc.array(text, { maxLength: 12 }),
    number,
    'number or null': fc.option(number, { nil: null }),
    flag: fc.constantFrom(true, undefined),
    verdict: fc.constantFrom('found', 'absent', 'incomplete'),
    params: fc.option(
      fc.dictionary(
        fc.constantFrom('name', 'why', 'path'),
        fc.oneof(text, fc.nat(), fc.record({ id: text, en: text })),
      ),
      { nil: undefined },
    ),
  };
  return fc.oneof(
    ...TYPES.map((type) =>
      fc.record({
        type: fc.constant(type),
        at: fc.nat(),
        ...Object.fromEntries(Object.entries(FIELDS[type]).map(([name, field]) => [name, of[field]])),
      }),
    ),
  ) as fc.Arbitrary<KelanaEvent>;
};

const unescape = (text: string): string =>
  text.replace(/\\(?:u\{([0-9a-f]+)\}|(.))/g, (_, hex: string | undefined, plain: string | undefined) =>
    hex === undefined
      ? ({ n: '\n', r: '\r', t: '\t' }[plain ?? ''] ?? plain ?? '')
      : String.fromCodePoint(parseInt(hex, 16)),
  );

test('the six sample lines of the design come out letter by letter', () => {
  const lines = [
    line({ type: 'node.ready', who: 'localhost:5001', peerId: '12D3', files: 1 }),
    line({ type: 'neighbour.added', who: 'localhost:5001', neighbour: 'localhost:5002' }),
    line({ type: 'search.received', who: 'localhost:5002', query: 'contoh.txt', from: 'localhost:5003' }),
    line({ type: 'search.found', who: 'localhost:5003', name: 'contoh.txt', holder: 'localhost:5001' }),
    line({
      type: 'search.response-time',
      who: 'localhost:5003',
      holder: 'localhost:5001',
      seconds: 0.000991,
    }),
    line({
      type: 'total',
      who: 'localhost:5003',
      seconds: 0.003009,
      bytes: 34,
      bytesPerSecond: 11300.922102,
    }),
  ];
  assert.deepEqual(lines, [
    `${TIME} - Node localhost:5001 siap menerima koneksi...`,
    `${TIME} - Node localhost:5001 menambahkan tetangga node localhost:5002.`,
    `${TIME} - Node localhost:5002 menerima permintaan pencarian file 'contoh.txt'.`,
    `${TIME} - File 'contoh.txt' ditemukan di node localhost:5001.`,
    `${TIME} - Waktu respon pencarian file di node localhost:5001: 0.000991s.`,
    `${TIME} - Waktu respon total: 0.003009s, throughput: 11300.922102 bytes/s.`,
  ]);
});

test('every event gives exactly one line in both languages, whatever its texts hold', () => {
  fc.assert(
    fc.property(anyEvent(anyText), fc.constantFrom(...LANGS), (event, lang) => {
      const text = renderLine(event, lang, TIME);
      assert.ok(text.startsWith(`${TIME} - `));
      assert.doesNotMatch(text, UNSHOWABLE);
      // Outside the quotes stands nothing that could open or close one.
      assert.doesNotMatch(text.replaceAll(QUOTED, ''), /['\\]/);
    }),
    { numRuns: 2_000 },
  );
});

test('text from outside never changes the words around it', () => {
  fc.assert(
    fc.property(anyEvent(fc.constant('a b')), anyText, fc.constantFrom(...LANGS), (event, hostile, lang) => {
      // With a space in it, no text passes as a bare token: all of it has to stay between quotes.
      const text = ` ${hostile}`.slice(0, LOG.maxTextChars);
      const replaced = (value: unknown): unknown =>
        value === 'a b' ? text : Array.isArray(value) ? value.map(replaced) : value;
      const forged = Object.fromEntries(
        Object.entries(event).map(([key, value]) => [key, replaced(value)]),
      ) as KelanaEvent;
      const skeleton = (made: KelanaEvent): string => renderLine(made, lang, TIME).replaceAll(QUOTED, '□');
      assert.equal(skeleton(forged), skeleton(event));
    }),
    RUNS,
  );
});

test('a request whose answer was cut off says so; one that was logged before that was told reads as it did', () => {
  const old = {
    type: 'balancer.request',
    who: 'lb:8000',
    client: 'c:1',
    backend: 's:1',
    method: 'GET',
  } as const;
  const body = { ...old, target: '/', status: 200, seconds: 0.5, bytes: 9, retries: 0 };
  assert.ok(line(body, 'en').endsWith('0 retries.') && line(body, 'id').endsWith('0 percobaan ulang.'));
  assert.match(line({ ...body, cut: true }, 'en'), /: status 200, 9 bytes, .*, 0 retries, cut off\.$/);
  assert.match(line({ ...body, cut: true }, 'id'), /, 0 percobaan ulang, terpotong\.$/);
  for (const event of [
    { ...body, at: 1 },
    { ...body, cut: true, at: 1 },
  ])
    assert.deepEqual(parseEvent(JSON.stringify(event)), event);
  assert.equal(parseEvent(JSON.stringify({ ...body, cut: 'yes', at: 1 })), null);
});

test('quoted text reads back as it was', () => {
  fc.assert(
    fc.property(anyText, (text) => {
      fc.pre(text.length <= LOG.maxTextChars);
      assert.equal(unescape(quoted(text).slice(1, -1)), text);
      assert.equal(unescape(escapeText(text)), text);
    }),
    { numRuns: 1_000 },
  );
});

test('long text is cut after its quotes, between whole characters, and says how long it was', () => {
  assert.equal(quoted('a'.repeat(LOG.maxTextChars)), `'${'a'.repeat(LOG.maxTextChars)}'`);
  assert.equal(quoted('a'.repeat(65_536)), `'${'a'.repeat(LOG.maxTextChars)}'…(${LOG.maxTextChars}/65536)`);
  const faces = quoted(`a${'😀'.repeat(LOG.maxTextChars)}`);
  assert.ok(
    faces.startsWith("'a😀") && !faces.includes('\\u') && faces.includes(`…(${LOG.maxTextChars - 1}/`),
  );
});

test('labels stand bare only where they are plain tokens, and long lists are counted', () => {
  for (const plain of ['localhost:5001', '[::1]:5001', 'http://h:1/a?b=c', '12D3KooW'])
    assert.equal(token(plain), plain);
  // Also one as long as a plain one before it, and that one again.
  for (const text of ['a-b', 'a b', 'a-b', 'c-d', "a'b"]) {
    const plain = !/[ ']/.test(text);
    assert.equal(token(text), plain ? text : quoted(text));
  }
  assert.equal(token('a b'), "'a b'");
  assert.equal(token(''), "''");
  assert.equal(token("x'. y"), "'x\\'. y'");
  assert.equal(tokens(['a', 'b']), 'a, b');
  assert.equal(
    tokens(Array.from({ length: LOG.maxListed + 3 }, () => 'a'))
      .split(', ')
      .at(-1),
    '… (+3)',
  );
});

test('JSON lines hold the event whole and nothing a terminal would act on', () => {
  fc.assert(
    fc.property(anyEvent(anyText), (event) => {
      const text = renderJson(event);
      assert.doesNotMatch(text, UNSHOWABLE);
      const read: unknown = JSON.parse(text);
      assert.ok(read !== null && typeof read === 'object' && 'kind' in read && 'time' in read);
    }),
    RUNS,
  );
});

/** The eight values of each row that is inserted. */
function inserted(events: readonly KelanaEvent[]): unknown[][] {
  const rows: unknown[][] = [];
  const cut = (values: readonly unknown[], width: number): unknown[][] =>
    Array.from({ length: values.length / width }, (_, row) => values.slice(row * width, (row + 1) * width));
  insertRows(sqlRows(events), {
    one: (values) => rows.push(...cut(values, 8)),
    many: (values) => rows.push(...cut(values, 8)),
    alike: ({ $type, $kind, $who }, values) =>
      rows.push(...cut(values, 5).map(([at, ...rest]) => [at, $type, $kind, $who, ...rest])),
  });
  return rows;
}

test('a row of the database gives its event back', () => {
  fc.assert(
    fc.property(anyEvent(anyText), (event) => {
      const [row = []] = inserted([event]);
      const [at, type, , who, body, seconds] = row;
      assert.equal(row.length, 8);
      assert.equal(at, event.at);
      assert.equal(type, event.type);
      assert.doesNotMatch(String(who), UNSHOWABLE);
      assert.ok(seconds === null || Number.isFinite(seconds));
      const finite = Object.values(event).every(
        (value) => typeof value !== 'number' || Number.isFinite(value),
      );
      if (finite) assert.deepEqual(parseEvent(String(body)), JSON.parse(JSON.stringify(event)));
    }),
    RUNS,
  );
});

test('rows of many events are those of each, in order', () => {
  const some = fc.oneof(
    fc.array(anyEvent(anyText), { maxLength: 5 }),
    fc.tuple(anyEvent(anyText), fc.nat({ max: 3 * MANY })).map(([event, n]) => Array(n).fill(event)),
  );
  fc.assert(
    fc.property(fc.array(some, { maxLength: 6 }), (lists) => {
      const events: KelanaEvent[] = lists.flat();
      assert.deepEqual(
        inserted(events),
        events.flatMap((event) => inserted([event])),
      );
    }),
    RUNS,
  );
});

test('an event that JSON cannot say is told as one that was lost', () => {
  const event = { type: 'total', who: 'a', seconds: 1n, bytes: 1, bytesPerSecond: 1, at: 7 };
  const [row = []] = inserted([event as unknown as KelanaEvent]);
  assert.deepEqual(row.slice(0, 4), [7, 'log.dropped', 'status', '?']);
  const nobody = { ...event, who: 5, seconds: 1 };
  assert.equal(inserted([nobody as unknown as KelanaEvent])[0]?.[1], 'log.dropped');
});

test('a group of rows whose last is another, and figures that SQLite cannot hold as they are', () => {
  const total = { type: 'total', seconds: Infinity, bytes: 1, bytesPerSecond: Number.NaN, at: 7.6 } as const;
  const events: KelanaEvent[] = Array.from({ length: MANY }, (_, row) => ({
    ...total,
    who: row === MANY - 1 ? 'b' : 'a',
  }));
  const rows = inserted(events);
  assert.deepEqual(
    rows.map(([, , , who]) => who),
    events.map(({ who }) => who),
  );
  assert.deepEqual([rows[0]?.[0], rows[0]?.slice(5)], [8, [null, 1, null]]);
});

test('what is no event is told apart', () => {
  for (const bad of ['', '{', 'null', '1', '{"type":"node.ready"}', '{"type":"toString","at":1}']) {
    assert.equal(parseEvent(bad), null, bad);
  }
  assert.equal(isEvent({ type: 'total', at: 1, who: 'a', seconds: '1', bytes: 1, bytesPerSecond: 1 }), false);
  assert.equal(isEvent({ type: 'backend.up', at: 1, who: 'a', backend: 'b', later: true }), true);
});

test('a time is shown with its offset, and never breaks the line', () => {
  assert.equal(stamp(Date.UTC(2024, 9, 12, 6, 26, 34), 7 * 60), TIME);
  assert.equal(stamp(Date.UTC(2024, 9, 12, 17, 26, 34), -4 * 60), TIME);
  for (const odd of [Number.NaN, -1, Infinity, 1e18])
    assert.match(stamp(odd, 0), /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/);
});

test('hostile file names of the shared collection stay on their line', (t) => {
  const path = new URL('../../../../shared/testdata/names.jsonl', import.meta.url);
  if (!existsSync(path)) {
    t.skip('the collection of hostile names is not on this machine');
    return;
  }
  const names = readFileSync(path, 'utf8')
    .split('\n')
    .filter((row) => row !== '')
    .map((row) => Buffer.from((JSON.parse(row) as { name_hex: string }).name_hex, 'hex').toString('utf8'));
  assert.ok(names.length > 1_000);
  for (const name of names) {
    const text = line({ type: 'search.found', who: name, name, holder: name });
    assert.doesNotMatch(text, UNSHOWABLE);
    assert.equal(showable(text), text);
    assert.doesNotMatch(text.replaceAll(QUOTED, ''), /['\\]/);
  }
});

test('a neighbour that went and an error are told in the language of the log', () => {
  const gone = {
    type: 'neighbour.removed',
    who: 'a:1',
    neighbour: 'b:2',
    reason: 'closed by the peer',
  } as const;
  assert.equal(line(gone), `${TIME} - Node a:1 melepas tetangga node b:2: 'ditutup oleh node itu'.`);
  assert.equal(line(gone, 'en'), `${TIME} - Node a:1 dropped neighbour node b:2: 'closed by the peer'.`);
  assert.match(line({ ...gone, reason: 'toString' }), /: 'toString'\.$/);

  const cut = {
    type: 'error',
    who: 's:1',
    code: 'UPLOAD_CUT',
    detail: "The upload of 'x' was cut off; nothing was kept.",
  } as const;
  const told = line({ ...cut, params: { name: 'x' } });
  assert.match(told, /'Unggahan \\'x\\' terputus; tidak ada yang disimpan\.'/);
  // Without its parameters, or with a code of another version, it is told as it came.
  assert.match(line(cut), /: 'The upload of/);
  assert.match(line({ ...cut, code: 'toString', params: { name: 'x' } }), /: 'The upload of/);
});

test('no parameter of an error leaves the quotes around its sentence', () => {
  const codes = Object.keys(ERRORS);
  fc.assert(
    fc.property(fc.constantFrom(...codes), anyText, fc.constantFrom(...LANGS), (code, text, lang) => {
      const params = Object.fromEntries(
        ['name', 'why', 'path', 'detail', 'peer', 'message'].map((key) => [key, text]),
      );
      const skeleton = line({ type: 'error', who: 'a:1', code, detail: '', params }, lang)
        .replaceAll(QUOTED, '□')
        .replace(/…\(\d+\/\d+\)/, '');
      assert.match(skeleton, new RegExp(`^${TIME} - (?:Kesalahan ${code} di|Error ${code} at) a:1: □\\.$`));
    }),
    RUNS,
  );
});

test('parameters that no error could have are no event', () => {
  const error = { type: 'error', at: 1, who: 'a', code: 'INTERNAL', detail: 'x' };
  assert.equal(isEvent(error), true);
  assert.equal(isEvent({ ...error, params: { a: 'x', b: 1, c: { id: 'x', en: 'y' } } }), true);
  for (const params of [null, 1, [], { a: null }, { a: { id: 'x' } }, { a: [] }])
    assert.equal(isEvent({ ...error, params }), false);
});
