import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { afterwards, freePorts, settledFile, temporaryFolder } from './basics.ts';
import { killAllIn } from './run.ts';

export interface UpFolder {
  readonly folder: string;
  readonly nodes: readonly [number, number, number];
  readonly servers: readonly [number, number];
  readonly balancer: number;
}

/** What the tour looks for and expects in it. */
export const SENTENCE = 'INI ADALAH KOMUNIKASI P2P';

/**
 * An empty folder but for a kelana.toml that has the parts of the defaults on free ports, and the file that the tour
 * looks for on the third node of a line. Whatever runs there is ended after the test.
 */
export async function upFolder(t: TestContext, more = ''): Promise<UpFolder> {
  const folder = await temporaryFolder(t);
  afterwards(t, () => killAllIn(folder));
  const [n1 = 0, n2 = 0, n3 = 0, s1 = 0, s2 = 0, balancer = 0] = await freePorts(6);
  await settledFile(join(folder, 'files', 'node3', 'contoh.txt'), `${SENTENCE}\n`);
  await settledFile(join(folder, 'files', 'node2', 'lain.txt'), 'lain');
  await settledFile(join(folder, 'files', 'node1', 'satu.txt'), 'satu');
  const node = (at: number, port: number, peer?: number): string =>
    `[[node]]\nhost = "127.0.0.1"\nport = ${port}\nshare = ["files/node${at}"]\n${
      peer === undefined ? '' : `peer = ["localhost:${peer}"]\n`
    }`;
  const server = (port: number): string =>
    `[[server]]\nport = ${port}\np2p-host = "127.0.0.1"\npeer = ["localhost:${n1}"]\n`;
  const toml = [
    node(1, n1),
    node(2, n2, n1),
    node(3, n3, n2),
    server(s1),
    server(s2),
    `[balancer]\nlisten = "localhost:${balancer}"\n`,
    more,
  ];
  await writeFile(join(folder, 'kelana.toml'), toml.join('\n'));
  return { folder, nodes: [n1, n2, n3], servers: [s1, s2], balancer };
}
