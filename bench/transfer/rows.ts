/** The rows that compare kelana with others. */
import { ceiling } from './ceiling.ts';
import { compare } from './compare.ts';
import type { Contender } from './contender.ts';
import { kelana } from './kelana.ts';
import { makeFile, makeTree } from './material.ts';
import { helia, webtorrent } from './npm-peers.ts';
import type { Section, Setting } from './section.ts';
import { rsync, scp, tar } from './ssh.ts';
import { syncthing } from './syncthing.ts';
import { curlPlain, curlVerified } from './web.ts';
import { join } from 'node:path';
import { rm } from 'node:fs/promises';

const GiB = 1024 ** 3;
const MB = 1e6;
/** Small files, and the bytes of each. */
const FILES = 10_000;
const SMALL = 4096;

const FILE_PEERS = [ceiling, scp, rsync, curlVerified, curlPlain, syncthing, webtorrent, helia];
const SMALL_PEERS = [rsync, tar, webtorrent];

/** The names that `--peers` takes: without case, and as far as they tell them apart. */
export const PEER_NAMES = [...new Set([...FILE_PEERS, ...SMALL_PEERS].map(({ name }) => name))];

function wanted(all: readonly Contender[], { peers }: Setting): readonly Contender[] {
  if (peers === null) return all;
  return all.filter(({ name }) => peers.some((peer) => name.toLowerCase().startsWith(peer.toLowerCase())));
}

export async function fileRow(setting: Setting): Promise<Section> {
  const { workshop, size, progress } = setting;
  progress(`file: making ${size / 1024 / 1024} MiB`);
  const material = await makeFile(join(workshop.folder, 'file'), 'file.bin', size);
  const section = await compare(setting, {
    row: 'file',
    title: `A file of ${size / 1024 / 1024} MiB, encrypted, over loopback`,
    material,
    contenders: [kelana('file'), ...wanted(FILE_PEERS, setting)],
    ratios: {
      ceiling: 0.9,
      scp: 1.4,
      Syncthing: 1.6,
      'curl + sha256sum': 1.8,
      WebTorrent: 4,
      Helia: 8,
    },
    unit: { rate: 'MB/s', amount: size / MB, per: 's/GiB', units: size / GiB },
    cpuLimit: 2.6,
  });
  await rm(material.path);
  return section;
}

export async function smallRow(setting: Setting): Promise<Section> {
  const { workshop, progress } = setting;
  progress(`small: making ${FILES} files`);
  const material = makeTree(join(workshop.folder, 'small'), 'tree', FILES, SMALL);
  const section = await compare(setting, {
    row: 'small',
    title: `A folder of ${FILES} files of ${SMALL} bytes`,
    material,
    contenders: [kelana('small'), ...wanted(SMALL_PEERS, setting)],
    ratios: { rsync: 1.2, WebTorrent: 3 },
    unit: { rate: 'files/s', amount: FILES, per: 's/10,000 files', units: FILES / 10_000 },
  });
  await rm(material.path, { recursive: true });
  return section;
}
