import { openMail } from '../src/cli/mail-app.ts';
import { openLibrary } from '../src/library/library.ts';
import { startOverlay } from '../src/overlay/overlay.ts';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * A node that sends `count` messages `prefix0`, `prefix1`, … to `to`, and prints each once it is in the outbox (`+`) and
 * once it is delivered (`=`). With no prefix it only listens and prints what it took in. Run by messages.crash.test.ts.
 */
const [folder = '', port = '0', to = '', prefix = '', count = '0'] = process.argv.slice(2);
const data = join(folder, 'data');
await mkdir(data, { recursive: true });
const mail = await openMail({
  dataFolder: data,
  downloads: join(folder, 'downloaded'),
  emit: (event) => {
    if (event.type === 'message.sent') process.stdout.write(`= ${event.text}\n`);
    if (event.type === 'message.received') process.stdout.write(`< ${event.text}\n`);
  },
});
const library = await openLibrary({ roots: [], dataDir: data, rescanMs: 0 });
const overlay = await startOverlay({
  host: '127.0.0.1',
  port: Number(port),
  dataFolder: data,
  library,
  peers: to === '' ? [] : [to],
  emit: () => undefined,
  now: () => performance.now(),
  random: Math.random,
  wantNeighbours: 0,
  dht: false,
  ...mail.hooks,
});
const controls = await mail.open(overlay);
process.stdout.write(`ready ${overlay.port}\n`);
const most = prefix === '' ? 0 : Number(count);
for (let n = 0; n < most; n += 1) {
  const text = `${prefix}${n}`;
  for await (const event of controls.send({ to, text }, new AbortController().signal)) {
    if (event.type !== 'queued') continue;
    process.stdout.write(`+ ${text}\n`);
    break;
  }
}
