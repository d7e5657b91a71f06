import { SEARCH } from '../config.ts';
import type { Ground, Hit, Query, StrategyName } from '../ports.ts';
import { MAX_COUNT } from '../wire/protobuf.ts';
import { matches } from './query.ts';
import { hitsOf, type Contact, type NodeView, type SearchInput, type SearchOutput } from './search.ts';

type Start = Extract<SearchInput, { type: 'start' }>;
type Proved = Extract<SearchInput, { type: 'proved' }>;

/**
 * A search at the node that began it, whatever the strategy: what was heard, what of it is proved, and the verdict.
 * A hit counts only once its holder has shown bytes that hash to the CID, so that neither a relay nor the holder can
 * make a false `found`.
 */
export class Origin {
  readonly id: string;
  readonly query: Query;
  readonly strategy: StrategyName;
  readonly want: number;
  readonly trace: boolean;
  readonly startedAt: number;
  readonly deadline: number;
  readonly missing: string[] = [];
  /** Peers whose hits are not to be believed, or cannot be. */
  readonly without = new Set<string>();
  messages = 0;
  asked = 0;
  missingCount = 0;
  accepted = 0;
  done = false;
  /** Peers that answered this node itself: so many were asked at least. */
  readonly #heard = new Set<string>();
  readonly #offered = new Map<string, Hit>();
  #waiting: Hit[] = [];
  #proving = 0;
  #unread = 0;

  constructor(start: Start, strategy: StrategyName, now: number) {
    this.id = start.id;
    this.query = start.query;
    this.strategy = strategy;
    this.want = Math.max(1, start.want ?? 1);
    this.trace = start.trace ?? false;
    this.startedAt = now;
    this.deadline = now + start.timeoutMs;
  }

  get satisfied(): boolean {
    return this.accepted >= this.want;
  }

  /** Hits that wait for their proof. */
  get pending(): number {
    return this.#proving + this.#waiting.length;
  }

  /** No hit waits for its proof. */
  get idle(): boolean {
    return this.pending === 0;
  }

  /** Enough hits are proved or about to be: no need to ask further until their proofs are in. */
  get hopeful(): boolean {
    return this.accepted + this.pending >= this.want;
  }

  remaining(now: number): number {
    return Math.max(0, this.deadline - now);
  }

  /** This node's own files need no proof. */
  own(view: NodeView, out: SearchOutput[]): void {
    if (view.scanning()) this.unread(view.label);
    for (const hit of hitsOf(view, this.query, 0, SEARCH.maxHits)) {
      this.accepted += 1;
      out.push({ type: 'hit', id: this.id, hit });
    }
  }

  /**
   * Hits by their holders' own word: no CID proves a name, so what others pass on is no hit yet (`Hearsay`). Only what
   * was asked for counts, and what lies elsewhere is at least one hop away.
   */
  offer(hits: readonly Hit[], out: SearchOutput[]): void {
    if (this.done) return;
    for (const hit of hits) {
      const key = `${hit.peer}/${hit.cid}`;
      if (this.#offered.has(key) || this.without.has(hit.peer) || !matches(this.query, hit)) continue;
      if (this.#offered.size >= SEARCH.maxOffers) {
        // What finds no room is not known to be false.
        this.lack(hit.label || hit.peer);
        continue;
      }
      const far = hit.hops > 0 ? hit : { ...hit, hops: 1 };
      this.#offered.set(key, far);
      this.#waiting.push(far);
    }
    this.#prove(out);
  }

  proved({ peer, cid, proof }: Proved, out: SearchOutput[]): void {
    const hit = this.#offered.get(`${peer}/${cid}`);
    if (hit === undefined || this.done) return;
    this.#proving = Math.max(0, this.#proving - 1);
    if (proof === 'holds') {
      this.accepted += 1;
      out.push({ type: 'hit', id: this.id, hit });
    } else {
      this.without.add(peer);
      if (proof === 'unreachable') this.lack(hit.label || peer);
      else out.push({ type: 'liar', peer, why: 'claimed a file that it does not hold' });
      // Each proof may take seconds: a peer that failed one is not given another.
      this.#waiting = this.#waiting.filter((other) => other.peer !== peer);
    }
    this.#prove(out);
  }

  #prove(out: SearchOutput[]): void {
    const most = Math.min(this.want - this.accepted, SEARCH.provesAtOnce);
    while (this.#proving < most) {
      const hit = this.#waiting.shift();
      if (hit === undefined) return;
      this.#proving += 1;
      out.push({ type: 'prove', id: this.id, hit });
    }
  }

  /** A node that cannot tell yet what it has. */
  unread(label: string): void {
    this.#unread += 1;
    this.lack(label);
  }

  heard(peer: string): void {
    if (this.#heard.size < SEARCH.maxOffers) this.#heard.add(peer);
  }

  lack(label: string): void {
    this.missingCount = sum(this.missingCount, 1);
    if (this.missing.length < SEARCH.maxMissing) this.missing.push(label);
  }

  /** Ends with what was proved; else with `absent` where `ground` is a proof of it and nothing is missing. */
  end(ground: Ground, out: SearchOutput[]): void {
    if (this.done) return;
    this.done = true;
    const proof = (ground === 'all-nodes' || ground === 'all-prints') && this.missingCount === 0;
    const { strategy, messages, missingCount, missing, accepted } = this;
    const asked = Math.max(this.asked, this.#heard.size);
    const verdict = accepted > 0 ? 'found' : proof ? 'absent' : 'incomplete';
    const lack = this.#unread > 0 && this.#unread === missingCount ? 'scanning' : 'lost';
    const why = verdict === 'found' ? 'found' : verdict === 'absent' || !PROOFS.has(ground) ? ground : lack;
    out.push({
      type: 'end',
      id: this.id,
      outcome: { verdict, ground: why, strategy, asked, messages, missingCount, missing },
    });
  }
}

const PROOFS: ReadonlySet<Ground> = new Set(['found', 'all-nodes', 'all-prints']);

/** Others may say any count that fits a frame; their sum must fit one too. */
export function sum(a: number, b: number): number {
  return Math.min(a + b, MAX_COUNT);
}

/** Sends to whoever it is; a peer that is no neighbour goes with its addresses. */
export function sendTo(
  view: NodeView,
  to: Contact,
  frame: Extract<SearchOutput, { type: 'send' }>['frame'],
  out: SearchOutput[],
): void {
  const near = view.neighbour(to.peer) !== undefined;
  out.push({ type: 'send', to: to.peer, frame, ...(near ? {} : { addresses: to.addresses }) });
}
