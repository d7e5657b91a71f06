import { PRINTS } from '../config.ts';
import type { Random } from '../random.ts';
import { FAR, type Head, type StatusFrame } from '../wire/sync.ts';
import type { Keeper } from './keeper.ts';
import { better, confirmationOf, type Levels } from './levels.ts';
import { notes, rememberNonce, sentAt, type SyncPeer } from './sync-peer.ts';
import type { Scope } from './table.ts';

/** ms between two lists of heads to one peer: the first may still be bringing what is missing. */
const HEADS_MS = 1_000;
const HEAD_BYTES = 16;

/** Writes a status, and notes that it was sent. */
export function writeStatus(
  keeper: Keeper,
  to: SyncPeer,
  scope: Scope,
  levels: Levels,
  say: { readonly ask: boolean; readonly heads: boolean; readonly bits: number },
  now: number,
  random: Random,
): StatusFrame {
  const { table } = keeper;
  const nonce = 1 + Math.floor(random() * 0xfffffffe);
  rememberNonce(to, nonce, now);
  const list = table.list(scope, now);
  let { times, closed } = levels;
  const near = list.map(({ id }) => levels.near.get(id) ?? FAR);
  const told = near.filter((links) => links !== FAR).length;
  // Whom the list does not name cannot be told of: then no level beyond this node itself is.
  if (told < levels.near.size || scope.bits !== say.bits) {
    times = [];
    closed = false;
  }
  const heads = say.heads && mayHeads(keeper, to, scope, now);
  return {
    type: 'status',
    nonce,
    echo: to.heard?.nonce ?? 0,
    hold: to.heard === null ? 0 : now - to.heard.at,
    bits: say.bits,
    ask: say.ask,
    digest: table.digest(scope, now),
    ages: times.map((time) => now - time),
    closed,
    near: times.length === 0 ? [] : near.map((links) => (links <= times.length ? links : FAR)),
    heads: heads ? table.heads(scope, now) : null,
  };
}

function mayHeads({ table }: Keeper, to: SyncPeer, scope: Scope, now: number): boolean {
  if (now - to.headsAt < HEADS_MS || !to.answers.take(table.list(scope, now).length * HEAD_BYTES, now))
    return false;
  to.headsAt = now;
  return true;
}

/** What a status asks for in return: null is nothing. */
export interface Reply {
  readonly ask: boolean;
  readonly heads: boolean;
}

/** Reads a status: does its sender have anything that is not here, and how far is it synced? */
export function readStatus(
  keeper: Keeper,
  from: SyncPeer,
  scope: Scope,
  bits: number,
  status: StatusFrame,
  now: number,
): Reply | null {
  const { table } = keeper;
  from.heard = { nonce: status.nonce, at: now };
  const same = status.digest === table.digest(scope, now);
  let ids: readonly string[] | null = null;
  if (status.heads !== null) {
    // The whole list counts: a record that finds no room here is one that is missing.
    const lacking = status.heads.filter(({ id, seq, age }) => !keeper.holds(from, id, seq, age, now));
    learn(from, status.heads);
    if (lacking.length === 0) ids = status.heads.map(({ id }) => id);
  } else if (same) ids = table.list(scope, now).map(({ id }) => id);
  if (ids !== null) {
    confirm(from, bits, status, ids, now);
    return status.ask ? { ask: false, heads: !same } : null;
  }
  from.unsettled = true;
  from.misses += 1;
  if (status.heads !== null) return status.ask ? { ask: false, heads: true } : null;
  const compare = from.misses > 1 || from.confirmed === null;
  if (compare) return { ask: true, heads: true };
  return status.ask ? { ask: false, heads: false } : null;
}

/** From its heads on we know what it has, whatever was lost on the way before. */
function learn(from: SyncPeer, heads: readonly Head[]): void {
  from.has.clear();
  for (const { id, seq } of heads) notes(from, id, seq);
}

function confirm(
  from: SyncPeer,
  bits: number,
  status: StatusFrame,
  ids: readonly string[],
  now: number,
): void {
  from.misses = 0;
  from.unsettled = false;
  from.movedAt = now;
  const base = sentAt(from, status.echo, status.hold, now);
  if (base === null) return;
  const near = new Map<string, number>();
  for (const [at, id] of ids.entries()) {
    const links = status.near[at] ?? FAR;
    if (links !== FAR) near.set(id, links);
  }
  near.set(from.id, 0);
  // Of another number of groups: what it holds of ours was compared, its levels are of another group.
  const same = status.bits === bits;
  const newer = same
    ? confirmationOf(base, status.ages, status.closed, near, from.confirmed)
    : confirmationOf(base, [0], true, []);
  if (better(newer, from.confirmed, now)) from.confirmed = newer;
}

/** ms between statuses: a proof over K + 1 links is as old as so many statuses; often while there is no proof yet. */
export function statusEvery(levels: Levels): number {
  const spans = levels.closed ? levels.times.length : Infinity;
  return Math.min(PRINTS.syncMs, Math.max(PRINTS.leastSyncMs, PRINTS.proofMs / spans));
}
