import { MESSAGES } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import { whyText } from '../../core/messages/why.ts';
import { showable } from '../../core/render/escape.ts';
import type { NodeClient } from '../../control/client.ts';
import type { AcceptEvent } from '../../control/mail-events.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { ProgressLine } from '../progress-line.ts';
import { countsText, itemText, offered, sentText } from '../show-mail.ts';
import type { Values } from '../values.ts';

const VERBS = ['accept', 'refuse', 'read', 'remove'] as const;
type Verb = (typeof VERBS)[number];

export const command: Command = {
  name: 'inbox',
  summary: {
    id: 'pesan dan kiriman yang masuk: lihat, terima, tolak',
    en: 'messages and files that came in: list, accept, refuse',
  },
  args: '[accept|refuse|read|remove NUMBER…|all]',
  positionals: [0, MESSAGES.maxListed + 1],
  section: 'inbox',
  options: [
    {
      name: 'unread',
      type: 'flag',
      help: { id: 'hanya yang belum dibaca atau diputuskan', en: 'only what is not read or decided yet' },
    },
    {
      name: 'sent',
      type: 'flag',
      help: { id: 'yang dikirim, dan bagaimana nasibnya', en: 'what was sent, and what became of it' },
    },
    {
      name: 'follow',
      type: 'flag',
      help: { id: 'tampilkan yang masuk sampai Ctrl+C', en: 'show what comes in until Ctrl+C' },
    },
    {
      name: 'limit',
      type: 'count',
      min: 1,
      max: MESSAGES.maxListed,
      default: MESSAGES.listed,
      help: { id: 'yang terbaru, sebanyak ini', en: 'the newest, so many' },
    },
    DATA_OPTION,
  ],
  examples: [
    {
      line: 'kelana inbox --unread',
      what: { id: 'yang baru, dengan nomornya', en: 'what is new, with its numbers' },
    },
    {
      line: 'kelana inbox accept 7',
      what: {
        id: 'ambil berkas yang ditawarkan, terverifikasi, ke folder unduhan',
        en: 'fetch the file that is offered, verified, into the downloads folder',
      },
    },
    {
      line: 'kelana inbox read 5',
      what: {
        id: 'seluruh pesan; lalu ditandai sudah dibaca',
        en: 'the whole message; it then counts as read',
      },
    },
    { line: 'kelana inbox read all', what: { id: 'tandai semua', en: 'mark all' } },
    {
      line: 'kelana inbox --sent',
      what: { id: 'apa yang masih menunggu penerimanya', en: 'what still waits for its receiver' },
    },
  ],
  run: async (context, values) => {
    const [verb, ...rest] = values.positionals;
    const wanted = verb === undefined ? null : parse(verb, rest);
    const node = await runningNode(context, values);
    if (wanted !== null) return await act(context, values, node, wanted.verb, wanted.nos);
    if (values.flag('sent')) return await showSent(context, values, node);
    if (values.flag('follow')) return await follow(context, values, node);
    const view = await node.inbox({ unread: values.flag('unread'), limit: values.number('limit') ?? 1 });
    if (values.flag('json')) context.out(JSON.stringify(view));
    else if (view.items.length === 0) context.say({ id: 'Tidak ada apa-apa.', en: 'Nothing there.' });
    else {
      for (const item of view.items) context.out(itemText(item, context.lang, false));
      context.out(countsText(view, context.lang));
    }
    return EXIT.done;
  },
};

/** @throws KelanaError USAGE */
function parse(word: string, rest: readonly string[]): { verb: Verb; nos: readonly number[] } {
  const verb = VERBS.find((one) => one === word);
  const all = verb === 'read' && rest.length === 1 && rest[0] === 'all';
  const nos = all ? [] : rest.map(Number);
  const most = verb === 'accept' || verb === 'refuse' ? 1 : MESSAGES.maxListed;
  if (
    verb === undefined ||
    (!all && (nos.length === 0 || nos.length > most || nos.some((no) => !Number.isSafeInteger(no) || no < 1)))
  ) {
    throw new KelanaError('USAGE', {
      detail: {
        id: "Tulis 'inbox', atau 'inbox accept NOMOR', 'inbox refuse NOMOR', 'inbox read NOMOR…', 'inbox read all', 'inbox remove NOMOR…'.",
        en: "Write 'inbox', or 'inbox accept NUMBER', 'inbox refuse NUMBER', 'inbox read NUMBER…', 'inbox read all', 'inbox remove NUMBER…'.",
      },
      command: 'inbox',
    });
  }
  return { verb, nos };
}

async function act(
  context: Context,
  values: Values,
  node: NodeClient,
  verb: Verb,
  nos: readonly number[],
): Promise<number> {
  const json = values.flag('json');
  const [first = 0] = nos;
  if (verb === 'accept') return await accept(context, json, node.acceptOffer(first, context.signal));
  if (verb === 'refuse') {
    const item = await node.refuseOffer(first);
    if (json) context.out(JSON.stringify(item));
    else {
      const [what, from] = [offered(item, context.lang), showable(item.label)];
      context.say({ id: `Ditolak: ${what} dari node ${from}.`, en: `Refused: ${what} from node ${from}.` });
    }
  } else if (verb === 'remove') {
    const removed = await node.removeItems(nos);
    if (json) context.out(JSON.stringify({ removed }));
    else context.say({ id: `${removed} dibuang.`, en: `${removed} removed.` });
  } else if (nos.length === 0) {
    const read = await node.readAll();
    if (json) context.out(JSON.stringify({ read }));
    else context.say({ id: `${read} pesan ditandai sudah dibaca.`, en: `${read} messages marked as read.` });
  } else {
    const items = await node.readItems(nos);
    if (json) context.out(JSON.stringify({ items }));
    else for (const item of items) context.out(itemText(item, context.lang, true));
  }
  return EXIT.done;
}

async function showSent(context: Context, values: Values, node: NodeClient): Promise<number> {
  const items = await node.outbox(values.number('limit') ?? 1);
  if (values.flag('json')) context.out(JSON.stringify({ items }));
  else if (items.length === 0) context.say({ id: 'Belum ada kiriman.', en: 'Nothing was sent yet.' });
  else for (const item of items) context.out(sentText(item, context.lang));
  return EXIT.done;
}

async function follow(context: Context, values: Values, node: NodeClient): Promise<number> {
  try {
    for await (const item of node.followInbox(context.signal))
      context.out(values.flag('json') ? JSON.stringify(item) : itemText(item, context.lang, false));
  } catch (thrown) {
    if (context.signal.aborted) return EXIT.done;
    throw thrown;
  }
  if (context.signal.aborted) return EXIT.done;
  // The stream ends only with its node.
  throw new KelanaError('NO_NODE', { path: values.text('data') ?? '' });
}

async function accept(context: Context, json: boolean, events: AsyncIterable<AcceptEvent>): Promise<number> {
  const { lang } = context;
  const id = lang === 'id';
  const progress = new ProgressLine(context);
  let code: number = EXIT.failed;
  try {
    for await (const event of events) {
      if (event.type === 'failed') throw event.error;
      if (event.type === 'saved') code = EXIT.done;
      if (event.type === 'waiting') code = EXIT.incomplete;
      if (json) context.out(JSON.stringify(event));
      else if (event.type === 'progress') progress.show(event.bytes, event.size);
      else {
        progress.clear();
        context.out(acceptLine(event, id));
      }
    }
  } finally {
    progress.clear();
  }
  return code;
}

function acceptLine(event: Exclude<AcceptEvent, { type: 'failed' | 'progress' }>, id: boolean): string {
  if (event.type === 'accepted') {
    const [name, label] = [showable(event.name), showable(event.label)];
    return id ? `Mengambil '${name}' dari node ${label}` : `Fetching '${name}' from node ${label}`;
  }
  if (event.type === 'saved') {
    const path = showable(event.path);
    return id ? `Tersimpan di ${path}, terverifikasi.` : `Saved as ${path}, verified.`;
  }
  const [why, label] = [showable(whyText(event.why)[id ? 'id' : 'en']), showable(event.label)];
  return id
    ? `Belum bisa diambil dari node ${label} (${why}).\n  → Node ini mengambilnya sendiri begitu bisa; lihat: kelana inbox`
    : `It cannot be fetched from node ${label} yet (${why}).\n  → This node fetches it by itself as soon as it can; see: kelana inbox`;
}
