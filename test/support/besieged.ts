import assert from 'node:assert/strict';
import { parseQuery } from '../../src/core/search/query.ts';
import type { SearchOptions } from '../../src/core/ports.ts';
import { search, startTestnet, type Found, type Testnet, type TestNode } from '../testnet.ts';
import type { LinkFrame } from '../../src/core/wire/frames.ts';
import { until } from './basics.ts';
import { ownerOf, type Owner } from './forged.ts';
import { Hostile, type OpenLink, type Say } from './hostile.ts';

export const AUTO = { strategy: 'auto', timeoutMs: 6_000 } as const;

/** Three honest nodes in a ring, the last with `surat jujur.txt`, that know each other's prints. */
export async function honest(): Promise<Testnet> {
  const net = await startTestnet(3, {
    topology: 'ring',
    files: { 2: { 'surat jujur.txt': 'isi yang benar' } },
  });
  await synced(net, 3);
  return net;
}

export async function synced(net: Testnet, members: number): Promise<void> {
  await until('prints are everywhere', () =>
    net.nodes.every(
      ({ overlay }) => overlay.prints().members >= members && (overlay.prints().ageMs ?? Infinity) < 30_000,
    ),
  );
}

export function ask(node: TestNode, text: string, how: SearchOptions = AUTO): Promise<Found> {
  return search(node.overlay, parseQuery(text), { ...AUTO, ...how });
}

/** The honest file is found at its holder and nowhere else, and what nobody has is proved absent. */
export async function stillRight(net: Testnet, miss: 'absent' | 'incomplete' = 'absent'): Promise<void> {
  const { peerId } = net.node(2).overlay;
  for (const node of [net.node(0), net.node(1)]) {
    const { hits, outcome } = await ask(node, 'surat jujur', { want: 1 });
    assert.equal(outcome.verdict, 'found');
    assert.deepEqual(
      hits.map(({ peer }) => peer),
      [peerId],
    );
  }
  const verdict = async (): Promise<string> => (await ask(net.node(0), 'tidak ada dimana')).outcome.verdict;
  if (miss === 'absent') await until('a miss is proved again', async () => (await verdict()) === 'absent');
  else assert.notEqual(await verdict(), 'found');
}

/** Who was told to be dropped for lies, in order. */
export function bans(node: TestNode): readonly string[] {
  return node.events.flatMap((event) => (event.type === 'peer.banned' ? [event.peer] : []));
}

/** Dropped and refused from then on. */
export async function banned(
  node: TestNode,
  peer: string,
  before: number,
  dial: () => Promise<{ closed(): boolean }>,
): Promise<void> {
  await until('the liar is told of', () => bans(node).length > before);
  await until('the liar is dropped', () => node.overlay.neighbours().every((link) => link.peer !== peer));
  assert.equal(bans(node).length, before + 1, 'told of once');
  const again = await dial().catch(() => null);
  if (again !== null) await until('refused', () => again.closed());
  assert.ok(
    node.overlay.neighbours().every((link) => link.peer !== peer),
    'no link any more',
  );
}

/** Nobody was told that an honest node lies. */
export function nobodyBanned(net: Testnet): void {
  for (const node of net.nodes) assert.deepEqual(bans(node), []);
}

export interface Siege {
  readonly hostile: Hostile;
  readonly link: OpenLink;
  readonly self: Owner;
  /** The liar is dropped and refused from now on. */
  readonly dropped: () => Promise<void>;
}

/** A new liar, linked to the first node while `work` runs. */
export async function besiege(
  net: Testnet,
  work: (siege: Siege) => Promise<void>,
  onFrame: (frame: LinkFrame, say: Say) => void = () => undefined,
): Promise<void> {
  await using hostile = await Hostile.start({ onFrame });
  const node = net.node(0);
  const before = bans(node).length;
  const dial = (): Promise<OpenLink> => hostile.dial(node.address);
  const link = await dial();
  await until('linked', () => node.overlay.neighbours().some(({ peer }) => peer === hostile.peerId));
  const dropped = (): Promise<void> => banned(node, hostile.peerId, before, dial);
  await work({ hostile, link, self: ownerOf(hostile.key), dropped });
}
