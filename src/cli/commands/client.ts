import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { Client, type Exchange } from '../../clients/client.ts';
import { Failure } from '../../clients/connection.ts';
import { errorOf, unreachable } from '../../clients/faults.ts';
import { field, replyOf, requestLog, storedOf } from '../../clients/log.ts';
import { filePayload, messageFault, messagePayload, type Payload } from '../../clients/payload.ts';
import { parseTarget, type Target } from '../../clients/target.ts';
import { CLIENTS, MAILBOX } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import type { Text } from '../../core/lang.ts';
import { formatBytes, formatNumber } from '../../core/load/format.ts';
import { perSecond } from '../../core/load/report.ts';
import { showable } from '../../core/render/escape.ts';
import { LOGGING, URL_OPTION, type Command } from '../command.ts';
import type { Context } from '../context.ts';
import { openLog } from '../logging.ts';
import type { Values } from '../values.ts';
import { ask } from '../prompt.ts';

export const command: Command = {
  name: 'client',
  summary: {
    id: 'mengirim satu pesan atau berkas dan mencetak balasan serta waktunya',
    en: 'sends one message or file and prints the reply and its timings',
  },
  section: 'client',
  options: [
    URL_OPTION,
    {
      name: 'message',
      type: 'text',
      value: 'TEXT',
      help: {
        id: 'pesan; tanpa ini ditanyakan, atau dibaca dari stdin',
        en: 'message; without it you are asked, or stdin is read',
      },
    },
    {
      name: 'file',
      type: 'text',
      value: 'FILE',
      help: { id: 'berkas yang diunggah sebagai gantinya', en: 'a file to upload instead' },
    },
    {
      name: 'timeout',
      type: 'seconds',
      value: 'S',
      default: CLIENTS.timeoutMs / 1000,
      min: 0.01,
      max: 86_400,
      help: { id: 'batas waktu permintaan', en: 'time limit of the request' },
    },
    ...LOGGING,
  ],
  examples: [
    { line: 'kelana client --message "halo"', what: { id: 'satu pesan', en: 'one message' } },
    { line: 'date | kelana client', what: { id: 'pesan dari stdin', en: 'the message from stdin' } },
    {
      line: 'kelana client --file contoh.txt --url http://localhost:8080',
      what: { id: 'satu berkas, langsung ke server 1', en: 'one file, straight to server 1' },
    },
  ],
  run,
};

/** Exit codes: 0 answered with 2xx, 1 failed, 2 wrong usage, 130 interrupted. */
async function run(context: Context, values: Values): Promise<number> {
  const target = parseTarget(values.text('url') ?? '', context.lang);
  const timeoutMs = (values.number('timeout') ?? 0) * 1000;
  const payload = await payloadOf(context, values, target);
  const client = new Client(target, { timeoutMs, keepBytes: CLIENTS.maxReplyBytes });
  const stop = (): void => client.stop();
  context.signal.addEventListener('abort', stop, { once: true });
  const log = await openLog(context, values);
  try {
    await client.connect().catch((thrown: unknown) => {
      if (thrown instanceof Failure && !client.stopped) throw unreachable(target, thrown.code, thrown);
      if (!client.stopped) throw thrown;
    });
    const watcher = requestLog(log.emit, target, payload);
    if (!client.stopped) watcher.began(0, 0);
    const exchange = await client.send(payload.request(0, 0, randomUUID()), null);
    if (exchange === null) return EXIT.interrupted;
    watcher.ended(0, 0, exchange);
    if (!exchange.outcome.ok) throw errorOf(exchange, target, payload.what, timeoutMs);
    show(context, exchange, values.flag('json'));
    return EXIT.done;
  } finally {
    context.signal.removeEventListener('abort', stop);
    client.stop();
    await Promise.all([payload.close(), log.close()]);
  }
}

async function payloadOf(context: Context, values: Values, target: Target): Promise<Payload> {
  const given = values.text('message');
  const file = values.text('file');
  if (given !== undefined && file !== undefined) {
    throw new KelanaError('USAGE', {
      detail: {
        id: '--message dan --file tidak bisa dipakai bersama.',
        en: '--message and --file cannot be used together.',
      },
      command: command.name,
    });
  }
  if (file !== undefined) return filePayload(target, resolve(context.cwd, file));
  const typed = 'isTTY' in context.stdin && context.stdin.isTTY;
  const question = { id: 'Pesan', en: 'Message' };
  const message =
    given ?? (typed ? await ask(context, question, { check: messageFault }) : await readMessage(context));
  const why = messageFault(message);
  if (why === undefined) return messagePayload(target, message, false);
  throw new KelanaError('USAGE', {
    detail: {
      id: `Tidak ada yang bisa dikirim: ${why.id}. Beri --message, --file, atau pesan lewat stdin.`,
      en: `Nothing to send: ${why.en}. Give --message, --file, or a message on stdin.`,
    },
    command: command.name,
  });
}

/** All of a piped stdin without its last line end; read no further than a message may be long. */
async function readMessage(context: Context): Promise<string> {
  const stop = new AbortController();
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(new KelanaError('INTERRUPTED', { command: command.name }));
  context.signal.addEventListener('abort', abort, { signal: stop.signal });
  const read = async (): Promise<string> => {
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of context.stdin) {
      text += typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
      if (text.length > MAILBOX.maxTextBytes) break;
    }
    return (text + decoder.decode()).replace(/\r?\n$/, '');
  };
  try {
    return await Promise.race([read(), promise]);
  } finally {
    stop.abort();
  }
}

const WORDS = {
  reply: { id: 'Balasan', en: 'Reply' },
  stored: { id: 'Tersimpan', en: 'Stored' },
  server: { id: 'Dari server', en: 'From server' },
  response: { id: 'Waktu respon', en: 'Response time' },
  firstByte: { id: 'Latency byte pertama', en: 'Latency to first byte' },
  throughput: { id: 'Throughput', en: 'Throughput' },
  retries: { id: 'Diulang', en: 'Retried' },
} as const satisfies Record<string, Text>;

function show(context: Context, exchange: Exchange, json: boolean): void {
  const { outcome, status, body } = exchange;
  if (!outcome.ok) return;
  const { server, responseMs, firstByteMs, retries } = outcome;
  const bytes = outcome.sent + outcome.received;
  const bytesPerSecond = perSecond(bytes, responseMs / 1000);
  const reply = replyOf(body);
  const stored = storedOf(body);
  if (json) {
    const id = field(new TextDecoder().decode(body), 'id') ?? null;
    const said = { status, id, server, reply, ...(stored === null ? {} : { stored }) };
    context.out(JSON.stringify({ ...said, responseMs, firstByteMs, bytes, bytesPerSecond, retries }));
    return;
  }
  const { lang } = context;
  const row = (label: Text, value: string): void => context.out(`${label[lang].padEnd(24)}${value}`);
  if (stored === null) row(WORDS.reply, showable(reply));
  else {
    row(WORDS.stored, showable(`'${stored.name}' (${formatBytes(stored.size, lang)})`));
    context.out(`${'CID'.padEnd(24)}${showable(stored.cid)}`);
  }
  if (server !== null) row(WORDS.server, showable(server));
  row(WORDS.response, `${formatNumber(responseMs / 1000, 6, lang)} s`);
  row(WORDS.firstByte, `${formatNumber(firstByteMs / 1000, 6, lang)} s`);
  row(WORDS.throughput, `${formatNumber(bytesPerSecond, 2, lang)} bytes/s (${formatBytes(bytes, lang)})`);
  if (retries > 0) row(WORDS.retries, formatNumber(retries, 0, lang));
}
