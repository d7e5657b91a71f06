import { EXIT } from '../../core/errors.ts';
import type { Lang } from '../../core/lang.ts';
import type { PrintsInfo } from '../../core/ports.ts';
import { showable } from '../../core/render/escape.ts';
import type { Command } from '../command.ts';
import { DATA_OPTION } from '../data-folder.ts';
import { runningNode } from '../find-node.ts';
import { bytesText, durationText, numberText, table } from '../format.ts';
import { limitText } from '../limit-text.ts';

export const command: Command = {
  name: 'status',
  summary: { id: 'keadaan sebuah node', en: 'how a node is doing' },
  section: 'status',
  options: [DATA_OPTION],
  examples: [
    {
      line: 'kelana status',
      what: { id: 'nama, alamat, tetangga, berkas', en: 'name, addresses, neighbours, files' },
    },
  ],
  run: async (context, values) => {
    const status = await (await runningNode(context, values)).status();
    if (values.flag('json')) {
      context.out(JSON.stringify(status));
      return EXIT.done;
    }
    const { lang } = context;
    const id = lang === 'id';
    const neighbours = status.neighbours.map((link) => showable(link.label)).join(', ');
    context.out(
      table([
        ['node', status.label],
        [id ? 'identitas' : 'identity', status.peerId],
        [id ? 'tetangga' : 'neighbours', neighbours === '' ? '-' : neighbours],
        [id ? 'nama berkas' : 'file names', printsText(status.prints, lang)],
        [
          id ? 'berkas' : 'files',
          `${numberText(status.files, lang)} (${bytesText(status.bytes, lang)})${status.scanning ? (id ? ', masih dipindai' : ', still scanning') : ''}`,
        ],
        [id ? 'kirim' : 'upload', limitText(status.limits.up, lang)],
        [id ? 'unduh' : 'download', limitText(status.limits.down, lang)],
        [
          id ? 'berjalan' : 'running',
          `${durationText(status.uptimeSeconds * 1000, lang)}, pid ${status.pid}, ${bytesText(status.memoryBytes, lang)}`,
        ],
        ...status.addresses.map((address, at) => [at === 0 ? (id ? 'alamat' : 'addresses') : '', address]),
      ]),
    );
    return EXIT.done;
  },
};

/** Whose file names this node knows, so that it can answer for them at once. */
function printsText({ members, estimate, bits, bytes, ageMs }: PrintsInfo, lang: Lang): string {
  const id = lang === 'id';
  const of = bits === 0 ? '' : ` ${id ? 'dari sekitar' : 'of about'} ${numberText(estimate, lang)}`;
  const whose = id
    ? `milik ${numberText(members, lang)} node${of}`
    : `of ${numberText(members, lang)} nodes${of}`;
  const fresh =
    ageMs === null
      ? id
        ? 'belum lengkap'
        : 'not complete yet'
      : id
        ? `lengkap ${durationText(ageMs, lang)} yang lalu`
        : `complete ${durationText(ageMs, lang)} ago`;
  return `${whose}, ${bytesText(bytes, lang)}, ${fresh}`;
}
