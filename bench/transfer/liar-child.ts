/**
 * A provider that lies, started by liar.ts: a real node over a real library, whose blocks are wrong in one byte each, and
 * which keeps to a rate of its own. argv: FOLDER SHARE BYTES_PER_SECOND. Says its port when it is up, and, asked, how
 * often it has lied.
 */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BlockSourcePort } from '../../src/core/ports.ts';
import { openLibrary } from '../../src/library/library.ts';
import { startOverlay } from '../../src/overlay/overlay.ts';

const [folder = '', share = '', rate = ''] = process.argv.slice(2);
const bytesPerSecond = Number(rate);
const data = join(folder, 'data');
await mkdir(data, { recursive: true });
const library = await openLibrary({ roots: [share], dataDir: data, rescanMs: 0 });
await library.ready;

let lies = 0;
let freeAt = 0;
const lying: BlockSourcePort = {
  lookup: (query) => library.lookup(query),
  list: () => library.list(),
  scanning: () => library.scanning(),
  onChange: (listener) => library.onChange(listener),
  manifest: (cid) => library.manifest(cid),
  async readBlock(cid, index) {
    const block = Uint8Array.from(await library.readBlock(cid, index));
    block[0] = (block[0] ?? 0) ^ 1;
    lies += 1;
    const now = performance.now();
    freeAt = Math.max(freeAt, now) + (block.length / bytesPerSecond) * 1000;
    await sleep(freeAt - now);
    return block;
  },
};
const overlay = await startOverlay({
  host: '127.0.0.1',
  port: 0,
  dataFolder: data,
  library: lying,
  peers: [],
  emit: () => undefined,
  now: () => performance.now(),
  random: Math.random,
});
process.on('message', () => process.send?.({ lies }));
process.on('disconnect', () => process.exit());
process.send?.({ port: overlay.port });
