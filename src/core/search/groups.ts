import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import type { ReportFrame, TokenFrame } from '../wire/search-frames.ts';
import * as bitset from './bitset.ts';
import { answerConfirm, Confirms } from './confirms.ts';
import { Origin, sum } from './origin.ts';
import { homeOf, type NodeView, type SearchInput, type SearchOutput, type Strategy } from './search.ts';
import { halfOf } from './size.ts';
import { groupOf, groupsOf, Tokens } from './tokens.ts';

/** A search by prints at the node that began it. Sets are of 2^fine groups. */
interface Own {
  readonly origin: Origin;
  readonly confirms: Confirms;
  /** Tokens at once at most. */
  readonly most: number;
  /** log2 of the groups that tokens are given: as this node counted at the start, whatever others say. */
  readonly bits: number;
  /** One more, where that may be: some members count so, and answer for half of what a token calls a group. */
  readonly fine: number;
  /** Groups not yet asked in this pass. */
  open: Uint8Array;
  failed: Uint8Array;
  /** Some token never came home: what failed may have been lost, not unsynced. */
  lost: boolean;
  /** 0 any member; 1, then 2: one member of each half of every group. */
  half: number;
  readonly lastHalf: number;
  /** Tokens under way by number. */
  readonly live: Map<number, Live>;
  /** Who reported for the latest tokens that are home, by number. */
  readonly spent: Map<number, string>;
  /** Times that each group was given to a token that was lost. */
  readonly losses: Map<number, number>;
  home: number;
}

/** What the origin remembers of a token: a report never says otherwise. */
interface Live {
  readonly groups: Uint8Array;
  /** The half that it was to ask. */
  readonly half: number;
  /** ms: when it counts as lost. */
  readonly until: number;
}

/**
 * Walk over print groups (SEARCH.md; ancestors: Kelips, Gupta et al. 2003; PlanetP, Cuenca-Acuna et al. 2003;
 * BubbleStorm, Terpstra et al. 2007). Every node holds the prints of all members of its group, so one synced member
 * of each group answers for the whole network, and which groups were asked is an exact set of g bits.
 *
 * The origin splits the groups that are left among tokens; each asks a few on its leash and comes home, where the
 * rest is split anew among more tokens. So the origin always knows what is covered, a lost token costs its own groups
 * only, and a token may claim no group that it was not given. What prints promise, the holder itself must confirm.
 *
 * As long as it is on purpose: each message may be a lie, and what is believed of it is read at one place.
 */
export function createGroups(view: NodeView): Strategy {
  const own = new Map<string, Own>();
  const homecomings: ReportFrame[] = [];
  const tokens = new Tokens(view, (report) => homecomings.push(report));

  function step(input: SearchInput, now: number, random: Random): readonly SearchOutput[] {
    const out: SearchOutput[] = [];
    handle(input, now, random, out);
    for (let report = homecomings.shift(); report !== undefined; report = homecomings.shift())
      comeHome(view.peer, report, now, random, out);
    return out;
  }

  function handle(input: SearchInput, now: number, random: Random, out: SearchOutput[]): void {
    switch (input.type) {
      case 'start':
        start(input, now, random, out);
        break;
      case 'frame':
        receive(input.from, input.frame, now, random, out);
        break;
      case 'unsent':
        if (input.frame.type === 'token') tokens.unsent(input.to, input.frame, now, random, out);
        else if (input.frame.type === 'confirm') {
          own.get(input.frame.id)?.confirms.lost(input.to);
          settle(input.frame.id, now, random, out);
        }
        break;
      case 'proved':
        own.get(input.id)?.origin.proved(input, out);
        settle(input.id, now, random, out);
        break;
      case 'neighbour-down':
        tokens.forget(input.peer);
        for (const [id, { confirms }] of own) {
          confirms.again(input.peer);
          settle(id, now, random, out);
        }
        break;
      case 'cancel':
        close(input.id, 'cancelled', out);
        break;
      case 'forget':
        own.delete(input.id);
        break;
      case 'tick':
        for (const id of own.keys()) expire(id, now, random, out);
        break;
      default:
        break;
    }
  }

  function start(
    input: Extract<SearchInput, { type: 'start' }>,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    const origin = new Origin(input, 'groups', now);
    origin.own(view, out);
    const candidates = view.prints.candidates(input.query);
    const alone = view.neighbours().length === 0;
    if (alone) for (const label of input.unlinked ?? []) origin.lack(label);
    if (origin.satisfied) return origin.end('found', out);
    if (candidates === null) return origin.end('no-proof', out);
    const bits = view.prints.bits();
    const audit = input.settings?.audit === true;
    const confirms = new Confirms(view, origin);
    for (const candidate of candidates) confirms.add(candidate);
    const fine = Math.min(bits + 1, SEARCH.maxGroupBits);
    const search: Own = {
      origin,
      confirms,
      most: Math.min(
        input.settings?.tokens ?? Math.max(SEARCH.tokensLeast, 2 ** bits / SEARCH.tokensShare),
        SEARCH.maxTokens,
      ),
      bits,
      fine,
      open: bitset.emptySet(fine),
      failed: bitset.emptySet(fine),
      lost: false,
      half: audit ? 1 : 0,
      lastHalf: audit ? 2 : 0,
      live: new Map(),
      spent: new Map(),
      losses: new Map(),
      home: 0,
    };
    own.set(input.id, search);
    begin(search, now);
    if (bitset.size(search.open) < 2 ** fine) origin.asked = view.prints.members() - 1;
    return settle(input.id, now, random, out);
  }

  /** All groups are open, but this node's own where it is synced: it trusts its own prints in every pass. */
  function begin(search: Own, now: number): void {
    search.open = bitset.fullSet(search.fine);
    search.home = 0;
    if (view.prints.syncedAt(now) >= search.origin.startedAt - SEARCH.syncBoundMs)
      search.open = bitset.minus(search.open, groupsOf(view, search.fine));
  }

  function receive(
    from: string,
    frame: Extract<SearchInput, { type: 'frame' }>['frame'],
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    if (frame.type === 'token') tokens.carry(from, frame, now, random, out);
    else if (frame.type === 'confirm') answerConfirm(view, from, frame, out);
    else if (frame.type === 'report') comeHome(from, frame, now, random, out);
    else if (frame.type === 'found') {
      const search = own.get(frame.id);
      // Its prints were asked before, and counted then.
      search?.confirms.answered(from, frame, out);
      settle(frame.id, now, random, out);
    } else if (frame.type === 'trace' && own.get(frame.id)?.origin.trace === true) {
      const label = view.neighbour(from)?.label ?? from;
      out.push({ type: 'trail', id: frame.id, steps: [{ peer: from, label, hops: frame.hops }] });
    }
  }

  function comeHome(
    from: string,
    frame: ReportFrame,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    const search = own.get(frame.id);
    if (search === undefined) return;
    const given = search.live.get(frame.number);
    if (given === undefined) {
      // A token that counted as lost was given again; what it says now counts no more, but is no lie.
      if (search.spent.get(frame.number) === from)
        blame(from, frame, 'reported twice for one token', now, out);
      return;
    }
    const { origin } = search;
    search.live.delete(frame.number);
    search.home += 1;
    spend(search, frame.number, from);
    const { covered, failed } = agree(search, given, frame);
    if (covered === null) {
      blame(from, frame, 'answered for groups that it was not asked about', now, out);
      lose(search, given.groups);
      return settle(frame.id, now, random, out);
    }
    const claimed = from === view.peer ? covered : within(from, covered, given.half, search);
    search.open = bitset.minus(search.open, claimed);
    // Where this node itself knows nobody, asking again is in vain; what others say of it may be wrong or a lie.
    if (from === view.peer) search.failed = bitset.union(search.failed, failed);
    else again(search, failed);
    // A token that comes home with its work undone may not do so for ever, whatever hits it brought.
    if (bitset.isEmpty(claimed) && bitset.isEmpty(failed)) lose(search, given.groups);
    origin.asked = sum(origin.asked, frame.asked);
    origin.messages = sum(origin.messages, sum(frame.hops, from === view.peer ? 0 : 1));
    for (const candidate of frame.candidates) search.confirms.add(candidate);
    origin.offer(
      frame.hits.filter((hit) => hit.peer === from),
      out,
    );
    return settle(frame.id, now, random, out);
  }

  /** A token that others had in hand may have been altered by any of them, and its reporter taken in. */
  function blame(from: string, { hops }: ReportFrame, why: string, now: number, out: SearchOutput[]): void {
    if (hops > 1 || from === view.peer) return;
    out.push({ type: 'liar', peer: from, why });
    tokens.avoid(from, now);
  }

  function spend({ spent }: Own, number: number, from: string): void {
    const oldest = spent.size >= SEARCH.maxTokens ? spent.keys().next().value : undefined;
    if (oldest !== undefined) spent.delete(oldest);
    spent.set(number, from);
  }

  /**
   * A report in the search's own groups; `covered` is null where it is of another half than the token, or claims what
   * was not given.
   */
  function agree(
    { fine }: Own,
    given: Live,
    frame: ReportFrame,
  ): { covered: Uint8Array | null; failed: Uint8Array } {
    const none = bitset.emptySet(fine);
    // Whoever was handed the token with another half in it was not asked for this one.
    if (frame.half !== given.half) return { covered: null, failed: none };
    let { groups } = given;
    let { covered, failed } = frame;
    for (let bits = frame.bits; bits < fine; bits += 1) {
      covered = bitset.refine(covered, bits);
      failed = bitset.refine(failed, bits);
    }
    for (let bits = fine; bits < frame.bits; bits += 1) groups = bitset.refine(groups, bits);
    if (!bitset.isEmpty(bitset.minus(covered, groups))) return { covered: null, failed: none };
    for (let { bits } = frame; bits > fine; bits -= 1) {
      covered = bitset.coarsen(covered, bits);
      failed = bitset.touched(failed, bits);
    }
    return { covered, failed: bitset.both(failed, given.groups) };
  }

  /** In a half's pass a reporter of the other half speaks for its own group only. */
  function within(from: string, covered: Uint8Array, half: number, { bits, fine }: Own): Uint8Array {
    const key = view.keyOf(from);
    if (half === 0 || halfOf(key) === half) return covered;
    const own = bitset.emptySet(bits);
    bitset.add(own, groupOf(key, bits));
    return bitset.both(covered, fine > bits ? bitset.refine(own, bits) : own);
  }

  function settle(id: string, now: number, random: Random, out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    const { origin, confirms, live } = search;
    if (origin.satisfied) return close(id, 'found', out);
    confirms.pump(now, out);
    const enough = origin.accepted + origin.pending + confirms.pending >= origin.want;
    if (!enough) launch(search, now, random, out);
    if (live.size > 0 || homecomings.length > 0 || confirms.pending > 0 || !origin.idle) return;
    if (!bitset.isEmpty(bitset.minus(search.open, search.failed))) return;
    const failed = named(search, search.failed);
    if (failed.length === 0 && search.half < search.lastHalf) {
      search.half += 1;
      begin(search, now);
      return settle(id, now, random, out);
    }
    for (const group of failed) origin.lack(group);
    const why = failed.length > 0 ? (search.lost ? 'lost' : 'unsynced') : 'all-prints';
    return close(id, why, out);
  }

  /** Splits what is open and given to nobody among as many new tokens as may be under way. */
  function launch(search: Own, now: number, random: Random, out: SearchOutput[]): void {
    const { origin, live, most, fine } = search;
    let { bits } = search;
    let free = bitset.minus(search.open, search.failed);
    for (const { groups } of live.values()) free = bitset.minus(free, groups);
    const whole = fine > bits ? bitset.coarsen(free, fine) : free;
    // Halves of which the other was asked come last, in tokens of their own.
    if (bitset.isEmpty(whole)) bits = fine;
    else free = whole;
    const groups = bitset.members(free);
    if (groups.length === 0) return;
    const leash = most === 1 ? 0 : SEARCH.leash;
    // Each is given what its leash allows, and less where all that are allowed would end sooner with less.
    const share = Math.max(SEARCH.leash / 2, Math.ceil(groups.length / atOnce(search)));
    const each = leash === 0 ? groups.length : Math.min(leash, share);
    const count = Math.min(atOnce(search) - live.size, Math.ceil(groups.length / each));
    if (count <= 0) return;
    for (let at = groups.length - 1; at > 0; at -= 1) {
      const other = Math.floor(random() * (at + 1));
      const [a = 0, b = 0] = [groups[at], groups[other]];
      groups[at] = b;
      groups[other] = a;
    }
    for (let part = 0; part < count; part += 1) {
      const missing = bitset.emptySet(bits);
      for (const group of groups.slice(part * each, (part + 1) * each)) bitset.add(missing, group);
      const number = newNumber(random);
      const until = now + SEARCH.tokenSilenceMs + each * SEARCH.tokenHopMs;
      const given = bits < fine ? bitset.refine(missing, bits) : missing;
      live.set(number, { groups: given, half: search.half, until });
      const none = bitset.emptySet(bits);
      const token: TokenFrame = {
        type: 'token',
        id: origin.id,
        query: origin.query,
        hops: 0,
        remainingMs: origin.remaining(now),
        origin: homeOf(view),
        bits,
        missing,
        covered: none,
        failed: none,
        leash,
        half: search.half,
        tries: 0,
        asked: 0,
        number,
        trace: origin.trace,
      };
      tokens.move(token, null, now, random, out);
    }
  }

  /** One token first, for what is common; then four times as many with every round of homecomings. */
  function atOnce({ home, most }: Own): number {
    let count = 1;
    for (let need = 1; count < most && home >= need; need += count) count *= SEARCH.tokenGrowth;
    return Math.min(count, most);
  }

  function expire(id: string, now: number, random: Random, out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    const { origin, confirms, live } = search;
    confirms.expire(now);
    for (const [number, { groups, until }] of live) {
      if (now < until) continue;
      live.delete(number);
      lose(search, groups);
    }
    if (now >= origin.deadline) close(id, 'time', out);
    else settle(id, now, random, out);
  }

  /** A token that never came home, or came with a lie: its groups are open again, but not for ever. */
  function lose(search: Own, groups: Uint8Array): void {
    search.lost = true;
    again(search, groups);
  }

  /** Groups that are to be asked of other members, a few times at most. */
  function again(search: Own, groups: Uint8Array): void {
    const { losses } = search;
    for (const group of bitset.members(bitset.both(groups, search.open))) {
      losses.set(group, (losses.get(group) ?? 0) + 1);
      if ((losses.get(group) ?? 0) >= SEARCH.tokenAttempts) bitset.add(search.failed, group);
    }
  }

  function close(id: string, ground: Parameters<Origin['end']>[0], out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    own.delete(id);
    // Cut short: whoever speaks for these groups was not heard.
    if (ground === 'time' || ground === 'cancelled')
      for (const group of named(search, search.open)) search.origin.lack(group);
    search.origin.end(ground, out);
  }

  return { step };
}

/** Groups as a person may read them. */
function named({ bits, fine }: Own, set: Uint8Array): string[] {
  const groups = bitset.members(fine > bits ? bitset.touched(set, fine) : set);
  return groups.map((group) => `${group + 1}/${2 ** bits}`);
}

/** 53 random bits. */
function newNumber(random: Random): number {
  return Math.floor(random() * 0x20_0000_0000_0000);
}
