import { setTimeout as sleep } from 'node:timers/promises';
import { openLog } from '../src/cli/logging.ts';
import { logContext, logValues } from './log.support.ts';

/** One part among several: `node log.writer-child.ts FOLDER LABEL COUNT` writes COUNT events in bursts. */
const [folder = '', who = '', count = '0'] = process.argv.slice(2);
const BURST = 100;

const log = await openLog(
  logContext(folder, (text) => process.stderr.write(`${text}\n`)),
  logValues(),
);
for (let n = 0; n < Number(count); n += 1) {
  log.emit({ type: 'message.sent', who, to: 'localhost:8000', text: `${n} ${'x'.repeat(n % 300)}` });
  if (n % BURST === BURST - 1) await sleep(5);
}
await log.close();
