import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import type { ReportFrame, TokenFrame } from '../wire/search-frames.ts';
import * as bitset from './bitset.ts';
import { answerConfirm, Confirms } from './confirms.ts';
import { Origin, sum } from './origin.ts';
import { homeOf, type NodeView, type SearchInput, type SearchOutput, type Strategy } from './search.ts';
import { groupOf, groupsOf, halfOf, Tokens } from './tokens.ts';

/** A search by prints at the node that began it. Sets are of 2^bits groups. */
interface Own {
  readonly origin: Origin;
  readonly confirms: Confirms;
  /** Tokens at once at most. */
  readonly most: number;
  bits: number;
  /** Groups not yet asked in this pass. */
  open: Uint8Array;
  failed: Uint8Array;
  /** Some token never came home: what failed may have been lost, not unsynced. */
  lost: boolean;
  /** 0 any member; 1, then 2: one member of each half of every group. */
  half: number;
  readonly lastHalf: number;
  /** Tokens under way by number: the groups given to each, and when it counts as lost (ms). */
  readonly live: Map<number, { groups: Uint8Array; until: number }>;
  /** Times that each group was given to a token that was lost. */
  readonly losses: Map<number, number>;
  tokens: number;
  home: number;
}

/**
 * Walk over print groups (SEARCH.md; ancestors: Kelips, Gupta et al. 2003; PlanetP, Cuenca-Acuna et al. 2003;
 * BubbleStorm, Terpstra et al. 2007). Every node holds the prints of all members of its group, so one synced member
 * of each group answers for the whole network, and which groups were asked is an exact set of g bits.
 *
 * The origin splits the groups that are left among tokens; each asks a few on its leash and comes home, where the
 * rest is split anew among more tokens. So the origin always knows what is covered, a lost token costs its own groups
 * only, and a token may claim no group that it was not given. What prints promise, the holder itself must confirm.
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
    const audit = input.settings?.audit === true && bits > 0;
    const confirms = new Confirms(view, origin);
    for (const candidate of candidates) confirms.add(candidate);
    const search: Own = {
      origin,
      confirms,
      most: Math.min(
        input.settings?.tokens ?? Math.max(SEARCH.tokensLeast, 2 ** bits / SEARCH.tokensShare),
        SEARCH.maxTokens,
      ),
      bits,
      open: bitset.emptySet(bits),
      failed: bitset.emptySet(bits),
      lost: false,
      half: audit ? 1 : 0,
      lastHalf: audit ? 2 : 0,
      live: new Map(),
      losses: new Map(),
      tokens: 0,
      home: 0,
    };
    own.set(input.id, search);
    begin(search, now);
    if (bitset.size(search.open) < 2 ** bits) origin.asked = view.prints.members() - 1;
    return settle(input.id, now, random, out);
  }

  /** All groups are open, but this node's own where it is synced: it trusts its own prints in every pass. */
  function begin(search: Own, now: number): void {
    search.open = bitset.fullSet(search.bits);
    search.home = 0;
    if (view.prints.syncedAt(now) >= search.origin.startedAt - SEARCH.syncBoundMs)
      search.open = bitset.minus(search.open, groupsOf(view, search.bits));
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
    const given = search?.live.get(frame.number);
    // A token that counted as lost was given again; what it says now may come from anybody.
    if (search === undefined || given === undefined || frame.half !== search.half) return;
    const { origin } = search;
    search.live.delete(frame.number);
    search.home += 1;
    const { covered, failed } = agree(search, given.groups, frame);
    if (covered === null) {
      // A token that others had in hand may have been altered by any of them, and its reporter taken in.
      if (frame.hops <= 1) {
        out.push({ type: 'liar', peer: from, why: 'answered for groups that it was not asked about' });
        tokens.avoid(from, now);
      }
      lose(search, given.groups);
      return settle(frame.id, now, random, out);
    }
    const claimed = from === view.peer ? covered : within(from, covered, search);
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

  /** Brings a report and the search to the same number of groups; `covered` is null where it claims what was not given. */
  function agree(
    search: Own,
    groups: Uint8Array,
    frame: ReportFrame,
  ): { covered: Uint8Array | null; failed: Uint8Array } {
    let given = groups;
    let { covered, failed, bits } = frame;
    if (bits === search.bits + 1 && bits <= SEARCH.maxGroupBits) {
      given = bitset.refine(given, search.bits);
      search.open = bitset.refine(search.open, search.bits);
      search.failed = bitset.refine(search.failed, search.bits);
      for (const live of search.live.values()) live.groups = bitset.refine(live.groups, search.bits);
      search.losses.clear();
      search.bits = bits;
    }
    for (; bits < search.bits; bits += 1) {
      covered = bitset.refine(covered, bits);
      failed = bitset.refine(failed, bits);
    }
    if (bits > search.bits) return { covered: null, failed: bitset.emptySet(search.bits) };
    if (!bitset.isEmpty(bitset.minus(covered, given)))
      return { covered: null, failed: bitset.emptySet(bits) };
    return { covered, failed: bitset.both(failed, given) };
  }

  /** In a half's pass a reporter of the other half speaks for its own group only. */
  function within(from: string, covered: Uint8Array, { half, bits }: Own): Uint8Array {
    const key = view.keyOf(from);
    if (half === 0 || halfOf(key, bits) === half) return covered;
    const own = bitset.emptySet(bits);
    bitset.add(own, groupOf(key, bits));
    return bitset.both(covered, own);
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
    const failed = bitset.members(search.failed);
    if (failed.length === 0 && search.half < search.lastHalf) {
      search.half += 1;
      begin(search, now);
      return settle(id, now, random, out);
    }
    for (const group of failed) origin.lack(`${group + 1}/${2 ** search.bits}`);
    const why = failed.length > 0 ? (search.lost ? 'lost' : 'unsynced') : 'all-prints';
    return close(id, why, out);
  }

  /** Splits what is open and given to nobody among as many new tokens as may be under way. */
  function launch(search: Own, now: number, random: Random, out: SearchOutput[]): void {
    const { origin, live, most, bits } = search;
    let free = bitset.minus(search.open, search.failed);
    for (const { groups } of live.values()) free = bitset.minus(free, groups);
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
      search.tokens += 1;
      const until = now + SEARCH.tokenSilenceMs + each * SEARCH.tokenHopMs;
      live.set(search.tokens, { groups: missing, until });
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
        number: search.tokens,
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
    again(search, groups.length === search.open.length ? groups : bitset.refine(groups, search.bits - 1));
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
      for (const group of bitset.members(search.open)) search.origin.lack(`${group + 1}/${2 ** search.bits}`);
    search.origin.end(ground, out);
  }

  return { step };
}
