import { resolve } from 'node:path';
import type { Answer } from '../../balancer/resolving.ts';
import { SERVER_GROUP } from '../../core/config.ts';
import { asKelanaError } from '../../core/errors.ts';
import type { ServerFinder } from '../../overlay/servers/finder.ts';
import type { Context } from '../context.ts';
import { DATA_FOLDER } from '../data-folder.ts';
import { readGroupKey } from '../group.ts';
import { siblingAddresses } from '../siblings.ts';
import type { Values } from '../values.ts';

/** What `p2p://` names stand for. A node of the overlay is started by the first of them. */
export class OverlayServers {
  readonly #context: Pick<Context, 'cwd'>;
  readonly #values: Values;
  #finder: Promise<ServerFinder> | null = null;

  constructor(context: Pick<Context, 'cwd'>, values: Values) {
    this.#context = context;
    this.#values = values;
  }

  /** Never rejects. */
  async resolve(name: string): Promise<Answer> {
    const ttlMs = SERVER_GROUP.roundMs;
    try {
      this.#finder ??= this.#start();
      const { servers, reached } = await (await this.#finder).find(name);
      const found = servers.map((server) => ({ ...server, weight: 1 }));
      const why = found.length > 0 ? null : reached === 0 ? NOBODY : NONE;
      return { found, whole: true, ttlMs, why };
    } catch (thrown) {
      // Such as a key that cannot be read: tried again with the next question.
      this.#finder = null;
      const error = asKelanaError(thrown);
      const why = { id: error.describe('id').says, en: error.describe('en').says };
      return { found: [], whole: false, ttlMs, why };
    }
  }

  async close(): Promise<void> {
    const finder = await this.#finder?.catch(() => null);
    await finder?.close();
  }

  async #start(): Promise<ServerFinder> {
    const { cwd } = this.#context;
    const root = resolve(cwd, this.#values.text('data') ?? DATA_FOLDER);
    const key = await readGroupKey(cwd, this.#values.text('group-key'));
    const { ServerFinder: Finder } = await import('../../overlay/servers/finder.ts');
    return await Finder.start({
      key,
      // Servers of this machine need not be named.
      peers: async () => [
        ...new Set([...this.#values.texts('peer'), ...(await siblingAddresses(root).catch(() => []))]),
      ],
      now: () => performance.now(),
    });
  }
}

const NOBODY = {
  id: 'tidak ada node overlay yang terjangkau',
  en: 'no node of the overlay can be reached',
};
const NONE = {
  id: 'tidak ada server dengan kunci yang sama',
  en: 'no server with the same key',
};
