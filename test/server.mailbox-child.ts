import { openMailbox } from '../src/mailbox/mailbox.ts';
import { newMessage } from './mailbox.contract.ts';

/**
 * A process that appends `count` messages, `width` at a time, and prints the id and text of each after it was
 * acknowledged. Errors are printed as `! CODE`. Run by server.mailbox.test.ts.
 */
const [path = '', prefix = '', count = '0', width = '1'] = process.argv.slice(2);
const mailbox = await openMailbox({ path });
process.stdout.write('ready\n');
let next = 0;
await Promise.all(
  Array.from({ length: Number(width) }, async () => {
    while (next < Number(count)) {
      const text = `${prefix}${next}`;
      next += 1;
      try {
        const { message } = await mailbox.append(newMessage(text, { server: prefix, idempotencyKey: text }));
        process.stdout.write(`${message.id} ${text}\n`);
      } catch (thrown) {
        process.stdout.write(`! ${String((thrown as { code?: unknown }).code)} ${text}\n`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }),
);
await mailbox.close();
