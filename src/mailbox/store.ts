import type { DatabaseSync, SQLOutputValue, StatementSync } from 'node:sqlite';
import { MAILBOX } from '../core/config.ts';
import type { MailboxMessage, NewMessage } from '../core/ports.ts';
import { Guarded } from './guarded.ts';
import { AFTER, AFTER_IN_ROOM, APPLICATION_ID, BY_KEY, INSERT, LATEST, MIGRATIONS } from './schema.ts';
import { openFile, type FileKind } from './sqlite.ts';

/** A message on its way to the store, with the time (ms, Unix epoch) at which the server took it in. */
export interface Arrival {
  readonly message: NewMessage;
  readonly receivedMs: number;
}

export interface Appended {
  readonly message: MailboxMessage;
  readonly repeated: boolean;
}

interface Connection {
  readonly db: DatabaseSync;
  readonly insert: StatementSync;
  readonly byKey: StatementSync;
  readonly after: StatementSync;
  readonly afterInRoom: StatementSync;
  readonly latest: StatementSync;
}

const KIND: FileKind = {
  applicationId: APPLICATION_ID,
  migrations: MIGRATIONS,
  foreign: { id: 'bukan kotak pesan kelana', en: 'it is not a mailbox of kelana' },
};

/** One connection to the mailbox file; it lives in a worker thread (worker.ts). */
export class Store {
  readonly #file: Guarded<Connection>;

  /** @throws KelanaError DATABASE */
  constructor(path: string, busyTimeoutMs: number) {
    this.#file = new Guarded(() => connect(path, busyTimeoutMs));
  }

  /**
   * All of them in one transaction, or none; on disk when it returns. Ids grow in the order of commits across all
   * processes, because BEGIN IMMEDIATE holds SQLite's one write lock from before the first id is taken until the
   * commit is done: a reader that sees an id sees every lower one.
   * @throws KelanaError MAILBOX_BUSY, MAILBOX_UNSAFE
   */
  appendAll(arrivals: readonly Arrival[]): Appended[] {
    return this.#file.write((connection) => arrivals.map((arrival) => insertOne(connection, arrival)));
  }

  /** @throws KelanaError MAILBOX_BUSY, MAILBOX_UNSAFE */
  list(after: number, limit: number, room: string | undefined): MailboxMessage[] {
    return this.#file.run(({ after: all, afterInRoom }) => {
      const rows = room === undefined ? all.iterate(after, limit) : afterInRoom.iterate(room, after, limit);
      const page: MailboxMessage[] = [];
      let bytes = 0;
      for (const row of rows) {
        const message = toMessage(row);
        bytes += Buffer.byteLength(message.text);
        if (page.length > 0 && bytes > MAILBOX.pageBytes) break;
        page.push(message);
      }
      return page;
    });
  }

  latest(): number {
    return this.#file.run(({ latest }) => Number(latest.get()?.['id'] ?? 0));
  }

  /** Recovers where it can. @throws KelanaError MAILBOX_UNSAFE */
  check(): void {
    this.#file.check();
  }

  close(): void {
    this.#file.close();
  }
}

function connect(path: string, busyTimeoutMs: number): Connection {
  const db = openFile(path, KIND, busyTimeoutMs);
  return {
    db,
    insert: db.prepare(INSERT),
    byKey: db.prepare(BY_KEY),
    after: db.prepare(AFTER),
    afterInRoom: db.prepare(AFTER_IN_ROOM),
    latest: db.prepare(LATEST),
  };
}

function insertOne(connection: Connection, { message, receivedMs }: Arrival): Appended {
  const { text, room, to, server, idempotencyKey } = message;
  const { changes, lastInsertRowid } = connection.insert.run(
    text,
    room,
    to,
    server,
    receivedMs,
    idempotencyKey,
  );
  if (Number(changes) === 1) {
    const receivedAt = new Date(receivedMs).toISOString();
    return { message: { id: Number(lastInsertRowid), text, room, to, server, receivedAt }, repeated: false };
  }
  const first = connection.byKey.get(idempotencyKey);
  if (first === undefined) throw new Error('a key was refused as used, but no message has it');
  return { message: toMessage(first), repeated: true };
}

function toMessage(row: Record<string, SQLOutputValue>): MailboxMessage {
  const to = row['recipient'];
  return {
    id: Number(row['id']),
    text: String(row['text']),
    room: String(row['room']),
    to: typeof to === 'string' ? to : null,
    server: String(row['server']),
    receivedAt: new Date(Number(row['received_ms'])).toISOString(),
  };
}
