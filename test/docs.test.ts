import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Command } from '../src/cli/command.ts';
import type { Context } from '../src/cli/context.ts';
import { settle } from '../src/cli/options.ts';
import { Settings } from '../src/cli/settings.ts';
import { planParts } from '../src/cli/up/plan.ts';
import { EXIT, KelanaError } from '../src/core/errors.ts';
import { FRAME, REFUSALS } from '../src/core/wire/blocks.ts';
import { encodeFrame, type LinkFrame } from '../src/core/wire/frames.ts';
import { encodeListAsk, encodeListPage } from '../src/core/wire/list.ts';
import { encodeMail, OFFER_ANSWERS, RECEIPTS, type MailFrame } from '../src/core/wire/messages.ts';
import { encodeServerAsk, encodeServerPlace } from '../src/core/wire/server-place.ts';
import { SEARCH_FIELD } from '../src/core/wire/search-frames.ts';
import type { SyncFrame } from '../src/core/wire/sync.ts';
import { encodeBitswap } from '../src/core/wire/bitswap.ts';
import { openapi } from '../src/server/openapi.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const read = (name: string): string => readFileSync(join(ROOT, name), 'utf8');
const DOCUMENTS = [
  ...readdirSync(ROOT).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const SCRIPTS = (JSON.parse(read('package.json')) as { scripts: Record<string, string> }).scripts;

const commands = new Map<string, Command>();
for (const name of readdirSync(join(ROOT, 'src/cli/commands'))) {
  const url = pathToFileURL(join(ROOT, 'src/cli/commands', name)).href;
  const { command } = (await import(url)) as { command?: Command };
  if (command !== undefined) commands.set(command.name, command);
}

/** Text that is code: fenced blocks line by line, and `spans`. */
function codeOf(markdown: string): string[] {
  const found: string[] = [];
  const prose = markdown.replace(/^```(\w*)\n([\s\S]*?)^```$/gm, (_, language: string, body: string) => {
    if (language === 'sh') found.push(...body.split('\n'));
    return '';
  });
  for (const [, span] of prose.matchAll(/`([^`\n]+)`/g)) found.push(span ?? '');
  return found;
}

/** Words of a shell line as far as the documents use it: quotes, a comment at the end, one pipe. */
function wordsOf(line: string): string[] {
  const last = line.split(' | ').at(-1) ?? '';
  return [...last.matchAll(/"([^"]*)"|'([^']*)'|(#.*$)|(\S+)/g)].flatMap(
    ([, double, single, comment, plain]) => (comment === undefined ? [double ?? single ?? plain ?? ''] : []),
  );
}

/** Why a line that runs kelana or an npm script would not do so, or null. */
function faultOf(line: string): string | null {
  const words = wordsOf(line);
  while (/^[A-Z_]+=/.test(words[0] ?? '')) words.shift();
  if (words[0] === 'npx' && words[1] === 'kelana') words.shift();
  if (words[0] === 'kelana') return faultOfCommand(words.slice(1));
  if (words[0] !== 'npm') return null;
  const [name = '', ...rest] = words[1] === 'run' ? words.slice(2) : words.slice(1);
  const script = SCRIPTS[name];
  if (script === undefined) return `there is no npm script '${name}'`;
  if (rest.length > 0 && rest[0] !== '--') return `options of npm run ${name} go after --`;
  const main = 'node src/cli/main.ts ';
  return script.startsWith(main)
    ? faultOfCommand([...wordsOf(script.slice(main.length)), ...rest.slice(1)])
    : null;
}

function faultOfCommand([verb, ...args]: readonly string[]): string | null {
  if (verb === undefined || verb === '--help') return null;
  const command = commands.get(verb);
  if (command === undefined) return `there is no command '${verb}'`;
  // `kelana find` alone is the name of a command, not a line to type.
  if (args.length === 0) return null;
  try {
    settle(command, args, {}, new Settings(null, ''));
    return null;
  } catch (thrown) {
    return thrown instanceof KelanaError ? thrown.message : String(thrown);
  }
}

test('every kelana and npm line in the documents names a command and options that exist', () => {
  const faults = DOCUMENTS.flatMap((name) =>
    codeOf(read(name)).flatMap((line) => {
      const fault = faultOf(line.trim());
      return fault === null ? [] : [`${name}: ${line.trim()}: ${fault}`];
    }),
  );
  assert.deepEqual(faults, []);
});

test('the check of command lines finds what is wrong', () => {
  assert.match(faultOf('kelana fly') ?? '', /no command/);
  assert.match(faultOf('npx kelana node --prot 1') ?? '', /--prot/);
  assert.match(faultOf('date | kelana client --massage x') ?? '', /--massage/);
  assert.match(faultOf('npm run fly') ?? '', /no npm script/);
  assert.match(faultOf('npm run node1 --port 1') ?? '', /after --/);
  assert.equal(faultOf('kelana client --message "two words" # comment'), null);
});

test('every example in the help of a command is a line that the command takes', () => {
  const faults = [...commands.values()].flatMap(({ examples }) =>
    examples.flatMap(({ line }) => {
      const fault = faultOf(line);
      return fault === null ? [] : [`${line}: ${fault}`];
    }),
  );
  assert.deepEqual(faults, []);
});

test('every relative link in the documents leads to a file, and its fragment to a heading', () => {
  const broken = DOCUMENTS.flatMap((name) =>
    [...read(name).matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) => {
      if (/^[a-z]+:/.test(link)) return [];
      const [path = '', fragment] = link.split('#');
      const target = path === '' ? join(ROOT, name) : resolve(ROOT, dirname(name), path);
      if (!existsSync(target) || relative(ROOT, target).startsWith('..')) return [`${name}: ${link}`];
      return fragment === undefined || slugsOf(readFileSync(target, 'utf8')).includes(fragment)
        ? []
        : [`${name}: ${link}`];
    }),
  );
  assert.deepEqual(broken, []);
});

function headingsOf(markdown: string): string[] {
  const prose = markdown.replace(/^```[\s\S]*?^```$/gm, '');
  return [...prose.matchAll(/^(#+) (.+)$/gm)].map(([line]) => line);
}

function slugsOf(markdown: string): string[] {
  return headingsOf(markdown).map((line) =>
    line
      .replace(/^#+ /, '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

test('every guide stands in both languages with the same headings, code and tables', () => {
  const english = /^(README|docs\/(?!protocol)[a-z-]+)\.md$/;
  const guides = DOCUMENTS.filter((name) => english.test(name));
  const indonesian = DOCUMENTS.filter((name) => name.endsWith('.id.md'));
  assert.deepEqual(indonesian.toSorted(), guides.map((name) => name.replace('.md', '.id.md')).toSorted());
  for (const name of guides) {
    const [en, id] = [read(name), read(name.replace('.md', '.id.md'))];
    const levels = (text: string): number[] => headingsOf(text).map((line) => line.indexOf(' '));
    const count = (text: string, what: RegExp): number => [...text.matchAll(what)].length;
    assert.deepEqual(levels(id), levels(en), `headings of ${name}`);
    assert.equal(count(id, /^```/gm), count(en, /^```/gm), `code blocks of ${name}`);
    assert.equal(count(id, /^\|/gm), count(en, /^\|/gm), `table rows of ${name}`);
  }
  for (const name of ['README.md', 'README.id.md'])
    assert.ok(read(name).split('\n').length <= 61, `${name} has at most 60 lines`);
});

test('kelana.example.toml is valid for kelana up and for every command, and sets every option there is', async () => {
  const settings = new Settings('kelana.example.toml', read('kelana.example.toml'));
  const cwd = await mkdtemp(join(tmpdir(), 'kelana-docs-'));
  try {
    const context: Pick<Context, 'cwd' | 'lang'> = { cwd, lang: 'en' };
    const parts = await planParts(context as Context, settings, {
      node: of('node'),
      server: of('server'),
      balancer: of('balancer'),
    });
    assert.deepEqual(
      parts.map((part) => part.kind),
      ['node', 'node', 'server', 'server', 'balancer'],
    );
  } finally {
    await rm(cwd, { recursive: true, force: true });
  }
  const text = read('kelana.example.toml');
  for (const command of commands.values()) {
    const args = (command.positionals?.[0] ?? 0) > 0 ? ['QUERY'] : [];
    settle(command, args, {}, settings);
    for (const { name } of command.options)
      assert.match(text, new RegExp(`^(# )?${name} = `, 'm'), `${command.name}: ${name}`);
  }
});

test('the lines of kelana.example.toml that are switched off are valid too', () => {
  const text = read('kelana.example.toml');
  for (const { 0: line, index } of text.matchAll(/^# [a-z0-9-]+ = .*$/gm)) {
    const section = [...text.slice(0, index).matchAll(/^\[+(\w+)\]+$/gm)].at(-1)?.[1] ?? '';
    const command = of(section);
    const args = (command.positionals?.[0] ?? 0) > 0 ? ['QUERY'] : [];
    settle(command, args, {}, new Settings('example', `[${section}]\n${line.slice(2)}\n`));
  }
});

function of(name: string): Command {
  const command = commands.get(name);
  assert.ok(command !== undefined, `there is a command '${name}'`);
  return command;
}

test('the tables of exit codes are those of the code', () => {
  const expected = Object.entries(EXIT).map(([name, code]) => `${code} ${name}`);
  for (const name of ['docs/exit-codes.md', 'docs/exit-codes.id.md']) {
    const rows = [...read(name).matchAll(/^\| (\d+) \| (\w+) \|/gm)].map(
      ([, code, word]) => `${code} ${word}`,
    );
    assert.deepEqual(rows, expected, name);
  }
});

test('the guides to the HTTP API mention every path that the server describes', () => {
  const paths = Object.keys(openapi()['paths'] as object);
  assert.ok(paths.length > 5);
  for (const name of ['docs/http-api.md', 'docs/http-api.id.md'])
    for (const path of paths) assert.ok(read(name).includes(path), `${name}: ${path}`);
});

test('docs/protocol.md describes every field of every frame as it goes over the wire', () => {
  const messages = protoOf(read('docs/protocol.md'));
  const holder = { peer: 'p', label: 'l', addresses: ['/a'], hops: 1 };
  const hit = { name: 'a', size: 1, cid: 'c', kind: 'folder', files: 1, ...holder } as const;
  const step = { peer: 'p', label: 'l', hops: 1 };
  const contact = { peer: 'p', label: 'l', addresses: ['/a'] };
  const id = 'a'.repeat(32);
  const counts = { asked: 1, messages: 1, missingCount: 1 };
  const filters = { minSize: 1, maxSize: 2 ** 40, types: ['pdf'] };
  const asking = { id, query: { kind: 'name', name: 'n' }, hops: 1, remainingMs: 1 } as const;
  const sent = { origin: contact, trace: true };
  const set = Uint8Array.of(1);
  const sets = { bits: 1, missing: set, covered: set, failed: set, half: 1, asked: 1, number: 1 };
  const frames: readonly LinkFrame[] = [
    { type: 'hello', version: 1, label: 'l', port: 1, addresses: ['/a'], bits: 1 },
    { type: 'visit', ...asking, without: [] },
    { type: 'visit', ...asking, query: { kind: 'cid', cid: 'c', filters }, trace: contact, without: ['p'] },
    { type: 'return', id, seen: true, ...counts, missing: ['m'], hits: [hit], trail: [step], debt: 1 },
    { type: 'cancel', id },
    { type: 'ping', nonce: 1 },
    { type: 'pong', nonce: 1 },
    { type: 'flood', ...asking, query: { kind: 'words', words: ['a', 'b'] }, ...sent, ttl: 1, ring: 1 },
    { type: 'walker', ...asking, query: { kind: 'glob', pattern: '*' }, ...sent, walker: 1 },
    { type: 'check', id, walker: 1, hops: 1 },
    { type: 'go', id, walker: 1, on: true },
    { type: 'confirm', ...asking },
    { type: 'found', id, hops: 1, walker: 1, hits: [hit] },
    { type: 'token', ...asking, ...sent, ...sets, leash: 1, tries: 1 },
    { type: 'report', id, hops: 1, ...sets, candidates: [contact], hits: [hit] },
    { type: 'trace', id, hops: 1 },
    { type: 'peers', contacts: [contact] },
    ...syncFrames().map((frame) => ({ type: 'sync', frame }) as const),
  ];
  assert.deepEqual(
    new Set(frames.map(({ type }) => type)),
    new Set(['hello', 'ping', 'pong', 'peers', 'sync', ...Object.keys(SEARCH_FIELD)]),
  );
  const seen = new Set<string>();
  for (const frame of frames) walk(messages, 'Frame', encodeFrame(frame), seen);
  for (const frame of letters()) walk(messages, 'Mail', encodeMail(frame), seen);
  walk(messages, 'ListAsk', encodeListAsk({ after: { name: 'a', cid: 'c' } }), seen);
  const shared = { name: 'a', size: 1, cid: 'c', kind: 'folder', files: 1 } as const;
  const page = encodeListPage({ entries: [shared], more: true, scanning: true });
  walk(messages, 'ListPage', page, seen);
  const proof = new Uint8Array(32);
  walk(messages, 'ServerAsk', encodeServerAsk(proof), seen);
  walk(messages, 'ServerPlace', encodeServerPlace({ host: '::1', port: 1, proof }), seen);
  const bytes = new Uint8Array(3);
  const want = { cid: bytes, priority: 1, cancel: true, kind: 'have', sendDontHave: true } as const;
  const parts = [{ prefix: bytes, data: bytes }];
  const bitswap = { wants: [want], full: true, blocks: parts, presences: [{ cid: bytes, have: false }] };
  walk(messages, 'Bitswap', encodeBitswap(bitswap), seen);
  const described = [...messages].flatMap(([name, fields]) =>
    [...fields.keys()].map((no) => `${name}.${no}`),
  );
  assert.deepEqual([...seen].toSorted(), described.toSorted());
  const [, blocks = ''] = read('docs/protocol.md').split('## Blocks');
  const [, refusals = ''] = blocks.split('| refusal |');
  const words = [...refusals.matchAll(/^\| `([a-z-]+)` \| (\d) \|/gm)].map(([, word]) => word);
  assert.deepEqual(words, [...REFUSALS]);
  const types = [...blocks.matchAll(/^\| `(\w+)` \| (\d+) \| (?:asker|holder)/gm)];
  assert.deepEqual(
    types.map(([, name, number]) => [name, Number(number)]),
    Object.entries(FRAME),
  );
  const wordsOf = (name: string): string[] => {
    const [, body = ''] = new RegExp(`enum ${name} \\{([^}]*)\\}`).exec(read('docs/protocol.md')) ?? [];
    return [...body.matchAll(/(\w+) = [1-9]/g)].map(([, word = '']) => word.toLowerCase());
  };
  assert.deepEqual([wordsOf('Word'), wordsOf('Code')], [[...OFFER_ANSWERS], [...RECEIPTS]]);
});

/** One frame of each kind by which letters go, with all that it may hold. */
function letters(): readonly MailFrame[] {
  const id = 'd'.repeat(32);
  return [
    { type: 'text', id, sentAt: 1, text: 'a' },
    { type: 'offer', id, sentAt: 1, name: 'a', size: 1, cid: 'c', files: 1 },
    { type: 'answer', id, answer: 'done' },
    { type: 'receipt', id, of: 'text', code: 'stored' },
  ];
}

/** One frame of each kind by which prints are kept, with all that it may hold. */
function syncFrames(): readonly SyncFrame[] {
  const [id, hash, bytes] = ['b'.repeat(16), 'c'.repeat(16), Uint8Array.of(1)];
  const record = { peer: 'p', seq: 2 ** 41, label: 'l', addresses: ['/a'], signature: bytes };
  const whole = { ...record, partial: false, gone: false, segments: [hash] };
  const status = { type: 'status', nonce: 1, echo: 1, hold: 1, bits: 1, ask: true, digest: hash } as const;
  const levels = { ages: [100, 300_000], closed: true, heads: [{ id, seq: 2 ** 41, age: 100 }] };
  return [
    { ...status, ...levels, near: [0, 1, 2] },
    { ...status, ...levels, near: [15] },
    {
      type: 'headers',
      headers: [
        { header: whole, age: 100 },
        { header: { ...whole, partial: true, gone: true, segments: [] }, age: 0 },
      ],
      renewed: [{ id, seq: 1, age: 100, signature: bytes }],
    },
    { type: 'wants', wants: [{ id, segments: [hash] }] },
    { type: 'segments', segments: [{ id, hash, bytes }] },
  ];
}

type Messages = Map<string, Map<number, string>>;

/** Messages of the .proto text: field numbers and their types; `packed` where numbers are repeated. */
function protoOf(text: string): Messages {
  const messages: Messages = new Map();
  const flat = text.replaceAll(/^ *(enum|oneof) \w+ \{([^}]*)\}/gm, (_, kind: string, body: string) =>
    kind === 'oneof' ? body : '',
  );
  for (const [, name = '', body = ''] of flat.matchAll(/^message (\w+) \{([\s\S]*?)^\}/gm)) {
    const fields = [...body.matchAll(/^\s*(repeated )?(\w+) \w+ = (\d+);/gm)];
    assert.ok(!messages.has(name), `one message ${name}`);
    messages.set(
      name,
      new Map(
        fields.map(([, many, type = '', number]) => {
          return [Number(number), many !== undefined && type.startsWith('uint') ? 'packed' : type];
        }),
      ),
    );
  }
  return messages;
}

/** Reads protobuf bytes by the described types; fails on a field that is not described or of another wire type. */
function walk(messages: Messages, name: string, bytes: Uint8Array, seen: Set<string>): void {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[at] ?? 0;
      at += 1;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const [number, wire] = [Math.floor(key / 8), key % 8];
    const type = messages.get(name)?.get(number) ?? 'nothing';
    const long = ['string', 'bytes', 'packed'].includes(type) || messages.has(type);
    assert.equal(wire, long ? 2 : 0, `${name} field ${number} is ${type}`);
    assert.notEqual(type, 'nothing', `${name} field ${number}`);
    seen.add(`${name}.${number}`);
    const size = varint();
    if (!long) continue;
    if (messages.has(type)) walk(messages, type, bytes.subarray(at, at + size), seen);
    at += size;
  }
}
