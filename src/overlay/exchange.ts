import { OVERLAY } from '../core/config.ts';
import { pick, type Random } from '../core/random.ts';
import type { LinkFrame } from '../core/wire/frames.ts';
import type { Contact } from '../core/wire/search-frames.ts';
import { Bucket } from './bucket.ts';
import type { Link } from './link.ts';
import type { Links } from './links.ts';
import { Recent } from './recent.ts';

/** Whom to link to next, best first, and which links are to make way. */
export interface Choice {
  readonly dial: readonly Contact[];
  readonly drop: readonly string[];
}

export interface ExchangeOptions {
  readonly links: Links;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  readonly random: Random;
  /** Links this node looks for by itself; 0 leaves them as they are, and says nothing of others to anybody. */
  readonly wantNeighbours: number;
  /** Contacts to tell a neighbour of, at most `count`. */
  sample(count: number): readonly Contact[];
  /** A neighbour told of a peer. What it says is hearsay: nobody answered there yet. */
  heard(contact: Contact, from: string): void;
  /** The choice itself is made elsewhere, and is pure; peers that are linked already may be in it and are left out here. */
  choose(): Choice;
}

/** Peers that did not take a link are remembered so many: about 150 B each. */
const MAX_BACK_OFFS = 1_024;
/** ms after hearing of peers until the next choice: one frame names several. */
const SOON_MS = 50;
/** ms after which the end of a link does not tell that its peer has no room; before, it is left alone at least so long. */
export const STEADY_MS = 60_000;

/** Keeps a node's neighbours: tells them of each other, hears of others, and links to those that are chosen. */
export class Exchange {
  readonly #options: ExchangeOptions;
  /** What a neighbour may still tell this minute; a new link is no new allowance. */
  readonly #told = new Recent<string, Bucket>(MAX_BACK_OFFS);
  readonly #backOffs = new Recent<string, { until: number; wait: number }>(MAX_BACK_OFFS);
  readonly #dialling = new Map<string, Promise<void>>();
  readonly #stopped = new AbortController();
  #teller: NodeJS.Timeout | undefined;
  #chooser: NodeJS.Timeout | undefined;
  #chooseAt = Infinity;

  constructor(options: ExchangeOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#options.wantNeighbours === 0) return;
    this.#teller = setInterval(() => {
      const link = pick(this.#options.links.all(), this.#options.random);
      if (link !== undefined) this.#tell(link);
    }, OVERLAY.exchangeMs);
    this.#teller.unref();
    this.#chooseIn(SOON_MS);
  }

  up(link: Link): void {
    if (this.#options.wantNeighbours === 0 || this.#stopped.signal.aborted) return;
    this.#tell(link);
    this.#chooseSoon();
  }

  down(link: Link): void {
    if (this.#options.wantNeighbours === 0 || this.#stopped.signal.aborted) return;
    // Whoever ended the link had a reason; dialling at once would only make it end again. Who has more links than it
    // wants drops the youngest, and will for a while.
    const young = this.#options.now() - link.sinceMs < STEADY_MS;
    if (!young) this.#backOffs.delete(link.peer);
    this.#backOff(link.peer, young ? STEADY_MS : OVERLAY.chooseBackOffMinMs);
    this.#chooseSoon();
  }

  /** Takes a `peers` frame; one that comes too soon after many others is left unread. */
  receive(link: Link, frame: Extract<LinkFrame, { type: 'peers' }>): void {
    const now = this.#options.now();
    const most = OVERLAY.maxPeersPerMinute;
    const bucket = this.#told.get(link.peer) ?? new Bucket(most / 60, most, now);
    this.#told.set(link.peer, bucket);
    if (!bucket.take(1, now)) return;
    for (const contact of frame.contacts) this.#options.heard(contact, link.peer);
    this.#chooseSoon();
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    clearInterval(this.#teller);
    clearTimeout(this.#chooser);
    await Promise.all(this.#dialling.values());
  }

  #tell(link: Link): void {
    const contacts = this.#options.sample(OVERLAY.maxContactsSent).filter(({ peer }) => peer !== link.peer);
    if (contacts.length > 0)
      link.send({ type: 'peers', contacts: contacts.slice(0, OVERLAY.maxContactsSent) });
  }

  /** While neighbours are missing. Later a look each `OVERLAY.chooseIdleMs` is enough, and links stay as they are. */
  #chooseSoon(): void {
    if (this.#options.links.all().length < this.#options.wantNeighbours) this.#chooseIn(SOON_MS);
  }

  #chooseIn(ms: number): void {
    const { wantNeighbours, now } = this.#options;
    const at = now() + ms;
    if (wantNeighbours === 0 || this.#stopped.signal.aborted || at >= this.#chooseAt) return;
    this.#chooseAt = at;
    clearTimeout(this.#chooser);
    this.#chooser = setTimeout(() => {
      this.#chooseAt = Infinity;
      this.#choose();
      const enough = this.#options.links.all().length >= wantNeighbours;
      this.#chooseIn(enough ? OVERLAY.chooseIdleMs : OVERLAY.chooseMs);
    }, ms);
    this.#chooser.unref();
  }

  #choose(): void {
    const { links, now } = this.#options;
    const { dial, drop } = this.#options.choose();
    for (const peer of drop) void links.get(peer)?.close('not needed');
    for (const contact of dial) {
      if (this.#dialling.size >= OVERLAY.chooseDials) return;
      const { peer } = contact;
      const later = (this.#backOffs.get(peer)?.until ?? -Infinity) > now();
      if (later || this.#dialling.has(peer) || links.get(peer) !== undefined || links.refused(peer)) continue;
      const dialling = this.#dial(contact).finally(() => {
        this.#dialling.delete(peer);
        this.#chooseSoon();
      });
      this.#dialling.set(peer, dialling);
    }
  }

  /** Never rejects: a peer that cannot be had is left alone for a while. */
  async #dial(contact: Contact): Promise<void> {
    try {
      const link = await this.#options.links.connectTo(contact, this.#stopped.signal);
      if (link === null) this.#backOff(contact.peer);
    } catch {
      this.#backOff(contact.peer);
    }
  }

  /** `least`: ms of the first wait; each further one is twice the one before. */
  #backOff(peer: string, least: number = OVERLAY.chooseBackOffMinMs): void {
    const { now, random } = this.#options;
    const before = this.#backOffs.get(peer)?.wait ?? 0;
    const wait = Math.min(OVERLAY.chooseBackOffMaxMs, Math.max(least, 2 * before));
    this.#backOffs.set(peer, { until: now() + wait * (0.5 + random()), wait });
  }
}
