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
  ],
  foreign: { id: 'bukan kotak masuk kelana', en: 'it is not an inbox of kelana' },
};
