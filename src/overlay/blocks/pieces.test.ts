import assert from 'node:assert/strict';
import test from 'node:test';
import { TRANSFER } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import type { BlockPieces } from '../../core/ports.ts';
import { until } from '../hosts.testkit.ts';
import { CID, fill, refusalOf, source, start } from './blocks.testkit.ts';

const SIZE = 3 * TRANSFER.pieceBytes - 1;

for (const via of ['lane', 'stream'] as const)
  test(`over a ${via} a block comes in pieces, and one whose file changes midway is refused`, async (t) => {
    const pieces = (cid: string, index: number): BlockPieces | null => {
      if (index === 9) throw new RangeError('no such block');
      if (index === 3) return null;
      const whole = fill(new Uint8Array(SIZE), cid, index);
      return {
        size: SIZE,
        read: (into, at) => {
          if (index === 1 && at > 0) return Promise.reject(new KelanaError('SOURCE_CHANGED', { name: 'x' }));
          into.set(whole.subarray(at, at + into.length));
          return index % 2 === 0 ? undefined : Promise.resolve();
        },
      };
    };
    const holder = await start(t, source(SIZE, { pieces }));
    const asker = await start(t, source(1), via === 'lane' ? {} : { lanes: false });
    const session = await asker.blocks.open(holder.provider);
    const blocks = await Promise.allSettled(
      [0, 1, 2, 3, 9, 4, 5].map(async (index) => {
        const into = new Uint8Array(SIZE);
        await session.block(CID, index, into);
        assert.equal(Buffer.compare(into, fill(new Uint8Array(SIZE), CID, index)), 0, `block ${index}`);
        return index;
      }),
    );
    const told = blocks.map((block) =>
      block.status === 'fulfilled' ? block.value : refusalOf(block.reason),
    );
    assert.deepEqual(told, [0, 'SOURCE_CHANGED', 2, 3, 'absent', 4, 5]);
    // Memory is filled anew as soon as it was written: none of it may still be on its way.
    const more = Array.from({ length: 12 }, async (_, at) => {
      const into = new Uint8Array(SIZE);
      await session.block(CID, 10 + at, into);
      return Buffer.compare(into, fill(new Uint8Array(SIZE), CID, 10 + at));
    });
    assert.deepEqual(new Set(await Promise.all(more)), new Set([0]));
    await session.close();
    await until('told', () => holder.events.length > 0);
    const [sent] = holder.events;
    // The source says that its file is of one block.
    assert.equal(sent?.type === 'file.sent' ? sent.bytes : 0, SIZE);
  });
