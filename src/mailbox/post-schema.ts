import type { FileKind } from './sqlite.ts';

/** The SQL of a node's inbox and outbox, as text only. */
export const POST_FILE: FileKind = {
  /** "klin" in ASCII. */
  applicationId: 0x6b6c696e,
  // Never edit one that was released: add the next.
  migrations: [
    `CREATE TABLE inbox (
       no INTEGER PRIMARY KEY AUTOINCREMENT,
       peer TEXT NOT NULL,
       id TEXT NOT NULL,
       kind TEXT NOT NULL,
       state TEXT NOT NULL,
       label TEXT NOT NULL,
       addresses TEXT NOT NULL,
       text TEXT NOT NULL,
       bytes INTEGER NOT NULL,
       size INTEGER NOT NULL,
       cid TEXT NOT NULL,
       files INTEGER NOT NULL,
       list_bytes INTEGER NOT NULL,
       sent_ms INTEGER NOT NULL,
       received_ms INTEGER NOT NULL,
       path TEXT,
       why TEXT,
       UNIQUE (peer, id)
     ) STRICT;
     CREATE INDEX inbox_by_peer ON inbox (peer, state, kind, bytes);
     CREATE INDEX inbox_by_state ON inbox (state, no);
     CREATE TABLE outbox (
       no INTEGER PRIMARY KEY AUTOINCREMENT,
       peer TEXT NOT NULL,
       id TEXT NOT NULL,
       kind TEXT NOT NULL,
       state TEXT NOT NULL,
       label TEXT NOT NULL,
       addresses TEXT NOT NULL,
       text TEXT NOT NULL,
       bytes INTEGER NOT NULL,
       size INTEGER NOT NULL,
       cid TEXT NOT NULL,
       files INTEGER NOT NULL,
       list_bytes INTEGER NOT NULL,
       answer TEXT,
       created_ms INTEGER NOT NULL,
       expires_ms INTEGER NOT NULL,
       next_ms INTEGER NOT NULL,
       attempts INTEGER NOT NULL,
       revision INTEGER NOT NULL,
       why TEXT,
       UNIQUE (peer, id, kind)
     ) STRICT;
     CREATE INDEX outbox_by_state ON outbox (state, peer, next_ms);
     CREATE TABLE holdings (
       offer INTEGER NOT NULL REFERENCES outbox (no) ON DELETE CASCADE,
       name TEXT NOT NULL,
       path TEXT NOT NULL,
       size INTEGER NOT NULL,
       identity TEXT NOT NULL,
       cid TEXT NOT NULL,
       digests BLOB NOT NULL,
       PRIMARY KEY (offer, name)
     ) STRICT, WITHOUT ROWID;
     CREATE TABLE known (
       peer TEXT PRIMARY KEY,
       label TEXT NOT NULL,
       addresses TEXT NOT NULL,
       verified INTEGER NOT NULL,
       written INTEGER NOT NULL,
       seen_ms INTEGER NOT NULL
     ) STRICT;
     CREATE INDEX known_by_label ON known (label);`,
    // A folder went by a list of its own. Nobody serves those lists any more, so what is open of them comes to its end.
    `INSERT INTO outbox (peer, id, kind, state, label, addresses, text, bytes, size, cid, files, list_bytes, answer,
         created_ms, expires_ms, next_ms, attempts, revision)
       SELECT peer, id, 'answer', 'waiting', label, addresses, '', 512, 0, '', 0, 0, 'failed',
         1000 * unixepoch(), 1000 * unixepoch() + 2592000000, 0, 0, 0
       FROM inbox WHERE kind = 'offer' AND files > 0 AND state IN ('open', 'accepted')
       ON CONFLICT (peer, id, kind) DO UPDATE SET state = 'waiting', answer = 'failed', next_ms = 0,
         expires_ms = excluded.expires_ms, attempts = 0, revision = revision + 1, why = NULL;
     UPDATE inbox SET state = 'failed', why = 'old-folder'
       WHERE kind = 'offer' AND files > 0 AND state IN ('open', 'accepted');
     UPDATE outbox SET state = 'failed', why = 'old-folder'
       WHERE kind = 'offer' AND files > 0 AND state IN ('waiting', 'delivered', 'accepted');
     DELETE FROM holdings WHERE offer IN (SELECT no FROM outbox WHERE why = 'old-folder');
     ALTER TABLE inbox DROP COLUMN list_bytes;
     ALTER TABLE outbox DROP COLUMN list_bytes;
     CREATE TABLE empty_folders (
       offer INTEGER NOT NULL REFERENCES outbox (no) ON DELETE CASCADE,
       path TEXT NOT NULL,
       PRIMARY KEY (offer, path)
     ) STRICT, WITHOUT ROWID;`,
  ],
  foreign: { id: 'bukan kotak masuk kelana', en: 'it is not an inbox of kelana' },
};
