import { QUEUE } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import type { Lang, Text } from '../../core/lang.ts';
import type { Transfer, TransferState } from '../../core/transfer/ports.ts';
import { showable } from '../../core/render/escape.ts';
import type { NodeClient } from '../../control/client.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { bytesText, durationText, numberText, table } from '../format.ts';
import type { Values } from '../values.ts';

const VERBS = ['ls', 'pause', 'resume', 'cancel', 'priority'] as const;
type Verb = (typeof VERBS)[number];

export const command: Command = {
  name: 'transfers',
  summary: {
    id: 'unduhan yang dikerjakan node di latar: lihat, jeda, lanjutkan, batalkan',
    en: 'downloads that a node does in the background: list, pause, resume, cancel',
  },
  args: '[ls|pause ID|resume ID|cancel ID|priority ID N]',
  positionals: [0, 3],
  section: 'transfers',
  options: [DATA_OPTION],
  examples: [
    {
      line: 'kelana transfers',
      what: {
        id: 'semua unduhan latar; dimulai dengan kelana get --background',
        en: 'all background downloads; begun with kelana get --background',
      },
    },
    {
      line: 'kelana transfers pause 3',
      what: {
        id: 'berhenti sampai resume; yang sudah terunduh disimpan',
        en: 'stop until resume; what was fetched is kept',
      },
    },
    {
      line: 'kelana transfers resume 3',
      what: {
        id: 'lanjutkan, atau coba lagi sekarang',
        en: 'go on, or try again now',
      },
    },
    {
      line: 'kelana transfers cancel 3',
      what: {
        id: 'lupakan, dan hapus yang belum utuh',
        en: 'forget it, and remove what is not whole',
      },
    },
    {
      line: 'kelana transfers priority 3 90',
      what: {
        id: `0 sampai ${QUEUE.maxPriority}, bawaan ${QUEUE.priority}; yang lebih tinggi lebih dulu`,
        en: `0 to ${QUEUE.maxPriority}, ${QUEUE.priority} by default; higher ones first`,
      },
    },
  ],
  run,
};

async function run(context: Context, values: Values): Promise<number> {
  const [word = 'ls', id, priority] = values.positionals;
  const verb = VERBS.find((one) => one === word);
  const count = verb === 'ls' ? 0 : verb === 'priority' ? 2 : 1;
  if (verb === undefined || values.positionals.length > count + 1 || (count > 0 && id === undefined))
    throw usage();
  const number = count === 0 ? 0 : wholeNumber(id, 'ID', Number.MAX_SAFE_INTEGER);
  const rank = count < 2 ? 0 : wholeNumber(priority, 'N', QUEUE.maxPriority);
  const node = await runningNode(context, values);
  if (verb === 'ls') return list(context, await node.transfers(), values.flag('json'));
  const changed = await change(node, verb, number, rank);
  if (values.flag('json')) context.out(JSON.stringify(changed ?? { cancelled: number }));
  else if (changed === null)
    context.say({ id: `Transfer ${number} dibatalkan.`, en: `Transfer ${number} cancelled.` });
  else for (const line of linesOf([changed], context.lang)) context.out(line);
  return EXIT.done;
}

function usage(): KelanaError {
  return new KelanaError('USAGE', {
    detail: {
      id: "Tulis 'transfers', 'transfers pause ID', 'resume ID', 'cancel ID', atau 'priority ID N'.",
      en: "Write 'transfers', 'transfers pause ID', 'resume ID', 'cancel ID' or 'priority ID N'.",
    },
    command: 'transfers',
  });
}

function wholeNumber(text: string | undefined, name: string, most: number): number {
  if (text === undefined) throw usage();
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  if (value <= most) return value;
  const why = {
    id: `harus bilangan bulat dari 0 sampai ${most}`,
    en: `it must be a whole number from 0 to ${most}`,
  };
  throw new KelanaError('BAD_VALUE', { value: text, name, why, example: 'kelana transfers priority 3 90' });
}

async function change(
  node: NodeClient,
  verb: Exclude<Verb, 'ls'>,
  id: number,
  priority: number,
): Promise<Transfer | null> {
  if (verb === 'pause') return await node.pause(id);
  if (verb === 'resume') return await node.resume(id);
  if (verb === 'priority') return await node.prioritise(id, priority);
  await node.cancel(id);
  return null;
}

function list(context: Context, transfers: readonly Transfer[], json: boolean): number {
  if (json) context.out(JSON.stringify(transfers));
  else if (transfers.length === 0)
    context.say({
      id: 'Belum ada unduhan latar. Mulai satu: kelana get --background NAMA',
      en: 'No background downloads yet. Begin one: kelana get --background NAME',
    });
  else for (const line of linesOf(transfers, context.lang)) context.out(line);
  return EXIT.done;
}

const STATES: Readonly<Record<TransferState, Text>> = {
  queued: { id: 'antre', en: 'queued' },
  running: { id: 'berjalan', en: 'running' },
  paused: { id: 'dijeda', en: 'paused' },
  waiting: { id: 'menunggu', en: 'waiting' },
  done: { id: 'selesai', en: 'done' },
  failed: { id: 'gagal', en: 'failed' },
};

/** A row for each, and below it why it waits or failed, or where it is. */
function linesOf(transfers: readonly Transfer[], lang: Lang): string[] {
  const rows = transfers.map(({ id, state, bytes, wanted, priority, name, only }) => [
    String(id),
    STATES[state][lang],
    // Of a part of a folder nobody knows before its listing came.
    wanted === null ? '?' : `${numberText(Math.floor(wanted === 0 ? 100 : (100 * bytes) / wanted), lang)} %`,
    wanted === null ? '?' : bytesText(wanted, lang),
    priority === QUEUE.priority ? '' : `${lang === 'id' ? 'prioritas' : 'priority'} ${priority}`,
    [name, ...only.map((pattern) => `--only '${pattern}'`)].map(showable).join(' '),
  ]);
  const lines = table(rows).split('\n');
  return transfers.flatMap((transfer, at) => [lines[at] ?? '', ...noteOf(transfer, lang)]);
}

function noteOf({ error, state, retryAt, path }: Transfer, lang: Lang): string[] {
  if (state === 'done') return path === null ? [] : [`   → ${showable(path)}`];
  if (error === null || (state !== 'waiting' && state !== 'failed')) return [];
  const { says } = new KelanaError(error.code, error.params).describe(lang);
  if (retryAt === null) return [`   → ${showable(says)}`];
  const wait = durationText(Math.max(0, retryAt - Date.now()), lang);
  const again = lang === 'id' ? `dicoba lagi dalam ${wait}` : `tried again in ${wait}`;
  return [`   → ${showable(says)} (${again})`];
}
