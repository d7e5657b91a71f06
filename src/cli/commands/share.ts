import { resolve } from 'node:path';
import type { NodeClient } from '../../control/client.ts';
import type { ShareEvent, ShareRow } from '../../control/server.ts';
import { EXIT } from '../../core/errors.ts';
import { showable } from '../../core/render/escape.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { bytesText, durationText, numberText, table } from '../format.ts';
import { report } from '../report.ts';

export const command: Command = {
  name: 'share',
  summary: {
    id: 'bagikan folder atau berkas lewat node yang berjalan; tanpa PATH: daftar yang dibagikan',
    en: 'share folders or files on the running node; without PATH: list what is shared',
  },
  args: '[PATH…]',
  positionals: [0, 100],
  section: 'share',
  options: [DATA_OPTION],
  examples: [
    {
      line: 'kelana share ~/dokumen laporan.pdf',
      what: {
        id: 'mulai sekarang, dan lagi setiap node mulai',
        en: 'from now on, and again whenever the node starts',
      },
    },
    {
      line: 'kelana share',
      what: { id: 'apa yang dibagikan, dan CID-nya', en: 'what is shared, and its CIDs' },
    },
  ],
  run: async (context, values) => {
    const node = await runningNode(context, values);
    const json = values.flag('json');
    if (values.positionals.length === 0) return await list(context, node, json);
    const shared: ShareRow[] = [];
    let code: number = EXIT.done;
    for (const path of values.positionals) {
      try {
        const row = await shareOne(context, node, resolve(context.cwd, path), json);
        if (row !== null) shared.push(row);
      } catch (thrown) {
        // The others can be shared all the same.
        code = Math.max(code, report(context, thrown));
        if (context.signal.aborted) break;
      }
    }
    if (json) context.out(JSON.stringify({ shared }));
    return code;
  },
};

async function shareOne(
  context: Context,
  node: NodeClient,
  path: string,
  json: boolean,
): Promise<ShareRow | null> {
  let shown = false;
  try {
    for await (const event of node.share(path, context.signal)) {
      if (event.type === 'failed') throw event.error;
      if (event.type === 'scan') {
        if (!context.terminal || json) continue;
        context.write(`\r  ${progressText(context, event)}\x1b[K`);
        shown = true;
        continue;
      }
      const { type: _type, ...row } = event;
      if (shown) context.write('\r\x1b[K');
      shown = false;
      if (!json) context.say(sharedText(context, row));
      return row;
    }
  } finally {
    if (shown) context.write('\r\x1b[K');
  }
  return null;
}

function progressText({ lang }: Context, scan: Extract<ShareEvent, { type: 'scan' }>): string {
  const [looked, hashed] = [numberText(scan.looked, lang), numberText(scan.hashed, lang)];
  const bytes = bytesText(scan.hashedBytes, lang);
  const took = durationText(scan.ms, lang);
  return lang === 'id'
    ? `${looked} berkas dilihat, ${hashed} dibaca (${bytes}), ${took}`
    : `${looked} files looked at, ${hashed} read (${bytes}), ${took}`;
}

function sharedText({ lang }: Context, { path, files, bytes, cid }: ShareRow): { id: string; en: string } {
  const [count, size, name] = [numberText(files, lang), bytesText(bytes, lang), showable(path)];
  const below = cid === null ? '' : `\n  ${cid}`;
  return {
    id: `Dibagikan: ${name} (${count} berkas, ${size})${below}`,
    en: `Shared: ${name} (${count} ${files === 1 ? 'file' : 'files'}, ${size})${below}`,
  };
}

async function list(context: Context, node: NodeClient, json: boolean): Promise<number> {
  const shares = await node.shares();
  if (json) {
    context.out(JSON.stringify({ shares }));
    return EXIT.done;
  }
  const { lang } = context;
  const id = lang === 'id';
  if (shares.length === 0) {
    context.say({ id: 'Belum ada yang dibagikan.', en: 'Nothing is shared.' });
    return EXIT.done;
  }
  context.out(
    table(
      shares.map(({ path, files, bytes, cid, missing, kept }) => [
        showable(path),
        `${numberText(files, lang)} ${id ? 'berkas' : files === 1 ? 'file' : 'files'}`,
        bytesText(bytes, lang),
        kept ? 'kelana share' : '--share',
        missing ? (id ? 'sedang tidak ada' : 'not there now') : (cid ?? '-'),
      ]),
    ),
  );
  return EXIT.done;
}
