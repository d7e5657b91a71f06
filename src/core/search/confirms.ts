import { SEARCH } from '../config.ts';
import type { SearchFrame } from '../wire/search-frames.ts';
import { sendTo, sum, type Origin } from './origin.ts';
import { hitsOf, type Contact, type NodeView, type SearchOutput } from './search.ts';

interface Source {
  readonly queue: Contact[];
  /** Of those it named some could not be reached, or are slow. */
  doubtful: boolean;
}

interface Open {
  readonly source: Source;
  readonly since: number;
}

/**
 * Peers that may hold a match, by the DHT or by their prints, asked by the origin itself. Whoever named some takes turns
 * with others who did, so that nobody's list keeps another's waiting; and never more are asked at once than hits are
 * still wanted, so that a search for one holder asks one. Where one does not answer, more are asked beside it.
 */
export class Confirms {
  readonly #view: NodeView;
  readonly #origin: Origin;
  readonly #known = new Map<string, Contact>();
  /** By who named them; the one whose turn it is comes first. */
  readonly #sources = new Map<string, Source>();
  readonly #again = new Set<string>();
  readonly #open = new Map<string, Open>();
  /** Peers that could not be reached. */
  #lost = 0;

  constructor(view: NodeView, origin: Origin) {
    this.#view = view;
    this.#origin = origin;
  }

  /** Peers that have yet to answer or to be asked. */
  get pending(): number {
    let count = this.#open.size;
    for (const { queue } of this.#sources.values()) count += queue.length;
    return count;
  }

  /** The same, of sources that nothing speaks against: no need to ask further until these have answered. */
  promising(now: number): number {
    this.#doubt(now);
    let count = 0;
    for (const { source } of this.#open.values()) if (!source.doubtful) count += 1;
    for (const { queue, doubtful } of this.#sources.values()) if (!doubtful) count += queue.length;
    return count;
  }

  /** `by`: who named it; left out where this node's own prints did. */
  add(contact: Contact, now: number, by: string = this.#view.peer): void {
    const { peer, label } = contact;
    if (peer === this.#view.peer || this.#known.has(peer) || this.#view.refuses?.(peer) === true) return;
    if (this.#known.size >= SEARCH.maxOffers) {
      // A liar that names many must not hide the one that holds the file.
      this.#origin.lack(label || peer);
      return;
    }
    this.#known.set(peer, contact);
    if (this.#view.prints.away?.(peer, now) === true) {
      this.#origin.lack(label || peer);
      return;
    }
    const source = this.#sources.get(by) ?? { queue: [], doubtful: false };
    source.queue.push(contact);
    this.#sources.set(by, source);
  }

  pump(now: number, out: SearchOutput[]): void {
    const origin = this.#origin;
    while (!origin.hopeful) {
      const slow = this.#doubt(now);
      const most = Math.min(origin.want - origin.accepted + slow + this.#lost, SEARCH.confirmAtOnce);
      if (this.#open.size - slow >= most || this.#open.size >= SEARCH.confirmOpen) return;
      const turn = this.#turn();
      if (turn === null) return;
      const { contact, source } = turn;
      this.#open.set(contact.peer, { source, since: now });
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
    origin.heard(from);
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
    const open = this.#open.get(peer);
    if (open === undefined) return;
    this.#open.delete(peer);
    open.source.doubtful = true;
    this.#lost += 1;
    this.#origin.lack(this.#known.get(peer)?.label ?? peer);
  }

  /** The link over which it was asked is gone: it is asked once more, wherever it can be dialled. */
  again(peer: string): void {
    const contact = this.#known.get(peer);
    const open = this.#open.get(peer);
    if (contact === undefined || open === undefined || this.#again.has(peer)) return;
    this.#open.delete(peer);
    this.#again.add(peer);
    open.source.queue.unshift(contact);
  }

  expire(now: number): void {
    for (const [peer, { since }] of this.#open) if (now - since >= SEARCH.confirmTimeoutMs) this.lost(peer);
  }

  /** How many are slow to answer. */
  #doubt(now: number): number {
    let slow = 0;
    for (const { source, since } of this.#open.values()) {
      if (now - since < SEARCH.confirmPatienceMs) continue;
      slow += 1;
      source.doubtful = true;
    }
    return slow;
  }

  /** The next of the source whose turn it is. One that has many open makes way for those that have not. */
  #turn(): { readonly contact: Contact; readonly source: Source } | null {
    const waiting = [...this.#sources].filter(([, { queue }]) => queue.length > 0);
    const busy = ([, source]: readonly [string, Source]): boolean => {
      let count = 0;
      for (const open of this.#open.values()) if (open.source === source) count += 1;
      return count >= SEARCH.confirmAtOnce;
    };
    const spare = this.#open.size < SEARCH.confirmOpen - SEARCH.confirmAtOnce;
    const next = waiting.find((each) => !busy(each)) ?? (spare ? waiting[0] : undefined);
    const contact = next?.[1].queue.shift();
    if (next === undefined || contact === undefined) return null;
    const [by, source] = next;
    this.#sources.delete(by);
    this.#sources.set(by, source);
    return { contact, source };
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
