import { MAILBOX } from '../core/config.ts';
import type { MailboxPort } from '../core/ports.ts';
import { GroupCommit } from './group.ts';
import type { Calls } from './protocol.ts';
import type { Appended, Arrival } from './store.ts';
import { StoreThread } from './thread.ts';

export interface MailboxOptions {
  /** The SQLite file; made, with its folder, where there is none. Servers on one machine share it. */
  readonly path: string;
  /** Milliseconds since the Unix epoch. */
  readonly now?: () => number;
  /** ms to wait for another process's write lock. */
  readonly busyTimeoutMs?: number;
}

/** ms beyond the longest wait for a lock after which a disk counts as hung. */
const DISK_GRACE_MS = 5_000;

/**
 * The durable mailbox on SQLite: write-ahead log, synchronous=FULL. One thread writes and one reads, so that neither
 * an fsync nor another server's lock ever holds up the event loop, and readers never wait for writers. In the event
 * loop's own thread an append costs half the CPU (12 against 21 µs), but a lock of 10 s stops the server for 10 s.
 * @throws KelanaError DATABASE where the file cannot be opened or is not a mailbox
 */
export async function openMailbox(options: MailboxOptions): Promise<MailboxPort> {
  const { path, now = Date.now, busyTimeoutMs = MAILBOX.busyTimeoutMs } = options;
  const timeoutMs = busyTimeoutMs + DISK_GRACE_MS;
  const code = new URL('./worker.ts', import.meta.url);
  const writer = new StoreThread<Calls>('mailbox-writer', code, { path, busyTimeoutMs }, timeoutMs);
  const reader = new StoreThread<Calls>('mailbox-reader', code, { path, busyTimeoutMs }, timeoutMs);
  // The writer first: it makes the file and its tables.
  await writer.open();
  try {
    await reader.open();
  } catch (thrown) {
    await writer.close();
    throw thrown;
  }
  const group = new GroupCommit<Arrival, Appended>((arrivals) => writer.call('append', arrivals));
  return {
    append: (message) => group.add({ message, receivedMs: now() }, Buffer.byteLength(message.text)),
    list: (after, limit, room) => reader.call('list', { after, limit, room }),
    latest: () => reader.call('latest', null),
    check: async () => {
      await writer.call('check', null);
    },
    close: async () => {
      await group.idle();
      await Promise.all([writer.close(), reader.close()]);
    },
  };
}
