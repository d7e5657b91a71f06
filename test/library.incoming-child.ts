import { createHash } from 'node:crypto';
import { writeSync } from 'node:fs';
import { argv } from 'node:process';
import { openIncoming } from '../src/library/incoming.ts';
import { Writer } from '../src/library/writer.ts';
import { bitsOf } from './library.incoming.helpers.ts';
import { blockAt, generatedLayout } from './library.generated.ts';

/**
 * A download that a test kills: `folder seed blocks most`. After so many blocks it waits for that. Says `have 0,3,…` when it is open, `w 7` for each block that is
 * written, `done <path>` at the end. What it says is written at once, so that a kill loses none of it.
 */
const [folder = '', seed = '', blocks = '', most = ''] = argv.slice(2);
const say = (line: string): void => void writeSync(1, `${line}\n`);
const layout = generatedLayout(Number(seed), Number(blocks));
const writer = new Writer();
const file = await openIncoming({ folder, name: 'a.bin', layout, writer });
const have = new Set(bitsOf(file.have, layout.count));
say(`have ${[...have].join(',')}`);
const order = Array.from({ length: layout.count }, (_, index) => index)
  .filter((index) => !have.has(index))
  .sort((a, b) => rank(a) - rank(b))
  .slice(0, Number(most));
await Promise.all(
  Array.from({ length: 8 }, async () => {
    for (let index = order.shift(); index !== undefined; index = order.shift()) {
      const slot = await file.slot();
      blockAt(Number(seed), index, slot.bytes);
      if (!(await file.write(index, slot))) throw new Error(`block ${index} was refused`);
      say(`w ${index}`);
    }
  }),
);
if (bitsOf(file.have, layout.count).length === layout.count) say(`done ${await file.finish()}`);
else setInterval(() => undefined, 60_000);
// The thread keeps nobody alive, so the process ends by itself after `done`.

/** As a swarm does: in no order. */
function rank(index: number): number {
  return createHash('sha256').update(`${seed} ${index}`).digest().readUInt32LE();
}
