/**
 * The mailbox's SQL, as text only. `application_id` tells our file from every other SQLite file; `user_version`
 * counts the migrations that were applied.
 */

/** "klmb" in ASCII: the application_id (SQLite file header, offset 68) of a kelana mailbox. */
export const APPLICATION_ID = 0x6b6c6d62;

/** Migration n brings a file from version n to n + 1. Never edit one that was released: add the next. */
export const MIGRATIONS: readonly string[] = [
  `CREATE TABLE messages (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     text TEXT NOT NULL,
     room TEXT NOT NULL,
     recipient TEXT,
     server TEXT NOT NULL,
     received_ms INTEGER NOT NULL,
     idempotency_key TEXT
   ) STRICT;
   CREATE INDEX messages_by_room ON messages (room, id);
   CREATE UNIQUE INDEX messages_by_key ON messages (idempotency_key) WHERE idempotency_key IS NOT NULL;`,
];

export const INSERT = `INSERT INTO messages (text, room, recipient, server, received_ms, idempotency_key)
  VALUES (?, ?, ?, ?, ?, ?)
  ON CONFLICT (idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING`;

const COLUMNS = 'id, text, room, recipient, server, received_ms';

export const BY_KEY = `SELECT ${COLUMNS} FROM messages WHERE idempotency_key = ?`;
export const AFTER = `SELECT ${COLUMNS} FROM messages WHERE id > ? ORDER BY id LIMIT ?`;
export const AFTER_IN_ROOM = `SELECT ${COLUMNS} FROM messages WHERE room = ? AND id > ? ORDER BY id LIMIT ?`;
export const LATEST = 'SELECT max(id) AS id FROM messages';
