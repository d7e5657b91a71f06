import { PRINTS } from '../config.ts';
import { Allowance } from './allowance.ts';
import type { Confirmation } from './levels.ts';

/** What is kept of one peer that frames go to or come from: a neighbour, or (for a while) any other node. */
export interface SyncPeer {
  readonly peer: string;
  /** First 8 bytes of SHA-256 over the peer id, as hex. */
  readonly id: string;
  readonly key: number;
  readonly linked: boolean;
  readonly label: string;
  readonly addresses: readonly string[];
  /** ms: when the link came up. */
  readonly since: number;
  /** This node was synced when the link came up: it stays so for the first moments. */
  graced: boolean;
  bits: number;
  /** Nonces sent lately and when (ms), oldest first. */
  readonly nonces: { readonly nonce: number; readonly at: number }[];
  /** The last nonce that came. */
  heard: { readonly nonce: number; readonly at: number } | null;
  confirmed: Confirmation | null;
  /** Statuses in a row that did not agree. */
  misses: number;
  /** It has, or may have, what is not here: compare again when the table has changed. */
  unsettled: boolean;
  /** ms: when its next status is due; and whether it is to answer that. */
  nextAt: number;
  ask: boolean;
  /** ms: when it was last sent all heads. */
  headsAt: number;
  /** Levels it was told of, one more where they were closed. */
  told: number;
  /** ms: when it last agreed or brought something. */
  movedAt: number;
  /** ms: when the last status came that answers one of this node's, or since when it is to send some. */
  spokeAt: number;
  /** Highest number of each owner's record that it has, as far as is known. */
  readonly has: Map<string, number>;
  readonly verifies: Allowance;
  readonly statuses: Allowance;
  readonly answers: Allowance;
}

/** Nonces remembered: answers later than that are of no use. */
const MAX_NONCES = 8;

export function newSyncPeer(
  known: Pick<SyncPeer, 'peer' | 'id' | 'key' | 'linked' | 'label' | 'addresses' | 'graced' | 'bits'>,
  now: number,
): SyncPeer {
  return {
    ...known,
    since: now,
    nonces: [],
    heard: null,
    confirmed: null,
    misses: 0,
    unsettled: false,
    nextAt: now,
    ask: true,
    headsAt: -Infinity,
    told: 0,
    movedAt: now,
    spokeAt: now,
    has: new Map(),
    verifies: new Allowance(PRINTS.verifiesPerSecond, 2 * PRINTS.verifiesPerSecond),
    statuses: new Allowance(PRINTS.statusesPerSecond, 2 * PRINTS.statusesPerSecond),
    answers: new Allowance(PRINTS.answerBytesPerSecond, PRINTS.answerBurstBytes),
  };
}

export function rememberNonce(peer: SyncPeer, nonce: number, now: number): void {
  peer.nonces.push({ nonce, at: now });
  if (peer.nonces.length > MAX_NONCES) peer.nonces.shift();
}

/** ms: when it sent an answer at the earliest; null where it is none to anything remembered. */
export function sentAt(peer: SyncPeer, echo: number, hold: number, now: number): number | null {
  const asked = peer.nonces.find(({ nonce }) => nonce === echo);
  return asked === undefined ? null : Math.min(now, asked.at + hold);
}

/** Notes that it has a record; bounded, as what a peer may say is. */
export function notes(peer: SyncPeer, id: string, seq: number): void {
  if (peer.has.size >= PRINTS.maxMembers && !peer.has.has(id)) return;
  peer.has.set(id, Math.max(seq, peer.has.get(id) ?? 0));
}
