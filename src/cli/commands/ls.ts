import type { NodeClient } from '../../control/client.ts';
import { EXIT } from '../../core/errors.ts';
import type { Text } from '../../core/lang.ts';
import type { Holding } from '../../core/ports.ts';
import { showable } from '../../core/render/escape.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { bytesText, table } from '../format.ts';

export const command: Command = {
  name: 'ls',
  summary: {
    id: 'berkas dan folder yang dibagikan node ini, atau node lain',
    en: 'files and folders that this node shares, or another one',
  },
  args: '[NODE]',
  positionals: [0, 1],
  section: 'ls',
  options: [DATA_OPTION],
  examples: [
    { line: 'kelana ls', what: { id: 'nama, ukuran, CID', en: 'name, size, CID' } },
    {
      line: 'kelana ls localhost:5002',
      what: {
        id: 'yang dibagikan node itu; disebut seperti pada kelana send',
        en: 'what that node shares; named as for kelana send',
      },
    },
  ],
  run: async (context, values) => {
    const [other] = values.positionals;
    const json = values.flag('json');
    const node = await runningNode(context, values);
    if (other !== undefined) return await listOther(context, node, other, json);
    const [files, folders] = await Promise.all([node.files(), node.folders()]);
    if (json) context.out(JSON.stringify([...files, ...folders]));
    else if (files.length + folders.length > 0) context.out(rows(context, [...files, ...folders]));
    else
      context.say({
        id: 'Belum ada berkas. Salin berkas ke folder bersama node itu.',
        en: "No files yet. Copy some into the node's shared folder.",
      });
    return EXIT.done;
  },
};

/** Entries shown at once: columns are as wide as theirs, and no more of a list is ever in memory. */
const AT_ONCE = 1_000;

async function listOther(context: Context, node: NodeClient, other: string, json: boolean): Promise<number> {
  let label = other;
  let waiting: Holding[] = [];
  let shown = 0;
  const show = async (): Promise<void> => {
    // One document, in pieces.
    const lead = (at: number): string => (shown + at === 0 ? '[' : ',');
    if (json) context.out(waiting.map((one, at) => lead(at) + JSON.stringify(one)).join('\n'));
    else context.out(rows(context, waiting));
    shown += waiting.length;
    waiting = [];
    await context.flush();
  };
  for await (const event of node.list(other, context.signal)) {
    if (event.type === 'node') label = showable(event.label);
    else if (event.type === 'entries') {
      waiting.push(...event.entries);
      if (waiting.length >= AT_ONCE) await show();
    } else {
      if (waiting.length > 0) await show();
      if (json) context.out(shown === 0 ? '[]' : ']');
      else if (shown === 0)
        context.say({ id: `Node ${label} tidak membagikan apa-apa.`, en: `Node ${label} shares nothing.` });
      if (event.scanning) context.err(stillReading(label)[context.lang]);
    }
  }
  return EXIT.done;
}

function stillReading(label: string): Text {
  return {
    id: `Node ${label} masih membaca berkasnya; daftar ini mungkin belum lengkap.`,
    en: `Node ${label} is still reading its files; this list may not be complete.`,
  };
}

function rows({ lang }: Context, holdings: readonly Holding[]): string {
  return table(
    holdings.map(({ name, size, cid, kind }) => [
      showable(kind === 'folder' ? `${name}/` : name),
      bytesText(size, lang),
      cid,
    ]),
  );
}
