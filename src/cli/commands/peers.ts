import { EXIT, KelanaError } from '../../core/errors.ts';
import { showable } from '../../core/render/escape.ts';
import type { NodeClient } from '../../control/client.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { failingLines } from '../failing-peers.ts';
import { runningNode } from '../find-node.ts';
import { table } from '../format.ts';

export const command: Command = {
  name: 'peers',
  summary: {
    id: 'tetangga sebuah node: lihat, tambah, hapus',
    en: 'neighbours of a node: list, add, remove',
  },
  args: '[add|remove ADDR]',
  positionals: [0, 2],
  section: 'peers',
  options: [DATA_OPTION],
  examples: [
    {
      line: 'kelana peers',
      what: {
        id: 'tetangga sekarang, dan alamat yang sedang dicoba',
        en: 'the neighbours now, and addresses being tried',
      },
    },
    {
      line: 'kelana peers add 192.168.1.5:5001',
      what: {
        id: 'sambung sekarang, dan lagi setiap node mulai',
        en: 'link now, and again whenever the node starts',
      },
    },
    {
      line: 'kelana peers remove localhost:5002',
      what: { id: 'putuskan dan lupakan', en: 'unlink and forget' },
    },
  ],
  run: async (context, values) => {
    const [verb, address] = values.positionals;
    if (
      (verb !== undefined && verb !== 'add' && verb !== 'remove') ||
      (verb !== undefined && address === undefined)
    ) {
      throw new KelanaError('USAGE', {
        detail: {
          id: "Tulis 'peers', 'peers add ADDR', atau 'peers remove ADDR'.",
          en: "Write 'peers', 'peers add ADDR' or 'peers remove ADDR'.",
        },
        command: 'peers',
      });
    }
    const node = await runningNode(context, values);
    const json = values.flag('json');
    if (verb === undefined || address === undefined) return await list(context, node, json);
    if (verb === 'add') {
      const peer = await node.addPeer(address);
      if (json) context.out(JSON.stringify(peer));
      else if (peer.state === 'self')
        context.say({ id: `${address} adalah node ini sendiri.`, en: `${address} is this node itself.` });
      else
        context.say({
          id: `Tersambung ke node ${showable(peer.label)}.`,
          en: `Linked to node ${showable(peer.label)}.`,
        });
      return EXIT.done;
    }
    const removed = await node.removePeer(address);
    if (json) context.out(JSON.stringify({ removed }));
    else if (removed) context.say({ id: `${address} dihapus.`, en: `${address} removed.` });
    else
      context.say({
        id: `${address} bukan tetangga dan tidak ada di daftar.`,
        en: `${address} is no neighbour and not on the list.`,
      });
    return removed ? EXIT.done : EXIT.absent;
  },
};

async function list(context: Context, node: NodeClient, json: boolean): Promise<number> {
  const [status, kept] = await Promise.all([node.status(), node.peers()]);
  if (json) {
    const addresses = kept.map(({ error, ...row }) => ({ ...row, error: error?.message ?? null }));
    context.out(JSON.stringify({ neighbours: status.neighbours, addresses }));
    return EXIT.done;
  }
  const id = context.lang === 'id';
  if (status.neighbours.length === 0) context.say({ id: 'Belum ada tetangga.', en: 'No neighbours yet.' });
  const rows = status.neighbours.map((link) => [
    showable(link.label),
    link.direction === 'inbound' ? (id ? 'dari sana' : 'from there') : id ? 'dari sini' : 'from here',
    link.peer,
  ]);
  if (rows.length > 0) context.out(table(rows));
  const failing = kept.filter((peer) => peer.state !== 'linked');
  for (const line of failingLines(failing, context.lang)) context.out(line);
  return EXIT.done;
}
