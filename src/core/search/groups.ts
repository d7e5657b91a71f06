import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import type { ReportFrame, TokenFrame } from '../wire/search-frames.ts';
import * as bitset from './bitset.ts';
import { agree, within, type Given } from './claims.ts';
import { answerConfirm, Confirms } from './confirms.ts';
import { again, atOnce, endPass, lose, named, spend, split, type Own } from './group-search.ts';
import { Origin, sum } from './origin.ts';
import { homeOf, type NodeView, type SearchInput, type SearchOutput, type Strategy } from './search.ts';
import { groupsOf, Tokens, waitFor } from './tokens.ts';

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
        if (input.frame.type === 'token') unsent(input.to, input.frame, now, random, out);
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
    for (const candidate of candidates) confirms.add(candidate, now);
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
      missed: bitset.emptySet(fine),
      lost: false,
      half: audit ? 1 : 0,
      lastHalf: audit ? 2 : 0,
      live: new Map(),
      spent: new Map(),
      losses: new Map(),
      home: 0,
      counted: 0,
      total: null,
    };
    own.set(input.id, search);
    begin(search, now);
    return settle(input.id, now, random, out);
  }

  /** All groups are open, but this node's own where it is synced: it trusts its own prints in every pass. */
  function begin(search: Own, now: number): void {
    search.open = bitset.fullSet(search.fine);
    search.home = 0;
    search.counted = 0;
    if (view.prints.syncedAt(now) < search.origin.startedAt - SEARCH.syncBoundMs) return;
    search.open = bitset.minus(search.open, groupsOf(view, search.fine));
    count(search, view.prints.members() - 1);
  }

  /** Both halves of a group have the same members: each pass counts them all, and one liar can add to one of them only. */
  function count(search: Own, members: number): void {
    search.counted = sum(search.counted, members);
    search.origin.asked = search.total ?? search.counted;
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

  /** A token that is this node's own goes elsewhere under another number: each is handed to one peer only. */
  function unsent(to: string, frame: TokenFrame, now: number, random: Random, out: SearchOutput[]): void {
    tokens.avoid(to, now);
    const onward = { ...frame, hops: frame.hops - 1 };
    if (frame.origin.peer !== view.peer) {
      tokens.move(onward, null, now, random, out);
      return;
    }
    const live = own.get(frame.id)?.live;
    const given = live?.get(frame.number);
    if (live === undefined || given === undefined) return;
    live.delete(frame.number);
    hand(live, { ...given, to: null }, { ...onward, number: newNumber(random) }, now, random, out);
  }

  function hand(
    live: Own['live'],
    given: Given,
    token: TokenFrame,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    live.set(token.number, given);
    given.to = tokens.move(token, null, now, random, out);
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
        blame(from, from, 'reported twice for one token', now, out);
      return;
    }
    const { origin } = search;
    search.live.delete(frame.number);
    search.home += 1;
    if (from === given.to) spend(search, frame.number, from);
    const { covered, failed } = agree(search.fine, given, frame);
    if (covered === null) {
      blame(from, given.to, 'answered for groups that it was not asked about', now, out);
      lose(search, given.groups);
      return settle(frame.id, now, random, out);
    }
    const claimed = from === view.peer ? covered : within(view.keyOf(from), covered, given.half, search);
    search.open = bitset.minus(search.open, claimed);
    // Where this node itself knows nobody, asking again is in vain; what others say of it may be wrong or a lie.
    if (from === view.peer) search.failed = bitset.union(search.failed, failed);
    else again(search, failed);
    // A token that comes home with its work undone may not do so for ever, whatever hits it brought.
    if (bitset.isEmpty(claimed) && bitset.isEmpty(failed)) {
      tokens.late(from, now);
      lose(search, given.groups);
    }
    if (!bitset.isEmpty(claimed)) count(search, Math.min(frame.asked, most(search, claimed)));
    if (from !== view.peer) origin.heard(from);
    origin.messages = sum(origin.messages, sum(frame.hops, from === view.peer ? 0 : 1));
    for (const candidate of frame.candidates) search.confirms.add(candidate, now, from);
    origin.offer(
      frame.hits.filter((hit) => hit.peer === from),
      out,
    );
    return settle(frame.id, now, random, out);
  }

  /**
   * A token that others had in hand may have been altered by any of them, and its reporter taken in. Whom this node gave
   * it to takes it from nobody else (tokens.ts), so that what it reports is its own word, whatever hops it says.
   */
  function blame(from: string, to: string | null, why: string, now: number, out: SearchOutput[]): void {
    if (from !== to || from === view.peer) return;
    out.push({ type: 'liar', peer: from, why });
    tokens.avoid(from, now);
  }

  function settle(id: string, now: number, random: Random, out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    const { origin, confirms, live } = search;
    if (origin.satisfied) return close(id, 'found', out);
    confirms.pump(now, out);
    const enough = origin.accepted + origin.pending + confirms.promising(now) >= origin.want;
    if (!enough) launch(search, now, random, out);
    if (live.size > 0 || homecomings.length > 0 || !origin.idle) return;
    if (!bitset.isEmpty(bitset.minus(search.open, search.failed))) return;
    if (search.half < search.lastHalf) {
      if (confirms.promising(now) > 0) return;
      endPass(search);
      search.half += 1;
      begin(search, now);
      return settle(id, now, random, out);
    }
    if (confirms.pending > 0) return;
    endPass(search);
    const failed = named(search, search.missed);
    for (const group of failed) origin.lack(group);
    const why = failed.length > 0 ? (search.lost ? 'lost' : 'unsynced') : 'all-prints';
    return close(id, why, out);
  }

  /** As many members as these groups may have, by what this node's own has: keys are spread by chance. */
  function most({ fine }: Own, groups: Uint8Array): number {
    const share = bitset.size(groups) / 2 ** Math.max(0, fine - view.prints.bits());
    return Math.ceil(SEARCH.groupSpread * share * view.prints.members() + SEARCH.groupSlack);
  }

  /** Splits what is open and given to nobody among as many new tokens as may be under way. */
  function launch(search: Own, now: number, random: Random, out: SearchOutput[]): void {
    const { origin, live, fine } = search;
    let { bits } = search;
    let free = bitset.minus(search.open, search.failed);
    for (const { groups } of live.values()) free = bitset.minus(free, groups);
    const whole = fine > bits ? bitset.coarsen(free, fine) : free;
    // Halves of which the other was asked come last, in tokens of their own.
    if (bitset.isEmpty(whole)) bits = fine;
    else free = whole;
    const groups = bitset.members(free);
    if (groups.length === 0) return;
    const parts = split(search, groups, bits, random);
    for (const { part, leash } of parts.slice(0, Math.max(0, atOnce(search) - live.size))) {
      const missing = bitset.emptySet(bits);
      for (const group of part) bitset.add(missing, group);
      const number = newNumber(random);
      const until = now + waitFor(part.length);
      const given = bits < fine ? bitset.refine(missing, bits) : missing;
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
      hand(live, { groups: given, half: search.half, to: null, until }, token, now, random, out);
    }
  }

  function expire(id: string, now: number, random: Random, out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    const { origin, confirms, live } = search;
    confirms.expire(now);
    for (const [number, { groups, until, to }] of live) {
      if (now < until) continue;
      live.delete(number);
      if (to !== null) tokens.late(to, now);
      lose(search, groups);
    }
    if (now >= origin.deadline) close(id, 'time', out);
    else settle(id, now, random, out);
  }

  function close(id: string, ground: Parameters<Origin['end']>[0], out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    own.delete(id);
    // Cut short: whoever speaks for these groups was not heard.
    if (ground === 'time' || ground === 'cancelled')
      for (const group of named(search, bitset.union(search.open, search.missed))) search.origin.lack(group);
    search.origin.end(ground, out);
  }

  return { step };
}

/** 53 random bits. */
function newNumber(random: Random): number {
  return Math.floor(random() * 0x20_0000_0000_0000);
}
