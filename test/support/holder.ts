import type { Stream } from '@libp2p/interface';
import type { Hit, SearchEvent } from '../../src/core/ports.ts';
import type { BlockFrame } from './block-frames.ts';
import { cidFrom } from '../../src/library/hash.ts';
import { startTestnet, type TestNode } from '../testnet.ts';
import { sample, sha256, until } from './basics.ts';
import { Hostile, returned, sayBlock } from './hostile.ts';

export const SMALL = sample(5_000, 11);
export const CID = cidFrom(Buffer.from(sha256(SMALL), 'hex'), SMALL.length);

/** A node whose only neighbour holds `contoh.txt` by its own word, and does with requests what `onWant` does. */
export async function withHolder(
  lie: Partial<Hit>,
  onWant: (frame: BlockFrame, stream: Stream, hostile: Hostile) => void,
  /** `gullible` is the node with a search that takes the holder's word, where a real one has it prove first. */
  work: (node: TestNode, gullible: TestNode, hostile: Hostile) => unknown,
): Promise<void> {
  await using net = await startTestnet(1);
  const node = net.node(0);
  const script = {
    onFrame: (frame: { type: string; id?: string }, say: (frame: ReturnType<typeof returned>) => void) => {
      const hit = hostile.hit({ cid: CID, size: SMALL.length, ...lie });
      if (frame.type === 'visit') say(returned(frame.id ?? '', { hits: [hit] }));
    },
    onWant: (frame: BlockFrame, stream: Stream) => onWant(frame, stream, hostile),
  };
  const hostile: Hostile = await Hostile.start(script);
  await using _ = hostile;
  await hostile.dial(node.address);
  await until('linked', () => node.overlay.neighbours().length === 1);
  const hit = hostile.hit({ cid: CID, size: SMALL.length, ...lie });
  await work(node, { ...node, overlay: { ...node.overlay, search: () => told(hit) } }, hostile);
}

async function* told({ name, size, cid, peer, label, addresses }: Hit): AsyncGenerator<SearchEvent> {
  const elapsedMs = 1;
  const providers = [{ peer, label, addresses }];
  yield { type: 'hit', name, size, cid, hops: 1, score: 1, providers, elapsedMs };
  const outcome = {
    verdict: 'found',
    ground: 'found',
    strategy: 'walk',
    missing: [],
    missingCount: 0,
  } as const;
  yield { type: 'verdict', ...outcome, asked: 1, messages: 2, elapsedMs };
}

/** Answers the manifest of a file of one block, as an honest holder does. */
export function manifest(frame: BlockFrame, stream: Stream): boolean {
  if (frame.type !== 'want-manifest') return false;
  sayBlock(stream, { type: 'manifest', node: new Uint8Array(0), last: true });
  return true;
}
