import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { KelanaError } from '../../core/errors.ts';
import type { EventBody } from '../../core/events.ts';
import type { BlockSourcePort, Provider } from '../../core/ports.ts';
import { cidOf, RAW } from '../../core/transfer/cid.ts';
import { createHost, type Host } from '../host.ts';
import { Turns } from '../turns.ts';
import { Blocks, type BlocksOptions } from './blocks.ts';

export interface Node {
  readonly host: Host;
  readonly blocks: Blocks;
  readonly provider: Provider;
  readonly events: EventBody[];
  readonly port: number;
  readonly key: PrivateKey;
}

/** A block's bytes tell its file and number. */
export function fill(into: Uint8Array, cid: string, index: number): Uint8Array {
  const seed = cid.charCodeAt(cid.length - 1) + index;
  for (let at = 0; at < into.length; at += 1) into[at] = (at * 31 + seed) & 0xff;
  return into;
}

export function source(size: number, more: Partial<BlockSourcePort> = {}): BlockSourcePort {
  return {
    lookup: (query) => (query.kind === 'cid' ? [{ name: query.cid, size, cid: query.cid }] : []),
    list: () => [],
    scanning: () => false,
    onChange: () => () => undefined,
    manifest: () => Promise.resolve([Uint8Array.of(1, 2), Uint8Array.of(3)]),
    readBlock: (cid, index, into = new Uint8Array(size)) =>
      Promise.resolve(fill(into.subarray(0, size), cid, index)),
    ...more,
  };
}

export async function start(
  t: TestContext,
  shared: BlockSourcePort,
  more: Partial<BlocksOptions> = {},
): Promise<Node> {
  const key = await generateKeyPair('Ed25519');
  const lanes: { service: Blocks | null } = { service: null };
  const host = await createHost({
    key,
    host: '127.0.0.1',
    port: 0,
    flag: '',
    onTls: (socket) => lanes.service?.take(socket),
  });
  const events: EventBody[] = [];
  const blocks = await Blocks.start({
    host,
    key,
    source: shared,
    emit: (event) => void events.push(event),
    who: 'test',
    now: () => performance.now(),
    labelOf: (peer) => peer.slice(-6),
    refuses: () => false,
    ups: unlimited(),
    downs: unlimited(),
    ...more,
  });
  lanes.service = blocks;
  t.after(async () => {
    await blocks.stop();
    await host.stop();
  });
  const addresses = host.getMultiaddrs().map(String);
  const provider = { peer: host.peerId.toString(), label: 'holder', addresses };
  return { host, blocks, provider, events, key, port: Number(/tcp\/(\d+)/.exec(addresses[0] ?? '')?.[1]) };
}

export const CID = cidOf(RAW, new Uint8Array(32).fill(7)).toString();
export const OTHER = cidOf(RAW, new Uint8Array(32).fill(9)).toString();
export function unlimited(): Turns {
  return new Turns({ now: () => performance.now(), limit: () => null });
}

export function refusalOf(thrown: unknown): string {
  assert.ok(thrown instanceof KelanaError);
  const { refusal } = thrown.params;
  return typeof refusal === 'string' ? refusal : thrown.code;
}
