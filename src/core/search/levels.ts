import { PRINTS } from '../config.ts';

/**
 * How old a node's knowledge is at most, proved.
 *
 * Nodes are linked to mates: neighbours with the same group. Each node M keeps, for k = 0, 1, …, a time level_k(M) and
 * a set ball_k(M) of nodes, such that
 *
 *     (cover)  M holds every record that a node of ball_k(M) had made by level_k(M), or a newer one.
 *
 * level_0(M) is now and ball_0(M) = {M}: its own record is there. A mate A sends, in one status, its ages
 * a_k = now − level_k(A) and how far each node lies, that is its balls. M takes the status as a confirmation when
 * its own table holds all that A's holds (equal digests, or each head of A is here or superseded), and knows that A
 * sent it at `base` or later: A echoes a nonce of M, M knows when it sent that, and A adds how long it held it. Then
 * A had at `base` what its balls had made by base − a_k, and M has it now; tables only gain. So with
 *
 *     level_k(M) = min over mates A of base_A − a_{k−1}(A),   ball_k(M) = {M} ∪ all ball_{k−1}(A)
 *
 * (cover) holds for k if it held for k − 1.
 *
 * Let K be the first k with ball_K(M) = ball_{K+1}(M), and level_{K+1}(M) be known. Then ball_K(M) has every node that
 * was connected to M, since before level_{K+1}(M), by a path of links that all lived since. Proof: let Y be the last
 * node of the path in the ball and Z the next. Y got into ball_K(M) by statuses M ← A1 ← … ← Y of at most K steps.
 * In the same statuses, one level further, Y told its ball_1, with level_1(Y), hence level_{K+1}(M), later than the
 * link to Z came up only if Z had confirmed; and then Z is in ball_1(Y), so in ball_{K+1}(M) = ball_K(M). So the time
 * level_{K+1}(M) is proved for all of them: it is what `syncedAt` says. A sender that has come to its K may be read as
 * if it had sent the same ball and level for every larger k, which keeps the ages from growing with k beyond need.
 *
 * A liar can say what it likes of itself, but the least over all mates counts, so that along a path of at most K + 1
 * honest links nothing is claimed that is not so. A liar that makes far nodes look near can lessen K; then records of
 * owners that are more than K + 1 honest links away are only as fresh as the rumour that brings them.
 *
 * Nodes that are gone leave no trace in this for long: who is k links away has somebody k − 1 links away between, so
 * what lies behind an empty layer is a rumour of a node that nobody reaches, and is left out. (Along a living path the
 * distances grow by one at most, so that nothing true is left out.)
 *
 * A record is dropped, or no longer counted, when its owner did not renew it for fadeMs; proofs older than staleMs are
 * none, and a living owner renewed before that, as staleMs + refreshMs < fadeMs.
 */
export interface Confirmation {
  /** ms, own clock: the mate sent it then or later. */
  readonly base: number;
  /** ms: ages of its levels 1, 2, … */
  readonly ages: readonly number[];
  /** It had come to its K. */
  readonly closed: boolean;
  /** Links from the mate to each node by id; at most ages.length. */
  readonly near: ReadonlyMap<string, number>;
}

/** A mate, as levels see it. */
export interface Mate {
  readonly confirmed: Confirmation | null;
  /** What to count a mate as that has not confirmed: -Infinity, or when the link came up, for its first moment. */
  readonly fallback: number;
}

export interface Levels {
  /** ms, own clock: levels 1, 2, … as far as known. */
  readonly times: readonly number[];
  /** Links to each node by id, this node included. */
  readonly near: ReadonlyMap<string, number>;
  readonly closed: boolean;
}

/** K of a node whose levels are closed: the links to the farthest node. */
export function depthOf({ times }: Levels): number {
  return Math.max(0, times.length - 1);
}

/** How far each node lies, by what the mates say of it. */
interface Layers {
  readonly of: readonly ReadonlyMap<string, number>[];
  readonly near: ReadonlyMap<string, number>;
  readonly deepest: number;
}

/** Levels of one node. How far others lie seldom changes, and is worked out only when a mate says something else. */
export class LevelKeeper {
  readonly #self: string;
  #layers: Layers | null = null;

  constructor(self: string) {
    this.#self = self;
  }

  of(mates: readonly Mate[], now: number, maxLevels: number): Levels {
    const { near, deepest } = this.#layersOf(mates);
    const times: number[] = [];
    for (let k = 1; k <= Math.min(deepest, maxLevels) + 1; k += 1) {
      let time = now;
      for (const { confirmed, fallback } of mates)
        time = Math.min(time, confirmed === null ? fallback : confirmed.base - ageAt(confirmed, k - 1));
      if (now - time > PRINTS.staleMs) break;
      times.push(time);
    }
    return { times, near, closed: times.length === deepest + 1 };
  }

  #layersOf(mates: readonly Mate[]): Layers {
    const of = mates.flatMap(({ confirmed }) => confirmed?.near ?? []);
    const known = this.#layers;
    if (known?.of.length === of.length && known.of.every((near, at) => near === of[at])) return known;
    const near = new Map([[this.#self, 0]]);
    for (const one of of)
      for (const [id, links] of one) if (links + 1 < (near.get(id) ?? Infinity)) near.set(id, links + 1);
    const layers: number[] = [];
    for (const links of near.values()) layers[links] = (layers[links] ?? 0) + 1;
    let deepest = 0;
    while ((layers[deepest + 1] ?? 0) > 0) deepest += 1;
    for (const [id, links] of near) if (links > deepest) near.delete(id);
    this.#layers = { of, near, deepest };
    return this.#layers;
  }
}

function ageAt({ ages, closed }: Confirmation, k: number): number {
  if (k === 0) return 0;
  return ages[k - 1] ?? (closed ? (ages.at(-1) ?? Infinity) : Infinity);
}

/**
 * What a status said, made safe: ages never fall with k, and nothing lies farther than there are ages. Where all lie as
 * far as `before`, its map is kept.
 */
export function confirmationOf(
  base: number,
  ages: readonly number[],
  closed: boolean,
  near: Iterable<readonly [string, number]>,
  before?: Confirmation | null,
): Confirmation {
  let last = 0;
  const rising = ages.map((age) => (last = Math.max(last, age)));
  const within = new Map<string, number>();
  for (const [id, links] of near) if (links <= rising.length) within.set(id, links);
  const known = before?.near;
  const same =
    known?.size === within.size && within.entries().every(([id, links]) => known.get(id) === links);
  return { base, ages: rising, closed: closed && rising.length > 0, near: same ? known : within };
}

/** Whether to keep the newer of two confirmations: one that is not closed says less than an older one that is. */
export function better(newer: Confirmation, old: Confirmation | null, now: number): boolean {
  if (old === null) return true;
  if (newer.base <= old.base) return false;
  return newer.closed || !old.closed || now - old.base > PRINTS.staleMs / 2;
}
