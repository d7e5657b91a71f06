/** kelana as a person runs it: nodes that are up and linked, and a `get` asked over the control socket of one. */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NodeClient } from '../../src/control/client.ts';
import type { GetEvent } from '../../src/control/operations.ts';
import { socketPath } from '../../src/control/socket.ts';
import type { Holding } from '../../src/core/ports.ts';
import { folderCid } from './folder-cid.ts';
import { Missing, type Contender, type Running } from './contender.ts';
import type { Material } from './material.ts';
import type { Meter } from './meter.ts';
import { until, type Child, type Workshop } from './workshop.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
/** ms for a whole `get`. */
const GET_MS = 600_000;
/** ms for a library to be read: 10,000 files, or 4 GiB. */
const SCAN_MS = 300_000;

export interface NodeOptions {
  readonly name: string;
  /** Default: a folder of its own with nothing in it. */
  readonly share?: string;
  readonly peers?: readonly { readonly port: number }[];
  /** Further options of `kelana node`. */
  readonly more?: readonly string[];
}

export class KelanaNode {
  readonly child: Child;
  readonly client: NodeClient;
  readonly downloads: string;
  readonly port: number;

  private constructor(child: Child, client: NodeClient, downloads: string, port: number) {
    this.child = child;
    this.client = client;
    this.downloads = downloads;
    this.port = port;
  }

  /** Resolves when it is linked to all peers it was given. */
  static async start(workshop: Workshop, options: NodeOptions): Promise<KelanaNode> {
    const { name, peers = [], more = [] } = options;
    const home = join(workshop.folder, name);
    const [data, downloads, share] = [
      join(home, 'data'),
      join(home, 'in'),
      options.share ?? join(home, 'own'),
    ];
    await mkdir(share, { recursive: true });
    await mkdir(downloads, { recursive: true });
    const places = ['--host', '127.0.0.1', '--port', '0', '--data', data, '--downloads', downloads];
    const links = peers.flatMap(({ port }) => ['--peer', `127.0.0.1:${port}`]);
    const quiet = ['--json', '--log', 'none', '--log-db', 'none'];
    const args = [MAIN, 'node', ...places, '--share', share, ...links, ...quiet, ...more];
    const child = workshop.spawn(process.execPath, args, { cwd: home });
    const [line] = await child.said(/^\{"ready":true.*$/m);
    const { port } = JSON.parse(line) as { port: number };
    const client = new NodeClient(await socketPath(data), data);
    const node = new KelanaNode(child, client, downloads, port);
    await until(`${name} to be linked`, async () => {
      const { neighbours } = await client.status();
      return peers.every((peer) => neighbours.some(({ label }) => label.endsWith(`:${peer.port}`)));
    });
    return node;
  }

  get pid(): number {
    return this.child.pid;
  }

  /** Its files, once it has read all of its library. */
  async files(): Promise<readonly Holding[]> {
    await until('the library to be read', async () => !(await this.client.status()).scanning, SCAN_MS);
    return await this.client.files();
  }

  /** What `kelana get CID` does, to its end; `watch` sees each event. Gives the path. @throws where nothing was saved */
  async get(cid: string, watch: (event: GetEvent) => void = () => undefined): Promise<string> {
    const signal = AbortSignal.timeout(GET_MS);
    let path: string | undefined;
    for await (const event of this.client.get({ kind: 'cid', cid }, { signal, timeoutMs: 30_000 })) {
      watch(event);
      if (event.type === 'saved') {
        if (event.local) throw new Error(`${cid} was there already`);
        path = event.path;
      }
      if (event.type === 'verdict' && event.verdict !== 'found')
        throw new Error(`${cid} is ${event.verdict}`);
    }
    if (path === undefined) throw new Error(`the node ended a get of ${cid} without a word`);
    return path;
  }

  /** `get` as it is measured: the clock runs from the question to the file under its name. */
  async measuredGet(cid: string, meter: Meter, watch?: (event: GetEvent) => void): Promise<string> {
    meter.start();
    const path = await this.get(cid, watch);
    meter.stop();
    return path;
  }

  stop(signal?: NodeJS.Signals): Promise<void> {
    return this.child.stop(signal);
  }
}

let help: Promise<string> | undefined;

/** Whether `kelana node` has this option: what is not built yet cannot be measured. */
export async function nodeHas(option: string): Promise<boolean> {
  help ??= promisify(execFile)(process.execPath, [MAIN, 'node', '--help']).then(({ stdout }) => stdout);
  return new RegExp(`^\\s+${option}\\b`, 'm').test(await help);
}

/**
 * CID of the material, once a node that is linked to its holder finds it. A folder is one CID, the UnixFS directory that
 * any IPFS client makes of it.
 * @throws Missing where kelana has no folders yet
 */
async function cidOf(holder: KelanaNode, asker: KelanaNode, material: Material): Promise<string> {
  const listed = (await holder.files()).find(({ name }) => name === material.name);
  if (listed !== undefined) return listed.cid;
  if (material.files === 1) throw new Error(`${material.name} is not in the library`);
  const cid = await folderCid(material.path);
  for await (const event of asker.client.search({ kind: 'cid', cid }, { want: 1, timeoutMs: 30_000 }))
    if (event.type === 'hit') return cid;
  throw new Missing('no node finds a folder by its CID yet');
}

/** One node that holds the material, one that gets it. */
export function kelana(row: string): Contender {
  return {
    name: 'kelana',
    note: 'get CID, nodes up and linked; verified, synced, renamed',
    async start(workshop: Workshop, material: Material): Promise<Running> {
      const [holder, asker] = await pairOf(workshop, row, join(material.path, '..'));
      const close = async (): Promise<void> => {
        await Promise.all([holder.stop(), asker.stop()]);
      };
      try {
        const cid = await cidOf(holder, asker, material);
        return {
          pids: { sender: [holder.pid], receiver: [asker.pid] },
          folder: asker.downloads,
          transfer: (meter) => asker.measuredGet(cid, meter),
          close,
        };
      } catch (thrown) {
        await close();
        throw thrown;
      }
    },
  };
}

/** Two nodes that are up and linked; the first shares a folder. */
export async function pairOf(
  workshop: Workshop,
  name: string,
  share: string,
): Promise<readonly [KelanaNode, KelanaNode]> {
  const holder = await KelanaNode.start(workshop, { name: `${name}-a`, share });
  await holder.files();
  return [holder, await KelanaNode.start(workshop, { name: `${name}-b`, peers: [holder] })];
}
