import type { Holding } from '../core/ports.ts';
import type { Random } from '../core/random.ts';
import { PRINTS } from '../core/config.ts';
import { createDirectory, type Directory, type DirectoryInput } from '../core/search/directory.ts';
import { PrintWriter, type EncodedPrints } from '../core/search/prints.ts';
import type { Contact, PrintsView } from '../core/search/search.ts';
import type { SyncFrame } from '../core/wire/sync.ts';
import { hash8, keyOf, verifySignature } from './keys.ts';
import type { Link } from './link.ts';

export interface PrintKeeperOptions {
  readonly peer: string;
  readonly label: string;
  addresses(): readonly string[];
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** What this node shares now; the same array as long as that is the same. */
  files(): readonly Holding[];
  /** Not all of them are known yet: others have to ask this node itself. */
  scanning(): boolean;
  readonly now: () => number;
  /** ms since the Unix epoch. */
  readonly wall: () => number;
  readonly random: Random;
  readonly send: (peer: string, frame: SyncFrame, addresses: readonly string[] | undefined) => void;
  readonly liar: (peer: string, why: string) => void;
  /** A neighbour of this node's group says nothing of prints. */
  readonly mute: (peer: string) => void;
  /** The DHT's nearest peers, by which the size of the network is estimated. */
  closest(): readonly string[];
  readonly bits?: number;
  readonly resizeAfterMs?: number;
}

/** ms between looks at the DHT's density; it moves with the size of the network, which takes minutes. */
const DENSITY_MS = 2_000;

/** Keeps the prints of this node's group: the directory of core, run over links and guests, with the library's own prints. */
export class PrintKeeper {
  readonly #options: PrintKeeperOptions;
  readonly #directory: Directory;
  readonly #writer = new PrintWriter();
  #files: readonly Holding[] | null = null;
  #encoded: EncodedPrints = { segments: [], partial: false };
  readonly #ticker: NodeJS.Timeout;
  #densityAt = -Infinity;

  constructor(options: PrintKeeperOptions) {
    const { peer, label, sign, bits, resizeAfterMs } = options;
    this.#options = options;
    this.#directory = createDirectory({
      self: { peer, label: () => label, addresses: () => options.addresses() },
      keyOf,
      sign,
      verify: verifySignature,
      hash8,
      ...(bits === undefined ? {} : { bits }),
      ...(resizeAfterMs === undefined ? {} : { resizeAfterMs }),
    });
    this.#ticker = setInterval(() => this.#tick(), PRINTS.tickMs);
    this.#ticker.unref();
    this.changed();
  }

  get view(): PrintsView {
    return this.#directory.view;
  }

  /** Bytes of memory that the prints take. */
  get bytes(): number {
    return this.#directory.bytes();
  }

  /** The shared files are others than before. */
  changed(): void {
    const files = this.#options.files();
    // Often only what is said of them changed.
    if (files !== this.#files) this.#encoded = this.#writer.encode(files);
    this.#files = files;
    const { segments, partial } = this.#encoded;
    const unread = this.#options.scanning();
    this.#step({ type: 'library', segments, partial: partial || unread, wall: this.#options.wall() });
  }

  up({ peer, label, addresses, bits }: Link): void {
    this.#step({ type: 'link-up', peer, label, addresses, bits });
  }

  down({ peer }: Link): void {
    this.#step({ type: 'link-down', peer });
  }

  receive(from: string, frame: SyncFrame): void {
    this.#step({ type: 'frame', from, frame });
  }

  /** A neighbour told of a peer. */
  heard(contact: Contact): void {
    this.#step({ type: 'contact', contact });
  }

  unsent(peer: string): void {
    this.#step({ type: 'contact-failed', peer });
  }

  sample(count: number): readonly Contact[] {
    return this.#directory.sample(count, this.#options.random);
  }

  /** A member of this node's group that said it goes, before it did. */
  left(peer: string): boolean {
    return this.#directory.record(peer)?.gone === true;
  }

  /** Whoever said that it goes need not be looked for. */
  forget(peer: string): void {
    for (let failure = 0; failure < PRINTS.maxContactFailures; failure += 1) this.unsent(peer);
  }

  /** Everybody that this node knows of. */
  known(): readonly Contact[] {
    return this.#directory.view.contacts(0, 0);
  }

  /** Tells the neighbours that this node goes, so that its prints go with it. */
  leave(): void {
    clearInterval(this.#ticker);
    this.#step({ type: 'leave', wall: this.#options.wall() });
  }

  #tick(): void {
    const now = this.#options.now();
    if (now >= this.#densityAt) {
      this.#densityAt = now + DENSITY_MS;
      const keys = this.#options.closest().map(keyOf);
      if (keys.length > 0) this.#step({ type: 'density', keys });
    }
    this.#step({ type: 'tick', wall: this.#options.wall() });
  }

  #step(input: DirectoryInput): void {
    const { now, random, send, liar, mute } = this.#options;
    for (const output of this.#directory.step(input, now(), random)) {
      if (output.type === 'send') send(output.to, output.frame, output.addresses);
      else if (output.type === 'liar') liar(output.peer, output.why);
      else if (output.type === 'mute') mute(output.peer);
    }
  }
}
