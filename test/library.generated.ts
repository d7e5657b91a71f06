import { createHash } from 'node:crypto';
import type { Layout } from '../src/core/transfer/layout.ts';
import { cidFrom } from '../src/library/hash.ts';

/** A file that several processes know without passing it on: blocks made of their number. */
const MiB = 1024 * 1024;

export function blockAt(seed: number, index: number, into: Uint8Array): Uint8Array {
  const stamp = createHash('sha256').update(`${seed}:${index}`).digest();
  into.subarray(0, MiB).fill(0);
  for (let at = 0; at < MiB; at += 4096) into.set(stamp, at + 4096 - stamp.length);
  return into;
}

export function generatedLayout(seed: number, count: number): Layout {
  const block = new Uint8Array(MiB);
  const digests = Buffer.concat(
    Array.from({ length: count }, (_, index) =>
      createHash('sha256')
        .update(blockAt(seed, index, block))
        .digest(),
    ),
  );
  return { root: cidFrom(digests, count * MiB), size: count * MiB, blockBytes: MiB, count, digests };
}
