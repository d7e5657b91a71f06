import { SEARCH } from '../config.ts';
import type { SearchFrame } from '../wire/search-frames.ts';
import { sendTo, sum, type Origin } from './origin.ts';
import { hitsOf, type Contact, type NodeView, type SearchOutput } from './search.ts';

/**
 * Peers that may hold a match, by the DHT or by their prints, asked one after another by the origin itself: never more
 * at once than hits are still wanted, so that a search for one holder asks one.
 */
export class Confirms {
  readonly #view: NodeView;
  readonly #origin: Origin;
  readonly #known = new Map<string, Contact>();
  readonly #queue: Contact[] = [];
  readonly #again = new Set<string>();
  /** ms: until when each may take to answer. */
  readonly #open = new Map<string, number>();

  constructor(view: NodeView, origin: Origin) {
    this.#view = view;
    this.#origin = origin;
  }

  /** Peers that have yet to answer or to be asked. */
  get pending(): number {
    return this.#open.size + this.#queue.length;
  }

  add(contact: Contact): void {
    const { peer, label } = contact;
    if (peer === this.#view.peer || this.#known.has(peer) || this.#view.refuses?.(peer) === true) return;
    if (this.#known.size >= SEARCH.maxOffers) {
      // A liar that names many must not hide the one that holds the file.
      this.#origin.lack(label || peer);
      return;
    }
    this.#known.set(peer, contact);
    this.#queue.push(contact);
  }

  pump(now: number, out: SearchOutput[]): void {
    const origin = this.#origin;
    const most = Math.min(origin.want - origin.accepted, SEARCH.confirmAtOnce);
    while (this.#open.size < most && !origin.hopeful) {
      const contact = this.#queue.shift();
      if (contact === undefined) return;
      this.#open.set(contact.peer, now + SEARCH.confirmTimeoutMs);
      origin.messages = sum(origin.messages, 1);
      const { id, query } = origin;
      const frame = { type: 'confirm', id, query, hops: 1, remainingMs: origin.remaining(now) } as const;
      sendTo(this.#view, contact, frame, out);
    }
  }

  /** A `found` frame; false where this peer was not asked. Each peer speaks for itself only. */
  answered(from: string, frame: Extract<SearchFrame, { type: 'found' }>, out: SearchOutput[]): boolean {
    if (!this.#open.delete(from)) return false;
    const origin = this.#origin;
    origin.messages = sum(origin.messages, 1);
    const label = this.#known.get(from)?.label ?? from;
    if (frame.scanning === true) origin.unread(label);
    if (origin.trace)
      out.push({ type: 'trail', id: origin.id, steps: [{ peer: from, label, hops: frame.hops }] });
    origin.offer(
      frame.hits.filter((hit) => hit.peer === from),
      out,
    );
    return true;
  }

  /** Could not be reached: what it holds is not known. */
  lost(peer: string): void {
    if (this.#open.delete(peer)) this.#origin.lack(this.#known.get(peer)?.label ?? peer);
  }

  /** The link over which it was asked is gone: it is asked once more, wherever it can be dialled. */
  again(peer: string): void {
    const contact = this.#known.get(peer);
    if (contact === undefined || this.#again.has(peer) || !this.#open.delete(peer)) return;
    this.#again.add(peer);
    this.#queue.unshift(contact);
  }

  expire(now: number): void {
    for (const [peer, until] of this.#open) if (now >= until) this.lost(peer);
  }
}

/** A node's answer to `confirm`: its own files, or that it has none. */
export function answerConfirm(
  view: NodeView,
  from: string,
  frame: Extract<SearchFrame, { type: 'confirm' }>,
  out: SearchOutput[],
): void {
  const { id, query, hops } = frame;
  const hits = hitsOf(view, query, hops, SEARCH.maxHits);
  out.push({ type: 'asked', id, query, from, hits });
  const scanning = view.scanning() ? { scanning: true as const } : {};
  out.push({ type: 'send', to: from, frame: { type: 'found', id, hops, walker: 0, hits, ...scanning } });
}
