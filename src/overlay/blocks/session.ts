import { OVERLAY } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import type { BlockSourcePort, Provider } from '../../core/ports.ts';
import { memoryOf, type BlockSession, type Into } from '../../core/transfer/ports.ts';
import type { Turns } from '../turns.ts';
import type { Asked, BlockClient } from './client.ts';

/** One download's share of a channel: several from the same provider use one. */
export class ClientSession implements BlockSession {
  readonly #client: BlockClient;
  readonly #release: () => void;
  readonly #turns: Turns;
  readonly #port: number;
  readonly #stopped = new AbortController();
  readonly #asked = new Set<number>();
  #over: KelanaError | null = null;
  /** Settles when all turns were had that are waited for; null: none is. */
  #waiting: Promise<void> | null = null;

  /**
   * `turns`: the bandwidth of downloads; each block waits for it before it is asked for. `port`: where this node gives
   * what it has so far.
   */
  constructor(client: BlockClient, turns: Turns, port: number, release: () => void) {
    this.#client = client;
    this.#port = port;
    this.#turns = turns;
    this.#release = release;
  }

  get peer(): string {
    return this.#client.peer;
  }

  get label(): string {
    return this.#client.label;
  }

  get via(): 'lane' | 'stream' {
    return this.#client.via;
  }

  async manifest(cid: string): Promise<readonly Uint8Array[]> {
    this.#check();
    return (await this.#answer(this.#client.manifest(cid, false))) as readonly Uint8Array[];
  }

  async nodes(cid: string, take: (node: Uint8Array) => void): Promise<void> {
    this.#check();
    await this.#answer(this.#client.nodes(cid, take));
  }

  async node(cid: string, number: number): Promise<Uint8Array> {
    this.#check();
    return (await this.#answer(this.#client.node(cid, number))) as Uint8Array;
  }

  async root(cid: string): Promise<Uint8Array> {
    this.#check();
    return (await this.#answer(this.#client.manifest(cid, true))) as Uint8Array;
  }

  async have(cid: string): Promise<Uint8Array | null> {
    this.#check();
    return (await this.#answer(this.#client.have(cid))) as Uint8Array | null;
  }

  async others(cid: string): Promise<readonly Provider[]> {
    this.#check();
    return (await this.#answer(this.#client.peers(cid, this.#port))) as readonly Provider[];
  }

  async whole(cid: string, coming: () => void = () => undefined): Promise<Uint8Array | null> {
    this.#check();
    // A limit wants to know before how much it is.
    if (this.#waiting !== null || this.#turns.limited) return null;
    const bytes = (await this.#answer(this.#client.whole(cid, coming))) as Uint8Array;
    await this.#turns.take(this.peer, bytes.length, this.#stopped.signal);
    return bytes;
  }

  async block(cid: string, index: number, into: Into): Promise<void> {
    this.#check();
    const turn = this.#turn(into.length);
    if (turn !== undefined) {
      await turn;
      this.#check();
    }
    const { number, answer } = this.#client.block(cid, index, into);
    this.#asked.add(number);
    try {
      await answer;
    } finally {
      this.#asked.delete(number);
    }
  }

  close(): Promise<void> {
    this.abort('closed');
    return Promise.resolve();
  }

  /** What it asked for is given up; the channel stays for other downloads, unless the provider does not let go of it. */
  abort(why: string): void {
    if (this.#over !== null) return;
    this.#over = new KelanaError('TRANSFER_FAILED', { name: this.label, why });
    this.#stopped.abort(this.#over);
    this.#client.cancel(this.#asked, this.#over);
    if (this.#asked.size === 0) {
      this.#release();
      return;
    }
    const late = setTimeout(() => {
      if (this.#asked.size > 0) this.#client.abort(this.#over ?? new KelanaError('TRANSFER_FAILED', {}));
      this.#release();
    }, OVERLAY.closeMs);
    late.unref();
  }

  /** One after the other: a batch of small files is hundreds of blocks, and a peer may wait for `LIMITS.maxWaits` turns. */
  #turn(bytes: number): Promise<void> | undefined {
    const { signal } = this.#stopped;
    const turn =
      this.#waiting === null
        ? this.#turns.take(this.peer, bytes, signal)
        : this.#waiting.then(() => this.#turns.take(this.peer, bytes, signal));
    if (turn === undefined) return undefined;
    const over = (): void => {
      if (this.#waiting === settled) this.#waiting = null;
    };
    const settled: Promise<void> = turn.then(over, over);
    this.#waiting = settled;
    return turn;
  }

  async #answer({ number, answer }: Asked): Promise<unknown> {
    this.#asked.add(number);
    try {
      return await answer;
    } finally {
      this.#asked.delete(number);
    }
  }

  #check(): void {
    if (this.#over !== null) throw this.#over;
  }
}

/** The same for a file of this node's own: what is here already is copied as everything else is fetched. */
export function localSession(source: BlockSourcePort, peer: string, label: string): BlockSession {
  const nodeOf = async (cid: string, number: number): Promise<Uint8Array> =>
    (await source.manifest(cid)).at(number) ?? new Uint8Array(0);
  return {
    peer,
    label,
    via: 'stream',
    manifest: async (cid) => [...(await source.manifest(cid))],
    nodes: async (cid, take) => {
      for (const node of await source.manifest(cid)) {
        take(node);
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    root: (cid) => nodeOf(cid, 0),
    node: nodeOf,
    have: () => Promise.resolve(null),
    block: async (cid, index, into) => {
      const read = await source.readBlock(cid, index, memoryOf(into));
      if (read.length !== into.length) throw new KelanaError('SOURCE_CHANGED', { name: cid });
    },
    close: () => Promise.resolve(),
    abort: () => undefined,
  };
}
