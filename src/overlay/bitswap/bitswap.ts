import { hash } from 'node:crypto';
import type { Connection, PeerId } from '@libp2p/interface';
import { labelOf } from '../../core/address.ts';
import { KelanaError } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import type { SharedBlocksPort } from '../../core/ports.ts';
import { decodeCid, sha256Of } from '../../core/transfer/cid.ts';
import { blockKey } from '../../core/transfer/unixfs.ts';
import type { BitswapMessage } from '../../core/wire/bitswap.ts';
import type { Host } from '../host.ts';
import { Inbox } from './inbox.ts';
import { Serving } from './serving.ts';
import { BitswapSession, Lately } from './session.ts';

export interface BitswapOptions {
  readonly host: Host;
  /** What is served; null: nothing, and other nodes do not hear that this one speaks bitswap, but while it asks. */
  readonly blocks: SharedBlocksPort | null;
  readonly emit: Emit;
  readonly who: string;
  readonly now: () => number;
  readonly refuses: (peer: string) => boolean;
  /** A peer broke the protocol, or sent what nobody asked for. */
  readonly liar: (peer: string, why: string) => void;
}

/** A peer that is asked, or was a moment ago. */
interface Asked {
  readonly sessions: Set<BitswapSession>;
  readonly lately: Lately;
  forget: NodeJS.Timeout | undefined;
}

/** ms after a download during which its last blocks may still be on their way. */
const LINGER_MS = 10_000;

/** Bitswap with other IPFS nodes: serves what is shared, where that is wished, and asks for files. */
export class Bitswap {
  readonly #options: BitswapOptions;
  readonly #serving: Serving | null;
  readonly #asked = new Map<string, Asked>();
  /** Open while something is served or asked. */
  #inbox: Promise<Inbox> | null = null;
  #users = 0;
  #closed = false;

  private constructor(options: BitswapOptions) {
    this.#options = options;
    const { blocks, ...rest } = options;
    this.#serving = blocks === null ? null : new Serving({ ...rest, blocks, labelOf: labelFor });
    options.host.addEventListener('connection:close', this.#onClose);
    options.host.addEventListener('peer:disconnect', this.#onGone);
  }

  static async start(options: BitswapOptions): Promise<Bitswap> {
    const bitswap = new Bitswap(options);
    if (bitswap.#serving !== null) await bitswap.#listen();
    return bitswap;
  }

  /** What is held for other peers; for tests and figures. */
  get load(): { readonly peers: number; readonly owed: number } {
    return this.#serving?.size ?? { peers: 0, owed: 0 };
  }

  /** A session with a peer; `end` must be called. */
  async open(connection: Connection): Promise<{ session: BitswapSession; end: () => Promise<void> }> {
    await this.#listen();
    const peer = connection.remotePeer.toString();
    const asked = this.#asked.get(peer) ?? { sessions: new Set(), lately: new Lately(), forget: undefined };
    clearTimeout(asked.forget);
    this.#asked.set(peer, asked);
    const session = new BitswapSession(connection, labelFor(connection));
    asked.sessions.add(session);
    const end = async (): Promise<void> => {
      await session.close();
      asked.sessions.delete(session);
      if (asked.sessions.size === 0) {
        clearTimeout(asked.forget);
        asked.forget = setTimeout(() => this.#asked.delete(peer), LINGER_MS).unref();
      }
      await this.#unlisten();
    };
    return { session, end };
  }

  async stop(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#options.host.removeEventListener('connection:close', this.#onClose);
    this.#options.host.removeEventListener('peer:disconnect', this.#onGone);
    for (const { sessions, forget } of this.#asked.values()) {
      clearTimeout(forget);
      for (const session of sessions) session.fail(new Error('stopped'));
    }
    await this.#serving?.stop();
    await (await this.#inbox)?.stop();
    this.#inbox = null;
  }

  async #listen(): Promise<void> {
    this.#users += 1;
    const { host, now, refuses, liar } = this.#options;
    this.#inbox ??= Inbox.start({
      host,
      now,
      refuses,
      asked: (peer) => this.#asked.has(peer),
      onMessage: (peer, connection, message) => this.#take(peer, connection, message),
      onBreach: (peer, error) => {
        liar(peer, error.message);
        for (const session of this.#asked.get(peer)?.sessions ?? [])
          session.fail(named(error, session.label));
        this.#serving?.gone(peer);
      },
    });
    await this.#inbox;
  }

  async #unlisten(): Promise<void> {
    this.#users -= 1;
    const inbox = this.#inbox;
    if (this.#users > 0 || inbox === null) return;
    this.#inbox = null;
    await (await inbox).stop();
  }

  #take(peer: string, connection: Connection, message: BitswapMessage): void {
    this.#serving?.take(peer, connection, message);
    const asked = this.#asked.get(peer);
    // Nobody asked: bytes like any other that are not wanted, within the peer's allowance.
    if (asked === undefined) return;
    for (const { data } of message.blocks) this.#block(asked, data);
    for (const { cid: bytes, have } of message.presences) {
      const cid = decodeCid(bytes);
      const digest = cid === null ? null : sha256Of(cid);
      if (have || digest === null) continue;
      const key = blockKey(digest);
      for (const session of asked.sessions) session.arrived({ key, block: null });
    }
  }

  #block({ sessions, lately }: Asked, data: Uint8Array): void {
    const key = blockKey(hash('sha256', data, 'buffer'));
    const waiting = [...sessions].filter((session) => session.wants(key));
    if (waiting.length === 0 && sessions.size > 0 && !lately.excuses(key, data.length))
      throw new KelanaError('PEER_PROTOCOL', { peer: '', why: UNASKED });
    lately.add(key);
    for (const session of waiting) session.arrived({ key, block: data });
  }

  readonly #onClose = (event: CustomEvent<Connection>): void => {
    for (const { sessions } of this.#asked.values())
      for (const session of sessions)
        if (session.connection.id === event.detail.id) session.fail(new Error('connection closed'));
  };

  readonly #onGone = (event: CustomEvent<PeerId>): void => this.#serving?.gone(event.detail.toString());
}

const UNASKED = {
  id: 'blok yang tidak cocok dengan CID mana pun yang diminta',
  en: 'a block that matches no CID that was asked for',
};

function named(error: KelanaError, peer: string): KelanaError {
  return new KelanaError(error.code, { ...error.params, peer }, error);
}

/** What a person calls a peer of which only its address is known. */
export function labelFor({ remoteAddr }: Connection): string {
  const [, , host = '', , port = ''] = remoteAddr.toString().split('/');
  return labelOf(host, Number(port));
}
