import { SEARCH } from '../config.ts';
import type { Random } from '../random.ts';
import * as bitset from './bitset.ts';
import type { Given } from './claims.ts';
import type { Confirms } from './confirms.ts';
import type { Origin } from './origin.ts';

/** A search by prints at the node that began it. Sets are of 2^fine groups. */
export interface Own {
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
  /** What failed in the passes before. */
  missed: Uint8Array;
  /** Some token never came home: what failed may have been lost, not unsynced. */
  lost: boolean;
  /** 0 any member; 1, then 2: one member of each half of every group. */
  half: number;
  readonly lastHalf: number;
  /** Tokens under way by number. */
  readonly live: Map<number, Given>;
  /** Who reported for the latest tokens that came straight home, by number. */
  readonly spent: Map<number, string>;
  /** Times that each group was given to a token that was lost. */
  readonly losses: Map<number, number>;
  home: number;
  /** Members that were asked in this pass; and what the passes before come to, null where there was none. */
  counted: number;
  total: number | null;
}

export function spend({ spent }: Own, number: number, from: string): void {
  const oldest = spent.size >= SEARCH.maxTokens ? spent.keys().next().value : undefined;
  if (oldest !== undefined) spent.delete(oldest);
  spent.set(number, from);
}

/** Where a pass failed, `absent` is out of reach, but the other half may know who has the file. */
export function endPass(search: Own): void {
  const { origin, total, counted } = search;
  const whole = bitset.isEmpty(search.missed) && bitset.isEmpty(search.failed);
  search.total = total === null ? counted : whole ? Math.min(total, counted) : Math.max(total, counted);
  origin.asked = search.total;
  search.missed = bitset.union(search.missed, search.failed);
  search.failed = bitset.emptySet(search.fine);
  search.losses.clear();
}

/** One token first, for what is common; then four times as many with every round of homecomings. */
export function atOnce({ home, most }: Own): number {
  let count = 1;
  for (let need = 1; count < most && home >= need; need += count) count *= SEARCH.tokenGrowth;
  return Math.min(count, most);
}

/** A token that never came home, or came with a lie: its groups are open again, but not for ever. */
export function lose(search: Own, groups: Uint8Array): void {
  search.lost = true;
  again(search, groups);
}

/** Groups that are to be asked of other members, a few times at most. */
export function again(search: Own, groups: Uint8Array): void {
  const { losses } = search;
  for (const group of bitset.members(bitset.both(groups, search.open))) {
    losses.set(group, (losses.get(group) ?? 0) + 1);
    if ((losses.get(group) ?? 0) >= SEARCH.tokenAttempts) bitset.add(search.failed, group);
  }
}

function shuffle(list: number[], random: Random): void {
  for (let at = list.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1));
    const [a = 0, b = 0] = [list[at], list[other]];
    list[at] = b;
    list[other] = a;
  }
}

/** Whether a token for some of this group of 2^bits was lost, or it was asked in vain. */
function lostBefore({ losses, fine }: Own, group: number, bits: number): boolean {
  const parts = 2 ** (fine - bits);
  for (let at = 0; at < parts; at += 1) if (losses.has(group * parts + at)) return true;
  return false;
}

/** Groups as a person may read them. */
export function named({ bits, fine }: Own, set: Uint8Array): string[] {
  const groups = bitset.members(fine > bits ? bitset.touched(set, fine) : set);
  return groups.map((group) => `${group + 1}/${2 ** bits}`);
}

/** What each new token is to ask: groups of 2^bits, and how many before it comes home. */
export function split(
  search: Own,
  groups: readonly number[],
  bits: number,
  random: Random,
): readonly { readonly part: readonly number[]; readonly leash: number }[] {
  const leash = search.most === 1 ? 0 : SEARCH.leash;
  // What was lost is asked straight of one of its own members: nobody else can lose it again.
  const alone = (group: number): boolean => leash > 0 && lostBefore(search, group, bits);
  const fresh = groups.filter((group) => !alone(group));
  // Each is given what its leash allows, and less where all that are allowed would end sooner with less.
  const share = Math.max(SEARCH.leash / 2, Math.ceil(fresh.length / atOnce(search)));
  const each = leash === 0 ? fresh.length : Math.min(leash, share);
  shuffle(fresh, random);
  const parts = groups.filter(alone).map((group) => ({ part: [group], leash: 1 }));
  for (let at = 0; at < fresh.length; at += each) parts.push({ part: fresh.slice(at, at + each), leash });
  return parts;
}
