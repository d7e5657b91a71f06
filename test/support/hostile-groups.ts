import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generateKeyPair, privateKeyToProtobuf } from '@libp2p/crypto/keys';
import { base58btc } from 'multiformats/bases/base58';
import type { PrivateKey } from '@libp2p/interface';
import * as bitset from '../../src/core/search/bitset.ts';
import { halfOf } from '../../src/core/search/size.ts';
import { groupOf } from '../../src/core/search/tokens.ts';
import type { ReportFrame, TokenFrame } from '../../src/core/wire/search-frames.ts';
import { keyOf } from '../../src/overlay/keys.ts';
import { startTestNode, type Testnet, type TestNode } from '../testnet.ts';
import { settledFile, until } from './basics.ts';
import { ask, bans } from './besieged.ts';
import { Member, type MemberScript } from './hostile-member.ts';

export const BITS = 2;

export interface Groups {
  readonly net: Testnet;
  /** Holds `berkas <number>.txt`; in its group, in the other half, is another honest node. */
  readonly holder: TestNode;
  readonly number: number;
}

const groupIn = ({ overlay }: TestNode): number => groupOf(keyOf(overlay.peerId), BITS);

/** One node in each half of each of four groups, all synced, each with a file of its own. */
export async function startGroups(): Promise<Groups> {
  const base = await mkdtemp(join(tmpdir(), 'kelana-groups-'));
  const nodes: TestNode[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
    await rm(base, { recursive: true, force: true });
  };
  for (let at = 0; at < 2 ** (BITS + 1); at += 1) {
    const folder = join(base, `node${at}`);
    await settledFile(join(folder, 'shared', `berkas nomor${at}.txt`), `isi ${at}`);
    await mkdir(join(folder, 'data'), { recursive: true });
    await writeFile(join(folder, 'data', 'identity.key'), privateKeyToProtobuf(await keyIn(at)));
    const overlay = { bits: BITS, wantNeighbours: 5, resizeAfterMs: 3_600_000 };
    nodes.push(
      await startTestNode({ folder, overlay, peers: nodes.slice(-1).map(({ address }) => address) }),
    );
  }
  const node = (at: number): TestNode => {
    const found = nodes[at];
    if (found === undefined) throw new RangeError(`node ${at} of ${nodes.length}`);
    return found;
  };
  const net: Testnet = { nodes, edges: [], node, close, [Symbol.asyncDispose]: close };
  await grouped(net);
  // Of the half that is asked first: no later pass is made where the first one failed.
  return { net, holder: node(4), number: 4 };
}

/** Every node is synced with its group. */
export async function grouped(net: Testnet): Promise<void> {
  await until(
    'every group is synced',
    () =>
      net.nodes.every((node) => {
        const mates = net.nodes.filter((other) => groupIn(other) === groupIn(node)).length;
        return (node.overlay.prints().ageMs ?? Infinity) < 30_000 && node.overlay.prints().members >= mates;
      }),
    30_000,
  );
}

/** A key of the half `place % 2` of the group `place / 2`. */
async function keyIn(place: number): Promise<PrivateKey> {
  for (;;) {
    const key = await generateKeyPair('Ed25519');
    const own = keyOf(base58btc.encode(key.publicKey.toMultihash().bytes).slice(1));
    if (2 * groupOf(own, BITS) + halfOf(own) - 1 === place) return key;
  }
}

/** A liar that is a synced member of the holder's group, and of its half: what it denies the other half must tell; as many a neighbour's as take it. */
export async function joinGroups({ net, number }: Groups, script: MemberScript): Promise<Member> {
  const liar = await Member.start(script, { key: await keyIn(number), bits: BITS });
  await Promise.all(net.nodes.map((node) => liar.hostile.dial(node.address)));
  for (const { overlay, address } of net.nodes) liar.addresses.set(overlay.peerId, address);
  await grouped(net);
  return liar;
}

/** What a member does with a token that it was handed. */
export type Lie = (token: TokenFrame, member: Member) => void;

export const NONE = bitset.emptySet(BITS);
export const ALL = bitset.fullSet(BITS);
export const WHERE = { strategy: 'groups', timeoutMs: 1_500 } as const;

/** A report of a token that asked nobody. */
export function report(token: TokenFrame, more: Partial<ReportFrame> = {}): ReportFrame {
  const { id, bits, half, number: count } = token;
  return {
    type: 'report',
    id,
    bits,
    half,
    number: count,
    asked: 1,
    hops: 1,
    missing: NONE,
    covered: NONE,
    failed: NONE,
    candidates: [],
    hits: [],
    ...more,
  };
}

export const home = (token: TokenFrame, member: Member, more: Partial<ReportFrame>): void =>
  member.say(token.origin.peer, report(token, more));

/** Two searches from each of a few nodes, until the liar has had so many tokens in its hands. */
export async function lieTo(groups: Groups, lie: Lie, lies = 1): Promise<void> {
  const { net, holder } = groups;
  const before = new Set(net.nodes.flatMap(bans));
  const told: string[] = [];
  await using liar = await joinGroups(groups, {
    onSearch: (frame, _from, member) => {
      if (frame.type !== 'token') return;
      told.push(frame.id);
      lie(frame, member);
    },
  });
  // Who is of the liar's group asks nobody of it.
  const origins = net.nodes.filter((node) => groupIn(node) !== groupIn(holder)).slice(0, 3);
  for (let round = 0; round < 40 && told.length < lies; round += 1)
    await Promise.all(origins.map((node) => askBoth(node, groups)));
  assert.ok(told.length > 0, 'the liar was asked');
  // A neighbour is told of by its address, where the liar's is made up; all others by their peer id.
  for (const name of net.nodes.flatMap(bans))
    assert.ok(before.has(name) || name === liar.hostile.peerId || name.endsWith(':1'), `${name} was banned`);
}

/** What is there is never denied, what is not is never found, and both answers come in time. */
export async function askBoth(node: TestNode, { holder, number }: Groups): Promise<void> {
  const there = await ask(node, `berkas nomor${number}`, WHERE);
  assert.notEqual(there.outcome.verdict, 'absent');
  for (const hit of there.hits) assert.equal(hit.peer, holder.overlay.peerId);
  const miss = await ask(node, 'tidak ada dimana', WHERE);
  assert.notEqual(miss.outcome.verdict, 'found');
  for (const { outcome } of [there, miss]) assert.ok(outcome.elapsedMs < WHERE.timeoutMs + 2_000, 'late');
}
