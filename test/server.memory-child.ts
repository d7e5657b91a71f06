import { join } from 'node:path';
import { openMailbox } from '../src/mailbox/mailbox.ts';
import { startServer } from '../src/server/start.ts';
import { fakeOverlay, folderLibrary } from './server.fakes.ts';

/** A server process in the folder given. Prints its port; answers each line of stdin with the highest RSS so far (KiB). */
const [root = ''] = process.argv.slice(2);
const mailbox = await openMailbox({ path: join(root, 'mailbox.db') });
const library = folderLibrary(join(root, 'files'));
const server = await startServer({
  host: 'localhost',
  port: 0,
  lang: 'en',
  mailbox,
  library,
  overlay: fakeOverlay(),
  emit: () => undefined,
});
process.stdout.write(`${server.port}\n`);
process.stdin.on('data', () => process.stdout.write(`${process.resourceUsage().maxRSS}\n`));
