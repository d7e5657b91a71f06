import { PRINTS, SEARCH } from '../config.ts';
import type { Query } from '../ports.ts';
import { pick, type Random } from '../random.ts';
import type { Contact } from '../wire/search-frames.ts';
import type { SyncFrame } from '../wire/sync.ts';
import { Acquaintance } from './acquaintance.ts';
import { Contacts } from './contacts.ts';
import type { Directory, DirectoryInput, DirectoryOutput, DirectorySettings } from './directory-steps.ts';
import { idOf, Keeper } from './keeper.ts';
import { LevelKeeper, type Levels } from './levels.ts';
import { probeOf } from './prints.ts';
import { printWords } from './query.ts';
import type { PrintsView } from './search.ts';
import { combine, density, median, resize, shares, startResizer, type Resizer } from './size.ts';
import { headersFor, segmentsFor } from './spread.ts';
import { readStatus, statusEvery, writeStatus } from './statuses.ts';
import { newSyncPeer, sentAt, type SyncPeer } from './sync-peer.ts';
import type { Entry, Scope } from './table.ts';

export type { Directory, DirectoryInput, DirectoryOutput, DirectorySettings };

/** ms from the start in which the number of groups is taken over from neighbours. */
const ADOPT_MS = 30_000;

/**
 * Keeps the prints of the node's group: a step machine without I/O. New records are passed on at once over all links
 * to mates (neighbours of the same group) that lack them; statuses compare digests every few seconds, and where those
 * differ, lists of heads bring what was lost. How fresh all this is, levels.ts proves.
 *
 * Nodes that count with different numbers of groups exchange what both keep: the records of the smaller group. While
 * numbers differ, `syncedAt` is proved along links between nodes of the same number; of others only over one link.
 */
export function createDirectory(settings: DirectorySettings): Directory {
  const { self, keyOf } = settings;
  const ownKey = keyOf(self.peer);
  let resizer: Resizer = startResizer(settings.bits ?? 0);
  let startedAt: number | null = null;
  let adopting = settings.bits === undefined;
  let dense: { readonly size: number; readonly keys: number } | null = null;
  let out: DirectoryOutput[] = [];
  let version = 0;
  /** Some mate confirmed in this step. */
  let confirmed = false;
  let healAt: number | null = null;
  let expireAt = 0;
  let reportedBits = resizer.bits;
  const scopeOf = (): Scope => ({ key: ownKey, bits: resizer.bits });
  const liar = (peer: string, why: string): void => {
    out.push({ type: 'liar', peer, why });
  };
  const keeper = new Keeper(self, settings, scopeOf(), liar);
  const { table } = keeper;
  const levels = new LevelKeeper(keeper.id);
  const acquaintance = new Acquaintance(table, keeper.id);
  const links = new Map<string, SyncPeer>();
  /** Those of the group; null where links or numbers of groups have changed. */
  let mine: readonly SyncPeer[] | null = null;
  /** Other nodes that frames came from or went to; the oldest makes way. */
  const strangers = new Map<string, SyncPeer>();
  const contacts = new Contacts(self.peer, keyOf, () => resizer.bits);

  function step(input: DirectoryInput, now: number, random: Random): readonly DirectoryOutput[] {
    out = [];
    startedAt ??= now;
    healAt ??= now + PRINTS.healMs * random();
    version = table.version;
    switch (input.type) {
      case 'link-up':
        linkUp(input, now);
        break;
      case 'link-down':
        links.delete(input.peer);
        mine = null;
        keeper.pendings.lost(input.peer);
        break;
      case 'frame':
        receive(input.from, input.frame, now, random);
        break;
      case 'library':
        keeper.library(input.segments, input.partial, now, input.wall);
        break;
      case 'contact':
        contacts.add(input.contact);
        break;
      case 'contact-failed':
        contacts.failed(input.peer);
        acquaintance.failed(idOf(input.peer, settings.hash8), now);
        break;
      case 'density': {
        const size = density(ownKey, input.keys);
        dense = size === null ? null : { size, keys: input.keys.length };
        break;
      }
      case 'tick':
        tick(input.wall, now, random);
        break;
      case 'leave':
        keeper.leave(now, input.wall);
        break;
    }
    flush(now, random, input.type === 'tick');
    return out;
  }

  function linkUp(input: Extract<DirectoryInput, { type: 'link-up' }>, now: number): void {
    const { peer, label, addresses, bits } = input;
    if (peer === self.peer) return;
    const graced = mates().some(({ confirmed }) => confirmed !== null) && syncedAt(now) !== -Infinity;
    const known = { peer, label, addresses, bits, graced, linked: true };
    strangers.delete(peer);
    mine = null;
    acquaintance.met(idOf(peer, settings.hash8));
    links.set(peer, newSyncPeer({ ...known, id: idOf(peer, settings.hash8), key: keyOf(peer) }, now));
    contacts.heard({ peer, label, addresses }, now);
    if (!adopting) return;
    const usual = median([...links.values()].map((link) => link.bits));
    if (usual !== null) rescale(startResizer(Math.min(usual, SEARCH.maxGroupBits)), now);
  }

  function receive(from: string, frame: SyncFrame, now: number, random: Random): void {
    const peer = links.get(from) ?? stranger(from, null, now);
    if (peer === null) return;
    if (peer.linked) contacts.heard(peer, now);
    acquaintance.met(peer.id);
    if (frame.type === 'status') {
      if (!peer.statuses.take(1, now)) return;
      if (peer.bits !== frame.bits) mine = null;
      peer.bits = frame.bits;
      // Who does not answer what it is told says nothing that could be used.
      if (sentAt(peer, frame.echo, frame.hold, now) !== null) peer.spokeAt = now;
      if (!isMate(peer)) return;
      const before = peer.confirmed;
      const reply = readStatus(keeper, peer, shared(peer), resizer.bits, frame, now);
      confirmed ||= peer.confirmed !== before;
      if (frame.heads !== null) push(peer, table.list(shared(peer), now), now);
      if (reply !== null) status(peer, reply, now, random);
    } else if (!isMate(peer)) return;
    else if (frame.type === 'headers') {
      for (const item of frame.headers) keeper.header(peer, item, now);
      for (const item of frame.renewed) keeper.renewed(peer, item, now);
    } else if (frame.type === 'wants') {
      for (const answer of segmentsFor(peer, frame.wants, table, now)) send(peer, answer);
    } else for (const piece of frame.segments) keeper.piece(peer, piece, now);
  }

  function tick(wall: number, now: number, random: Random): void {
    keeper.renew(now, wall);
    if (now >= expireAt) {
      // What came while this node was held up is not read yet.
      const late = Math.max(0, now - expireAt - PRINTS.tickMs);
      expireAt = now + 1_000;
      for (const peer of links.values()) {
        peer.spokeAt = Math.min(now, peer.spokeAt + late);
        peer.movedAt = Math.min(now, peer.movedAt + late);
      }
      keeper.expire(now);
      reportSilent(now);
    }
    if (now - (startedAt ?? now) >= ADOPT_MS) adopting = false;
    if (dense !== null || syncedAt(now) !== -Infinity)
      rescale(resize(resizer, estimate(), now, settings.resizeAfterMs), now);
    heal(now, random);
    greet(now, random);
  }

  /** Sees whether members are there that this node has not met. */
  function greet(now: number, random: Random): void {
    const entry = acquaintance.next(now, random);
    const peer = entry === undefined ? null : stranger(entry.header.peer, contactOf(entry), now);
    if (peer !== null) status(peer, { ask: true, heads: false }, now, random);
  }

  /** A mate that never agrees keeps this node from ever being synced: its link is of no use. */
  function reportSilent(now: number): void {
    for (const { peer, spokeAt } of mates())
      if (now - spokeAt >= PRINTS.muteMs) out.push({ type: 'mute', peer });
    if (now - keeper.fullAt < PRINTS.disagreeMs) return;
    for (const peer of mates()) {
      if (now - peer.movedAt < PRINTS.disagreeMs) continue;
      peer.movedAt = now;
      liar(peer.peer, 'it does not agree on prints, and brings none');
    }
  }

  /** Now and then compares with a member that is no neighbour: links alone may be parted. */
  function heal(now: number, random: Random): void {
    if (healAt === null || now < healAt) return;
    healAt = now + (mates().length === 0 ? PRINTS.syncMs : PRINTS.healMs) * (0.5 + random());
    const { key, bits } = scopeOf();
    const known = viewContacts(key, bits).filter(({ peer }) => !links.has(peer));
    const contact = pick(known, random);
    if (contact === undefined) return;
    const peer = stranger(contact.peer, contact, now);
    if (peer !== null) status(peer, { ask: true, heads: false }, now, random);
  }

  function rescale(next: Resizer, now: number): void {
    const before = resizer.bits;
    resizer = next;
    if (next.bits === before) return;
    mine = null;
    keeper.rescope(scopeOf(), now);
    for (const peer of links.values()) {
      peer.spokeAt = now;
      // In a larger group what was compared is not all; in a smaller one it is more than all.
      if (next.bits < before) {
        peer.confirmed = null;
        peer.graced = false;
      }
      peer.nextAt = -Infinity;
      peer.ask = true;
      peer.has.clear();
    }
  }

  /** Sends what the step has made due. */
  function flush(now: number, random: Random, ticked: boolean): void {
    if (keeper.pendings.size > 0 && (keeper.pendings.dirty || ticked))
      for (const [of, wants] of keeper.pendings.wants(now)) {
        const peer = links.get(of) ?? strangers.get(of);
        if (peer !== undefined) send(peer, { type: 'wants', wants });
      }
    const news = [...keeper.news].flatMap((id) => table.get(id) ?? []);
    keeper.news.clear();
    const all = mates();
    if (news.length > 0)
      for (const peer of all)
        push(
          peer,
          news.filter((entry) => inScope(entry, shared(peer))),
          now,
        );
    const moved = confirmed;
    confirmed = false;
    const told = moved ? toldOf(levelsNow(all, now)) : 0;
    for (const peer of all) {
      if (peer.unsettled && table.version !== version) {
        peer.nextAt = Math.min(peer.nextAt, now + PRINTS.settleMs);
        peer.ask = true;
      }
      // More levels than before: neighbours wait for them.
      if (told > peer.told) peer.nextAt = Math.min(peer.nextAt, now + PRINTS.settleMs);
      if (now >= peer.nextAt) status(peer, { ask: peer.ask, heads: false }, now, random);
    }
    if (keeper.membersChanged || resizer.bits !== reportedBits) out.push({ type: 'changed' });
    keeper.membersChanged = false;
    reportedBits = resizer.bits;
  }

  function status(
    to: SyncPeer,
    reply: { readonly ask: boolean; readonly heads: boolean },
    now: number,
    random: Random,
  ): void {
    const known = levelsNow(mates(), now);
    send(to, writeStatus(keeper, to, shared(to), known, { ...reply, bits: resizer.bits }, now, random));
    to.told = toldOf(known);
    to.nextAt = now + statusEvery(known) * (0.75 + random() / 4);
    to.ask = false;
  }

  function push(to: SyncPeer, entries: Iterable<Entry>, now: number): void {
    for (const frame of headersFor(to, entries, table, now)) send(to, frame);
  }

  function send(to: SyncPeer, frame: SyncFrame): void {
    const where = to.linked || to.addresses.length === 0 ? {} : { addresses: to.addresses };
    out.push({ type: 'send', to: to.peer, frame, ...where });
  }

  /** A node that is no neighbour, as far as its work is to be counted. */
  function stranger(peer: string, contact: Contact | null, now: number): SyncPeer | null {
    if (peer === self.peer) return null;
    const before = strangers.get(peer);
    if (before !== undefined) return before;
    const id = idOf(peer, settings.hash8);
    const signed = table.get(id)?.header;
    const { label, addresses } = contact ?? signed ?? contacts.get(peer) ?? { label: peer, addresses: [] };
    const known = { peer, label, addresses, bits: resizer.bits, graced: false, linked: false };
    const fresh = newSyncPeer({ ...known, id, key: keyOf(peer) }, now);
    strangers.set(peer, fresh);
    if (strangers.size > PRINTS.maxStrangers) {
      const [oldest] = strangers.keys();
      if (oldest !== undefined) strangers.delete(oldest);
    }
    return fresh;
  }

  function isMate({ key, bits }: SyncPeer): boolean {
    return shares(key, ownKey, Math.min(bits, resizer.bits));
  }

  function mates(): readonly SyncPeer[] {
    return (mine ??= [...links.values()].filter(isMate));
  }

  /** What both sides of a link keep. */
  function shared({ key, bits }: SyncPeer): Scope {
    return bits > resizer.bits ? { key, bits } : scopeOf();
  }

  function levelsNow(all: readonly SyncPeer[], now: number): Levels {
    const seen = all.map(({ confirmed, graced, since }) => ({
      confirmed,
      fallback: graced && now - since <= PRINTS.graceMs ? since : -Infinity,
    }));
    const most = resizer.bits === 0 ? PRINTS.maxLevels : PRINTS.maxLevelsGrouped;
    return levels.of(seen, now, most);
  }

  function syncedAt(now: number): number {
    const all = mates();
    // Nobody of the group to ask: that is all of it, unless there are members that no link leads to.
    if (all.length === 0)
      return links.size === 0 || viewContacts(ownKey, resizer.bits).length === 0 ? now : -Infinity;
    const { times, closed } = levelsNow(all, now);
    return closed ? (times.at(-1) ?? -Infinity) : -Infinity;
  }

  function estimate(): number {
    return combine(acquaintance.members(), resizer.bits, dense?.size ?? null, dense?.keys ?? 0);
  }

  function candidates(query: Query): readonly Contact[] | null {
    const words = printWords(query);
    if (words !== null) return table.matching(probeOf(words)).map(contactOf);
    // Where all nodes are known, each can be asked itself: fewer messages than a walk, and nobody speaks for another.
    return resizer.bits === 0 ? table.matching(null).map(contactOf) : null;
  }

  function viewContacts(key: number, bits: number): readonly Contact[] {
    const found = new Map<string, Contact>();
    for (const peer of links.values()) if (shares(peer.key, key, bits)) found.set(peer.peer, peer);
    if (shares(key, ownKey, Math.min(bits, resizer.bits)))
      for (const entry of table.entries())
        if (shares(entry.key, key, bits) && entry.id !== keeper.id && !entry.header.gone)
          found.set(entry.header.peer, found.get(entry.header.peer) ?? contactOf(entry));
    for (const contact of contacts.contacts(key, bits)) {
      const gone = table.get(idOf(contact.peer, settings.hash8))?.header.gone ?? false;
      if (!gone && !found.has(contact.peer)) found.set(contact.peer, contact);
    }
    return [...found.values()].map(({ peer, label, addresses }) => ({ peer, label, addresses }));
  }

  const view: PrintsView = {
    bits: () => resizer.bits,
    estimate,
    members: () => acquaintance.members(),
    away: (peer, now) => acquaintance.away(idOf(peer, settings.hash8), now),
    syncedAt,
    candidates,
    contacts: (prefix, bits) => viewContacts(bits === 0 ? 0 : prefix << (32 - bits), bits),
  };
  return {
    step,
    view,
    record: (peer) => table.get(idOf(peer, settings.hash8))?.header,
    records: () => [...table.entries()].map(({ header }) => header),
    sample: (count, random) => contacts.sample(count, random),
    bytes: () => table.bytes,
  };
}

/** A number that grows with what others can learn of the levels. */
function toldOf({ times, closed }: Levels): number {
  return times.length + (closed ? 1 : 0);
}

function inScope(entry: Entry, { key, bits }: Scope): boolean {
  return shares(entry.key, key, bits);
}

function contactOf({ header }: Entry): Contact {
  return { peer: header.peer, label: header.label, addresses: header.addresses };
}
