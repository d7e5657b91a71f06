import { EXIT, KelanaError } from '../../core/errors.ts';
import type { LimitsInfo } from '../../core/ports.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { bytesText, table } from '../format.ts';
import { holdsText, rateText, writtenText } from '../limit-text.ts';
import { limitTexts, type LimitTexts } from '../limits.ts';

export const command: Command = {
  name: 'limits',
  summary: {
    id: 'batas kirim dan unduh sebuah node: lihat, ganti',
    en: 'upload and download limits of a node: show, change',
  },
  section: 'limits',
  options: [
    DATA_OPTION,
    {
      name: 'up',
      type: 'limit',
      value: 'L',
      help: {
        id: 'batas kirim baru: 5MB/s, unlimited, "sen-jum 08:00-17:00 5MB/s; unlimited"',
        en: 'new upload limit: 5MB/s, unlimited, "mon-fri 08:00-17:00 5MB/s; unlimited"',
      },
    },
    {
      name: 'down',
      type: 'limit',
      value: 'L',
      help: { id: 'batas unduh baru', en: 'new download limit' },
    },
    {
      name: 'save',
      type: 'flag',
      help: {
        id: 'simpan di folder data; tanpa ini berlaku sampai node dijalankan ulang',
        en: 'keep it in the data folder; without this it holds until the node restarts',
      },
    },
  ],
  examples: [
    {
      line: 'kelana limits',
      what: {
        id: 'batas sekarang, dan laju beberapa detik terakhir',
        en: 'the limits now, and the rates of the last seconds',
      },
    },
    {
      line: 'kelana limits --up 5MB/s --down unlimited',
      what: { id: 'ganti sekarang juga', en: 'change them at once' },
    },
    {
      line: 'kelana limits --up "mon-fri 08:00-17:00 5MB/s; unlimited" --save',
      what: { id: 'terjadwal, dan juga setelah dijalankan ulang', en: 'by schedule, and after restarts too' },
    },
  ],
  run: async (context, values) => {
    const change = limitTexts(values.text('up'), values.text('down'));
    const none = Object.keys(change).length === 0;
    const save = values.flag('save');
    if (none && save) {
      throw new KelanaError('USAGE', {
        detail: {
          id: '--save menyimpan batas yang disebut dengan --up atau --down.',
          en: '--save keeps the limits that --up or --down name.',
        },
        command: 'limits',
      });
    }
    const node = await runningNode(context, values);
    const limits = none ? await node.limits() : await node.setLimits({ ...change, save });
    if (values.flag('json')) context.out(JSON.stringify(limits));
    else show(context, limits, save ? change : {});
    return EXIT.done;
  },
};

function show(context: Context, limits: LimitsInfo, saved: LimitTexts): void {
  const { lang } = context;
  const id = lang === 'id';
  const ways = [
    [id ? 'kirim' : 'upload', limits.up, saved.up],
    [id ? 'unduh' : 'download', limits.down, saved.down],
  ] as const;
  const head = id
    ? ['', 'boleh sekarang', 'laju', 'seluruhnya', 'menunggu', 'batas']
    : ['', 'allowed now', 'rate', 'in all', 'waiting', 'limit'];
  const rows = ways.map(([name, info]) => [
    name,
    holdsText(info, lang),
    rateText(info.movedBytesPerSecond, lang),
    bytesText(info.movedBytes, lang),
    String(info.waiting),
    writtenText(info.limit, lang),
  ]);
  context.out(table([head, ...rows]));
  for (const [name, { limit, afterRestart }, kept] of ways) {
    if (limit === afterRestart) continue;
    // What the node was started with goes before what is kept.
    const why =
      kept !== undefined
        ? {
            id: ', karena batas dari opsi, lingkungan, atau kelana.toml didahulukan',
            en: ', since a limit from a flag, the environment or kelana.toml goes first',
          }
        : { id: '', en: '' };
    context.say({
      id: `Setelah dijalankan ulang, ${name}: ${writtenText(afterRestart, 'id')}${why.id}.`,
      en: `After a restart, ${name}: ${writtenText(afterRestart, 'en')}${why.en}.`,
    });
  }
}
