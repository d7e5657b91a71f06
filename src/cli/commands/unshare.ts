import { resolve } from 'node:path';
import type { UnshareRow } from '../../control/server.ts';
import { EXIT } from '../../core/errors.ts';
import { showable } from '../../core/render/escape.ts';
import type { Command } from '../command.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';

export const command: Command = {
  name: 'unshare',
  summary: {
    id: 'berhenti membagikan folder atau berkas; berkasnya sendiri tetap ada',
    en: 'share folders or files no more; the files themselves stay',
  },
  args: 'PATH…',
  positionals: [1, 100],
  section: 'unshare',
  options: [DATA_OPTION],
  examples: [
    {
      line: 'kelana unshare ~/dokumen',
      what: { id: 'tidak bisa dicari lagi sejak sekarang', en: 'cannot be found any more from now on' },
    },
  ],
  run: async (context, values) => {
    const node = await runningNode(context, values);
    const rows: UnshareRow[] = [];
    for (const path of values.positionals) rows.push(await node.unshare(resolve(context.cwd, path)));
    if (values.flag('json')) context.out(JSON.stringify({ unshared: rows }));
    else
      for (const { path, removed, returns } of rows) {
        const name = showable(path);
        if (!removed)
          context.say({
            id: `Tidak sedang dibagikan: ${name}. Lihat yang dibagikan: kelana share`,
            en: `Not shared: ${name}. See what is shared: kelana share`,
          });
        else context.say({ id: `Tidak dibagikan lagi: ${name}`, en: `Shared no more: ${name}` });
        if (returns)
          context.say({
            id: '  → Dibagikan lagi saat node mulai, karena tertulis di --share atau kelana.toml',
            en: '  → Shared again when the node starts, since --share or kelana.toml names it',
          });
      }
    return rows.every(({ removed }) => removed) ? EXIT.done : EXIT.absent;
  },
};
