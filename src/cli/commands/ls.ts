import { EXIT } from '../../core/errors.ts';
import { showable } from '../../core/render/escape.ts';
import type { Command } from '../command.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { bytesText, table } from '../format.ts';

export const command: Command = {
  name: 'ls',
  summary: { id: 'berkas yang dibagikan node ini', en: 'files that this node shares' },
  section: 'ls',
  options: [DATA_OPTION],
  examples: [{ line: 'kelana ls', what: { id: 'nama, ukuran, CID', en: 'name, size, CID' } }],
  run: async (context, values) => {
    const files = await (await runningNode(context, values)).files();
    if (values.flag('json')) {
      context.out(JSON.stringify(files));
      return EXIT.done;
    }
    if (files.length === 0) {
      context.say({
        id: 'Belum ada berkas. Salin berkas ke folder bersama node itu.',
        en: "No files yet. Copy some into the node's shared folder.",
      });
    } else {
      context.out(
        table(files.map((file) => [showable(file.name), bytesText(file.size, context.lang), file.cid])),
      );
    }
    return EXIT.done;
  },
};
