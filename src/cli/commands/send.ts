import { resolve } from 'node:path';
import { MESSAGES } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import { whyText } from '../../core/messages/why.ts';
import { showable } from '../../core/render/escape.ts';
import type { SendEvent } from '../../control/mail-events.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { bytesText, durationText, numberText } from '../format.ts';
import { ProgressLine } from '../progress-line.ts';
import { offered, timeText } from '../show-mail.ts';
import type { Values } from '../values.ts';

export const command: Command = {
  name: 'send',
  summary: {
    id: 'kirim pesan, berkas, atau folder ke satu node',
    en: 'send a message, file or folder to one node',
  },
  args: 'NODE [TEXT…]',
  positionals: [1, 4_096],
  section: 'send',
  options: [
    {
      name: 'file',
      type: 'text',
      value: 'PATH',
      help: {
        id: 'berkas atau folder yang ditawarkan kepada node itu',
        en: 'file or folder to offer to that node',
      },
    },
    {
      name: 'timeout',
      type: 'seconds',
      min: 0,
      max: 30 * 24 * 3_600,
      default: MESSAGES.waitMs / 1000,
      help: {
        id: 'waktu menunggu keputusan penerima, detik; sesudahnya tawaran tetap berlaku',
        en: 'time to wait for the receiver, seconds; the offer stays open after it',
      },
    },
    DATA_OPTION,
  ],
  examples: [
    {
      line: 'kelana send localhost:5002 halo, sudah terima laporannya?',
      what: {
        id: 'selesai bila pesan tersimpan di sana; kode keluar 4 bila node itu sedang tidak ada',
        en: 'ends once the message is stored there; exit code 4 where that node is away',
      },
    },
    {
      line: 'kelana send 192.168.1.5:5001 --file laporan.pdf',
      what: {
        id: 'penerima menjawab dengan kelana inbox accept NOMOR',
        en: 'the receiver answers with kelana inbox accept NUMBER',
      },
    },
    {
      line: 'kelana send 192.168.1.5:5001 --file foto/',
      what: {
        id: 'sebuah folder; isinya tidak dibagikan kepada node lain',
        en: 'a folder; no other node sees it',
      },
    },
  ],
  run: async (context, values) => {
    const [to = '', ...words] = values.positionals;
    const file = values.text('file');
    if ((file === undefined) === (words.length === 0)) {
      throw new KelanaError('USAGE', {
        detail: {
          id: 'Beri pesan atau --file, salah satu.',
          en: 'Give a message or --file, one of the two.',
        },
        command: 'send',
      });
    }
    const what = file === undefined ? { text: words.join(' ') } : { path: resolve(context.cwd, file) };
    const timeoutMs = (values.number('timeout') ?? 0) * 1000;
    const node = await runningNode(context, values);
    return await show(context, values, node.send({ to, ...what, timeoutMs }, context.signal));
  },
};

async function show(context: Context, values: Values, events: AsyncIterable<SendEvent>): Promise<number> {
  let code: number = EXIT.failed;
  const sent = { label: '', offer: false };
  const progress = new ProgressLine(context);
  try {
    for await (const event of events) {
      if (event.type === 'failed') throw event.error;
      if (event.type === 'queued') {
        sent.label = showable(event.label);
        sent.offer = event.kind === 'offer';
      }
      code = CODE_OF[event.type] ?? code;
      if (values.flag('json')) context.out(JSON.stringify(event));
      else if (event.type === 'progress') progress.show(event.bytes, event.size);
      else {
        progress.clear();
        const line = lineOf(context, event, sent);
        if (line !== null) context.out(line);
      }
    }
  } catch (thrown) {
    // Whether the node had it by then nobody knows here; to send it again may be to send it twice.
    throw context.signal.aborted ? new KelanaError('SEND_LEFT', {}, thrown) : thrown;
  } finally {
    progress.clear();
  }
  return code;
}

/** By the last of these events; a message ends with `delivered`. */
const CODE_OF: Partial<Readonly<Record<SendEvent['type'], number>>> = {
  delivered: EXIT.done,
  done: EXIT.done,
  waiting: EXIT.incomplete,
  open: EXIT.incomplete,
};

function lineOf(
  { lang, terminal }: Context,
  event: Exclude<SendEvent, { type: 'failed' | 'progress' }>,
  { label, offer }: { readonly label: string; readonly offer: boolean },
): string | null {
  const id = lang === 'id';
  switch (event.type) {
    case 'reading': {
      if (!terminal) return null;
      const size = bytesText(event.bytes, lang);
      const files = numberText(event.files, lang);
      return id ? `  ${files} berkas dibaca, ${size}` : `  ${files} files read, ${size}`;
    }
    case 'queued': {
      if (event.kind === 'text') return null;
      const what = offered({ text: event.name, size: event.size, files: event.files }, lang);
      return id ? `Menawarkan ${what} kepada node ${label}` : `Offering ${what} to node ${label}`;
    }
    case 'delivered':
      if (offer)
        return id
          ? `Tawaran sampai di node ${label}; menunggu keputusannya (Ctrl+C: tawaran tetap berlaku).`
          : `The offer reached node ${label}; waiting for its decision (Ctrl+C: it stays open).`;
      return id
        ? `Sampai di node ${label}, tersimpan di sana.`
        : `Delivered to node ${label}, and stored there.`;
    case 'waiting': {
      const why = showable(whyText(event.why)[lang]);
      const until = timeText(event.expiresAt);
      return id
        ? `Belum sampai di node ${label} (${why}).\n  → Node ini mengirimnya sendiri begitu bisa, sampai ${until}; lihat: kelana inbox --sent`
        : `Not delivered to node ${label} yet (${why}).\n  → This node sends it by itself as soon as it can, until ${until}; see: kelana inbox --sent`;
    }
    case 'accepted':
      return id ? 'Diterima, sedang diambil.' : 'Accepted, being fetched.';
    case 'done': {
      const [size, took] = [bytesText(event.bytes, lang), durationText(event.seconds * 1000, lang)];
      return id
        ? `Selesai: ${size} tersimpan di node ${label}, terverifikasi (${took}).`
        : `Done: ${size} saved at node ${label}, verified (${took}).`;
    }
    default:
      return id
        ? `Tawaran tetap berlaku di node ${label}, tetapi belum selesai.\n  → Lihat nanti: kelana inbox --sent`
        : `The offer stays open at node ${label}, but is not finished.\n  → Look later: kelana inbox --sent`;
  }
}
