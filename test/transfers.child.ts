import { join } from 'node:path';
import { Downloads } from '../src/transfers/downloads.ts';
import { TransferQueue } from '../src/transfers/queue.ts';
import { TransferStore } from '../src/transfers/store.ts';
import { contentOf, howFor, TestFolder, TestProvider } from '../src/transfers/swarm.testkit.ts';

/**
 * A process with a queue of one file of `count` blocks from two providers, which it takes up again at every start.
 * Prints `have N` for the blocks on the disk, and `done GIVEN` with the blocks that crossed. Run by
 * transfers.kill.test.ts, which kills it.
 */
const [base = '', count = '0'] = process.argv.slice(2);
const content = contentOf(Number(count) * 1024, 1);
const nodes = [1, 2].map((at) => new TestProvider(`p${at}`, content, { rate: 150 * 1024 }));
const { file, ...how } = howFor(nodes, new TestFolder(join(base, 'downloaded')), content);
const store = new TransferStore(join(base, 'transfers.db'));
const queue = new TransferQueue({
  store,
  downloads: new Downloads({ ...how, incomingFolder: () => Promise.reject(new Error('no folders here')) }),
  discard: () => Promise.resolve(),
  wall: Date.now,
  random: Math.random,
  emit: () => undefined,
  who: 'me',
});
if (queue.list().length === 0) {
  queue.add(
    file,
    nodes.map(({ provider }) => provider),
  );
}
let told = -1;
const watch = setInterval(() => {
  const [transfer] = queue.list();
  const blocks = Math.floor((transfer?.bytes ?? 0) / 1024);
  if (blocks !== told) process.stdout.write(`have ${blocks}\n`);
  told = blocks;
  if (transfer?.state !== 'done') return;
  clearInterval(watch);
  process.stdout.write(`done ${nodes.reduce((sum, { given }) => sum + given, 0)}\n`);
  void queue.close();
}, 2);
