import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import type { ReportFrame, TokenFrame } from '../wire/search-frames.ts';
import * as bitset from './bitset.ts';
import { sendTo, sum } from './origin.ts';
import { halfOf } from './size.ts';
import { hitsOf, type Contact, type NodeView, type SearchOutput } from './search.ts';

/** Group of a key among 2^bits: its first bits. */
export function groupOf(key: number, bits: number): number {
  return bits === 0 ? 0 : key >>> (32 - bits);
}

/**
 * Tokens at the nodes that they visit. A member that is synced answers for its whole group from the prints it holds;
 * the token goes on to a neighbour in a group that was not asked yet, else to a contact of one, and comes home when
 * it has something to tell, nothing left to ask, or its leash is used up.
 */
export class Tokens {
  readonly #view: NodeView;
  /** A token that comes home at the very node that sent it. */
  readonly #home: (report: ReportFrame) => void;
  /** ms: peers that could not be reached, and until when they are not tried. */
  readonly #down = new Map<string, number>();
  /** ms: peers that lost a token, and until when others are asked first. */
  readonly #late = new Map<string, number>();
  /** Tokens sent to each neighbour: of two that would do, the less used one is taken. */
  readonly #sent = new Map<string, number>();
  /** ms: tokens that came straight from their origins, by number, and until when these wait for them. */
  readonly #had = new Map<number, number>();

  constructor(view: NodeView, home: (report: ReportFrame) => void) {
    this.#view = view;
    this.#home = home;
  }

  /** A token arrives. */
  carry(from: string, token: TokenFrame, now: number, random: Random, out: SearchOutput[]): void {
    if (!this.#first(from, token, now)) return;
    const view = this.#view;
    const { prints } = view;
    const { id, query, origin } = token;
    // Whatever it says itself: one hop is a token straight from its origin, whose report nobody else can have altered.
    const hops = from === origin.peer ? token.hops : Math.max(2, token.hops);
    // In one half's pass only members of that half may hand a token on, so that one liar spoils one pass at most.
    if (token.half > 0 && from !== origin.peer && halfOf(view.keyOf(from)) !== token.half) {
      out.push({ type: 'liar', peer: from, why: 'handed on a token of the other half' });
      return;
    }
    if (token.trace) sendTo(view, origin, { type: 'trace', id, hops }, out);
    let { bits, missing, covered, failed } = token;
    // Groups nest: a node that counts with twice as many answers for half of what the token calls a group.
    if (prints.bits() === bits + 1 && bits < SEARCH.maxGroupBits) {
      missing = bitset.refine(missing, bits);
      covered = bitset.refine(covered, bits);
      failed = bitset.refine(failed, bits);
      bits += 1;
    }
    const own = halfOf(view.keyOf(view.peer));
    const mine = bitset.both(groupsOf(view, bits), missing);
    const candidates = prints.candidates(query);
    const able =
      prints.bits() <= bits && candidates !== null && prints.syncedAt(now) >= now - SEARCH.syncBoundMs;
    missing = bitset.minus(missing, mine);
    let tries = 0;
    // More than can be named: a file might be behind one that is left out.
    const whole = (candidates?.length ?? 0) <= SEARCH.maxCandidates;
    if (able && whole) covered = bitset.union(covered, mine);
    else if (!able && !bitset.isEmpty(mine) && token.tries + 1 < SEARCH.memberTries) tries = token.tries + 1;
    else failed = bitset.union(failed, mine);
    if (tries > 0) missing = bitset.union(missing, mine);
    const hits = hitsOf(view, query, hops, SEARCH.maxHits);
    out.push({ type: 'asked', id, query, from, hits });
    const next: TokenFrame = {
      ...token,
      hops,
      bits,
      missing,
      covered,
      failed,
      tries,
      asked: sum(token.asked, able && whole ? this.#members(mine, bits) : 0),
      leash: Math.max(0, token.leash - 1),
    };
    // A member that is still reading its files is asked itself, and says so.
    const self = view.scanning() ? [{ peer: view.peer, label: view.label, addresses: view.addresses() }] : [];
    const found = [...self, ...(candidates ?? [])].slice(0, SEARCH.maxCandidates);
    const leashed = token.leash === 1 && tries === 0;
    const foreign = token.half > 0 && own !== token.half;
    if (hits.length > 0 || found.length > 0 || leashed || foreign || bitset.isEmpty(missing))
      this.#report({ ...reportOf(next), candidates: found, hits }, origin, out);
    else this.move(next, from, now, random, out);
  }

  /** Members that this node answered for, of these groups of 2^bits. */
  #members(groups: Uint8Array, bits: number): number {
    const { prints } = this.#view;
    return Math.ceil((prints.members() * bitset.size(groups)) / 2 ** Math.max(0, bits - prints.bits()));
  }

  /**
   * False for a token that this node had from its origin before. It was handed on altered, so as to come home with
   * another's lie in it: the origin holds whom it gave a token to for what that one reports.
   */
  #first(from: string, { number, origin, missing }: TokenFrame, now: number): boolean {
    if ((this.#had.get(number) ?? 0) > now) return false;
    if (from !== origin.peer) return true;
    this.#had.delete(number);
    this.#had.set(number, now + waitFor(bitset.size(missing)) + SEARCH.tokenHopMs);
    for (const [old, until] of this.#had) {
      if (until > now && this.#had.size <= SEARCH.maxMarks) break;
      this.#had.delete(old);
    }
    return true;
  }

  /**
   * Sends a token on from here, and returns to whom; groups of which nobody can be reached count as failed, and where
   * that are all it goes home: null.
   */
  move(
    token: TokenFrame,
    from: string | null,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): string | null {
    let { missing, failed, tries } = token;
    while (!bitset.isEmpty(missing)) {
      const hop = this.#next({ ...token, missing, tries }, from, now, random);
      if (hop.contact !== null) {
        const { peer } = hop.contact;
        if (this.#view.neighbour(peer) !== undefined) this.#sent.set(peer, (this.#sent.get(peer) ?? 0) + 1);
        const remainingMs = token.remainingMs;
        const frame = { ...token, missing, failed, tries, hops: sum(token.hops, 1), remainingMs };
        sendTo(this.#view, hop.contact, frame, out);
        return peer;
      }
      tries = 0;
      bitset.remove((missing = missing.slice()), hop.group);
      bitset.add((failed = failed.slice()), hop.group);
    }
    this.#report(reportOf({ ...token, missing, failed }), token.origin, out);
    return null;
  }

  /** No token goes to this peer for a while. */
  avoid(peer: string, now: number): void {
    if (this.#down.size >= SEARCH.maxOffers) this.#down.clear();
    this.#down.set(peer, now + SEARCH.downMs);
  }

  /** A token that it was handed never came home: for a while others are asked first. */
  late(peer: string, now: number): void {
    if (this.#late.size >= SEARCH.maxOffers) this.#late.clear();
    this.#late.set(peer, now + SEARCH.downMs);
  }

  /** Drops what is kept of links that are gone. */
  forget(peer: string): void {
    this.#sent.delete(peer);
  }

  #next(
    token: TokenFrame,
    from: string | null,
    now: number,
    random: Random,
  ): { contact: Contact | null; group: number } {
    const view = this.#view;
    const { bits, missing, half, origin, tries } = token;
    const usable = (peer: string): boolean =>
      peer !== origin.peer && peer !== from && peer !== view.peer && (this.#down.get(peer) ?? 0) <= now;
    const slow = (peer: string): boolean => (this.#late.get(peer) ?? 0) > now;
    const own = groupOf(view.keyOf(view.peer), bits);
    // A second opinion on the same group comes before any other group.
    const again = tries > 0 && bitset.has(missing, own);
    let best: Contact | null = null;
    let bestGroup = 0;
    let seen = 0;
    if (!again) {
      for (const { peer, label } of view.neighbours()) {
        const key = view.keyOf(peer);
        const group = groupOf(key, bits);
        if (!bitset.has(missing, group) || !usable(peer) || slow(peer)) continue;
        if (half > 0 && halfOf(key) !== half) continue;
        seen += 1;
        // Of two drawn at random the less used: reservoir of one, then compared.
        const replace =
          best === null ||
          (random() < 2 / seen && (this.#sent.get(peer) ?? 0) < (this.#sent.get(best.peer) ?? 0)) ||
          random() < 1 / (seen * 2);
        if (replace) {
          best = { peer, label, addresses: [] };
          bestGroup = group;
        }
      }
      // A link is there, a contact has to be dialled. But where nodes have few links, these lead to the same hubs, and
      // hubs would carry it all.
      const spread = seen >= SEARCH.spread || view.neighbours().length >= SEARCH.wellLinked;
      if (best !== null && spread) return { contact: best, group: bestGroup };
    }
    const groups = again ? [own] : bitset.members(missing);
    const group = groups[Math.floor(random() * groups.length)] ?? 0;
    const known = view.prints.contacts(group, bits).filter(({ peer }) => usable(peer));
    const right = half === 0 ? known : known.filter(({ peer }) => halfOf(view.keyOf(peer)) === half);
    // Whoever is of the right half comes before whoever is not, slow or not: else silence could choose who is asked.
    const either = right.length > 0 ? right : known;
    const prompt = either.filter(({ peer }) => !slow(peer));
    const list = prompt.length > 0 ? prompt : either;
    const contact = list[Math.floor(random() * list.length)];
    if (contact === undefined && best !== null) return { contact: best, group: bestGroup };
    return { contact: contact ?? null, group };
  }

  #report(report: ReportFrame, origin: Contact, out: SearchOutput[]): void {
    if (origin.peer === this.#view.peer) this.#home(report);
    else sendTo(this.#view, origin, report, out);
  }
}

/** ms until a token that was given so many groups counts as lost. */
export function waitFor(groups: number): number {
  return SEARCH.tokenSilenceMs + groups * SEARCH.tokenHopMs;
}

/** Groups of 2^bits that this node's prints answer for. */
export function groupsOf(view: NodeView, bits: number): Uint8Array {
  const set = bitset.emptySet(bits);
  const own = view.prints.bits();
  const first = groupOf(view.keyOf(view.peer), own) * 2 ** Math.max(0, bits - own);
  if (own <= bits) for (let at = 0; at < 2 ** (bits - own); at += 1) bitset.add(set, first + at);
  else bitset.add(set, groupOf(view.keyOf(view.peer), bits));
  return set;
}

function reportOf(token: TokenFrame): ReportFrame {
  const { id, bits, missing, covered, failed, half, asked, hops, number } = token;
  return {
    type: 'report',
    id,
    bits,
    missing,
    covered,
    failed,
    half,
    asked,
    hops,
    number,
    candidates: [],
    hits: [],
  };
}
