import { resolve } from 'node:path';
import { requestLog, logRun } from '../../clients/log.ts';
import { filePayload, messageFault, messagePayload, type Payload } from '../../clients/payload.ts';
import { runClients, type Plan } from '../../clients/runner.ts';
import { parseTarget, type Target } from '../../clients/target.ts';
import { CLIENTS } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import type { Text } from '../../core/lang.ts';
import { progressLine, reportLines } from '../../core/load/table.ts';
import { LOGGING, URL_OPTION, type Command } from '../command.ts';
import type { Context } from '../context.ts';
import { openLog } from '../logging.ts';
import type { Values } from '../values.ts';
import { ask } from '../prompt.ts';

export const command: Command = {
  name: 'clients',
  summary: {
    id: 'client manager: banyak client serentak, dengan laporan; tanpa opsi, bertanya dulu',
    en: 'client manager: many clients at once, with a report; without options it asks first',
  },
  section: 'clients',
  options: [
    URL_OPTION,
    {
      name: 'clients',
      type: 'count',
      value: 'N',
      min: 1,
      max: CLIENTS.maxClients,
      help: {
        id: `jumlah client, masing-masing satu koneksi (bawaan ${CLIENTS.clients})`,
        en: `number of clients, each with its own connection (default ${CLIENTS.clients})`,
      },
    },
    {
      name: 'requests',
      type: 'count',
      value: 'N',
      min: 1,
      help: {
        id: `permintaan dari TIAP client (bawaan ${CLIENTS.requests})`,
        en: `requests of EACH client (default ${CLIENTS.requests})`,
      },
    },
    {
      name: 'duration',
      type: 'seconds',
      value: 'S',
      min: 0.001,
      max: 86_400,
      help: {
        id: 'pengganti --requests: mulai permintaan selama S detik',
        en: 'instead of --requests: begin requests for S seconds',
      },
    },
    {
      name: 'message',
      type: 'text',
      value: 'TEXT',
      help: { id: 'pesan yang dikirim', en: 'message to send' },
    },
    {
      name: 'file',
      type: 'text',
      value: 'FILE',
      help: {
        id: 'pengganti --message: berkas yang diunggah, dengan namanya sendiri',
        en: 'instead of --message: a file to upload, under its own name',
      },
    },
    {
      name: 'rate',
      type: 'rate',
      value: 'R',
      min: 0.01,
      max: 1_000_000,
      help: {
        id: 'permintaan per detik untuk semua client bersama; waktu respon dihitung dari jadwalnya',
        en: 'requests a second of all clients together; response times count from when they were due',
      },
    },
    {
      name: 'timeout',
      type: 'seconds',
      value: 'S',
      default: CLIENTS.timeoutMs / 1000,
      min: 0.01,
      max: 86_400,
      help: { id: 'batas waktu satu permintaan', en: 'time limit of one request' },
    },
    {
      name: 'unique',
      type: 'flag',
      help: {
        id: 'tambahkan " #client-nomor" pada tiap pesan, untuk memeriksa bahwa masing-masing tersimpan sekali',
        en: 'append " #client-number" to each message, to check that each is stored once',
      },
    },
    {
      name: 'log-requests',
      type: 'text',
      value: 'all|summary|none',
      oneOf: ['all', 'summary', 'none'],
      help: {
        id: `yang masuk log: tiap permintaan, ringkasan, atau hanya akhirnya (bawaan all sampai ${CLIENTS.logAllUpTo} permintaan, lalu summary)`,
        en: `what is logged: each request, a summary, or only the end (default all up to ${CLIENTS.logAllUpTo} requests, then summary)`,
      },
    },
    ...LOGGING,
  ],
  examples: [
    {
      line: 'kelana clients',
      what: { id: 'bertanya jumlah client dan yang dikirim', en: 'asks how many clients and what to send' },
    },
    {
      line: 'kelana clients --clients 50 --requests 200 --message "halo"',
      what: { id: '50 client × 200 pesan', en: '50 clients × 200 messages' },
    },
    {
      line: 'kelana clients --clients 100 --duration 30s --rate 500 --message "halo" --json',
      what: { id: '500 pesan per detik selama 30 detik', en: '500 messages a second for 30 seconds' },
    },
    {
      line: 'kelana clients --clients 4 --requests 1 --file video.mp4',
      what: { id: '4 client mengunggah satu berkas', en: '4 clients upload one file' },
    },
  ],
  run,
};

type LogRequests = 'all' | 'summary' | 'none';

/** Exit codes: 0 all requests ok, 1 some failed, 2 wrong usage, 130 interrupted (the report is printed all the same). */
async function run(context: Context, values: Values): Promise<number> {
  const target = parseTarget(values.text('url') ?? '', context.lang);
  const { payload, ...load } = await settleLoad(context, values, target);
  const json = values.flag('json');
  const log = await openLog(context, values);
  try {
    const total = load.requests === null ? Number.POSITIVE_INFINITY : load.clients * load.requests;
    const detail =
      (values.text('log-requests') as LogRequests | undefined) ??
      (total <= CLIENTS.logAllUpTo ? 'all' : 'summary');
    const plan: Plan = {
      ...load,
      target,
      payload,
      rate: values.number('rate') ?? null,
      timeoutMs: (values.number('timeout') ?? 0) * 1000,
      keepBytes: detail === 'all' ? CLIENTS.maxReplyBytes : 0,
    };
    const live = context.terminal && !json;
    const report = await runClients(plan, {
      signal: context.signal,
      ...(detail === 'all' ? { watcher: requestLog(log.emit, target, payload) } : {}),
      ...(live
        ? {
            onProgress: (progress) =>
              context.write(`\r${progressLine(progress, context.lang, context.columns)}\u001B[K`),
          }
        : {}),
    }).finally(() => {
      if (live) context.write('\r\u001B[K');
    });
    logRun(log.emit, payload, report, detail === 'summary');
    if (json) context.out(JSON.stringify(report));
    else context.out(reportLines(report, context.lang, context.columns).join('\n'));
    if (report.interrupted) return EXIT.interrupted;
    return report.failed > 0 ? EXIT.failed : EXIT.done;
  } finally {
    await Promise.all([payload.close(), log.close()]);
  }
}

type Load = Pick<Plan, 'clients' | 'requests' | 'durationMs' | 'payload'>;

/** From options where they say what to send; else by questions, as the seed's client manager does. */
async function settleLoad(context: Context, values: Values, target: Target): Promise<Load> {
  const content = oneOf(values, 'message', 'file');
  const length = oneOf(values, 'requests', 'duration');
  const asks = content === null;
  const clients =
    values.number('clients') ??
    (asks
      ? await askCount(context, QUESTIONS.clients, CLIENTS.clients, CLIENTS.maxClients)
      : CLIENTS.clients);
  const payload = asks
    ? await askPayload(context, values, target)
    : await givenPayload(context, values, target, content);
  if (length === 'duration') {
    return { clients, payload, requests: null, durationMs: (values.number('duration') ?? 0) * 1000 };
  }
  const requests =
    values.number('requests') ??
    (asks ? await askCount(context, QUESTIONS.requests, CLIENTS.requests, 1e9) : CLIENTS.requests);
  return { clients, payload, requests, durationMs: null };
}

/** Which of two options that exclude each other counts: flags before environment before kelana.toml. */
function oneOf<A extends string, B extends string>(values: Values, a: A, b: B): A | B | null {
  const rank = (name: string): number => {
    const origin = values.origin(name);
    return origin === undefined ? 0 : { flag: 3, environment: 2, file: 1, default: 0 }[origin];
  };
  if (rank(a) === 0 && rank(b) === 0) return null;
  if (rank(a) === rank(b)) {
    throw new KelanaError('USAGE', {
      detail: {
        id: `--${a} dan --${b} tidak bisa dipakai bersama.`,
        en: `--${a} and --${b} cannot be used together.`,
      },
      command: command.name,
    });
  }
  return rank(a) > rank(b) ? a : b;
}

async function givenPayload(
  context: Context,
  values: Values,
  target: Target,
  content: 'message' | 'file',
): Promise<Payload> {
  if (content === 'file') return filePayload(target, resolve(context.cwd, values.text('file') ?? ''));
  const message = values.text('message') ?? '';
  const why = messageFault(message);
  if (why === undefined) return messagePayload(target, message, values.flag('unique'));
  throw new KelanaError('BAD_VALUE', {
    value: `${message.slice(0, 20)}…`,
    name: '--message',
    why,
    example: '--message "halo"',
  });
}

const QUESTIONS = {
  clients: { id: 'Jumlah client', en: 'Number of clients' },
  kind: {
    id: "Kirim teks atau file? ('teks', 'file', atau langsung pesannya)",
    en: "Send text or a file? ('text', 'file', or the message itself)",
  },
  message: { id: 'Pesan', en: 'Message' },
  path: { id: 'Path file', en: 'File path' },
  requests: { id: 'Jumlah permintaan tiap client', en: 'Requests of each client' },
} as const satisfies Record<string, Text>;

async function askCount(context: Context, question: Text, preset: number, most: number): Promise<number> {
  const answer = await ask(context, question, {
    default: String(preset),
    check: (text) =>
      /^\d{1,10}$/.test(text) && Number(text) >= 1 && Number(text) <= most
        ? undefined
        : {
            id: `'${text}' bukan bilangan bulat dari 1 sampai ${most}.`,
            en: `'${text}' is not a whole number from 1 to ${most}.`,
          },
  });
  return Number(answer);
}

/** A message that answers the question for its kind is taken as it is: the seed asks only for number and message. */
async function askPayload(context: Context, values: Values, target: Target): Promise<Payload> {
  const unique = values.flag('unique');
  const check = (text: string): Text | undefined => messageFault(text);
  const kind = await ask(context, QUESTIONS.kind, {
    default: context.lang === 'id' ? 'teks' : 'text',
    check,
  });
  if (/^(f|file|berkas)$/i.test(kind)) return askFile(context, target);
  if (!/^(t|teks|text)$/i.test(kind)) return messagePayload(target, kind, unique);
  return messagePayload(target, await ask(context, QUESTIONS.message, { check }), unique);
}

async function askFile(context: Context, target: Target): Promise<Payload> {
  let payload: Payload | undefined;
  await ask(context, QUESTIONS.path, {
    check: async (path) => {
      try {
        payload = await filePayload(target, resolve(context.cwd, path));
        return undefined;
      } catch (thrown) {
        if (!(thrown instanceof KelanaError)) throw thrown;
        return { id: thrown.describe('id').says, en: thrown.describe('en').says };
      }
    },
  });
  if (payload === undefined) throw new KelanaError('INTERNAL', { detail: 'no file was chosen' });
  return payload;
}
