import { EXIT } from '../../core/errors.ts';
import { showable } from '../../core/render/escape.ts';
import type { Command } from '../command.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { bytesText, table } from '../format.ts';

export const command: Command = {
  name: 'ls',
  summary: { id: 'berkas dan folder yang dibagikan node ini', en: 'files and folders that this node shares' },
  section: 'ls',
  options: [DATA_OPTION],
  examples: [{ line: 'kelana ls', what: { id: 'nama, ukuran, CID', en: 'name, size, CID' } }],
  run: async (context, values) => {
    const node = await runningNode(context, values);
    const [files, folders] = await Promise.all([node.files(), node.folders()]);
    if (values.flag('json')) {
      context.out(JSON.stringify([...files, ...folders]));
      return EXIT.done;
    }
    if (files.length + folders.length === 0) {
      context.say({
        id: 'Belum ada berkas. Salin berkas ke folder bersama node itu.',
        en: "No files yet. Copy some into the node's shared folder.",
      });
    } else {
      context.out(
        table(
          [...files, ...folders].map(({ name, size, cid, kind }) => [
            showable(kind === 'folder' ? `${name}/` : name),
            bytesText(size, context.lang),
            cid,
          ]),
        ),
      );
    }
    return EXIT.done;
  },
};
