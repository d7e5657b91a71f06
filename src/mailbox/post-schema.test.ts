import assert from 'node:assert/strict';
import { DatabaseSync } from 'node:sqlite';
import test from 'node:test';
import { CID, newPost, peerOf } from './post.testkit.ts';
import { POST_FILE } from './post-schema.ts';

const ADDRESSES = JSON.stringify(peerOf('a').addresses);
const [FIRST = ''] = POST_FILE.migrations;

/** What the first version of the file may hold: of each kind of item one, and of offers in each state. */
function fill(db: DatabaseSync): void {
  const inbox =
    db.prepare(`INSERT INTO inbox (peer, id, kind, state, label, addresses, text, bytes, size, cid, files,
    list_bytes, sent_ms, received_ms, path) VALUES ('a', ?, ?, ?, 'label', ?, ?, 520, 3, ?, ?, ?, 1, 2, ?)`);
  const outbox =
    db.prepare(`INSERT INTO outbox (peer, id, kind, state, label, addresses, text, bytes, size, cid, files,
    list_bytes, created_ms, expires_ms, next_ms, attempts, revision)
    VALUES ('b', ?, ?, ?, 'label', ?, ?, 520, 3, ?, ?, ?, 1, 9e15, 0, 0, 0)`);
  const id = (n: number): string => n.toString(16).padStart(32, '0');
  inbox.run(id(1), 'text', 'unread', ADDRESSES, 'pesan', '', 0, 0, null);
  inbox.run(id(2), 'offer', 'open', ADDRESSES, 'berkas', CID, 0, 0, null);
  inbox.run(id(3), 'offer', 'open', ADDRESSES, 'folder', CID, 2, 90, null);
  inbox.run(id(4), 'offer', 'accepted', ADDRESSES, 'folder lagi', CID, 2, 90, '/d/folder lagi');
  inbox.run(id(5), 'offer', 'done', ADDRESSES, 'folder lama', CID, 2, 90, '/d/folder lama');
  outbox.run(id(1), 'text', 'waiting', ADDRESSES, 'pesan', '', 0, 0);
  outbox.run(id(2), 'offer', 'delivered', ADDRESSES, 'berkas', CID, 0, 0);
  outbox.run(id(3), 'offer', 'waiting', ADDRESSES, 'folder', CID, 2, 90);
  outbox.run(id(4), 'offer', 'done', ADDRESSES, 'folder lama', CID, 2, 90);
  db.prepare(
    `INSERT INTO outbox (peer, id, kind, state, label, addresses, text, bytes, size, cid, files, list_bytes, answer,
      created_ms, expires_ms, next_ms, attempts, revision)
      VALUES ('a', ?, 'answer', 'delivered', 'label', ?, '', 512, 0, '', 0, 0, 'accepted', 1, 2, 0, 0, 0)`,
  ).run(id(4), ADDRESSES);
  for (const offer of [2, 3])
    db.prepare(`INSERT INTO holdings VALUES (?, 'f', '/f', 3, '3:1:1', ?, x'00')`).run(offer, CID);
}

test('an inbox from before folders had a CID stays readable, and what is open of its folders ends with a reason', async (t) => {
  const { post, path, again } = await newPost(t);
  await post.close();
  const db = new DatabaseSync(path);
  for (const table of ['inbox', 'holdings', 'empty_folders', 'outbox', 'known'])
    db.exec(`DROP TABLE ${table}`);
  db.exec(FIRST);
  fill(db);
  db.exec('PRAGMA user_version = 1');
  db.close();
  const reopened = await again();
  const items = await reopened.inbox({ limit: 10 });
  assert.deepEqual(
    items.map(({ text, state, why, path: at }) => [text, state, why, at]),
    [
      ['pesan', 'unread', null, null],
      ['berkas', 'open', null, null],
      ['folder', 'failed', 'old-folder', null],
      ['folder lagi', 'failed', 'old-folder', '/d/folder lagi'],
      ['folder lama', 'done', null, '/d/folder lama'],
    ],
  );
  assert.deepEqual(
    (await reopened.outbox(10)).map(({ text, state, why }) => [text, state, why]),
    [
      ['pesan', 'waiting', null],
      ['berkas', 'delivered', null],
      ['folder', 'failed', 'old-folder'],
      ['folder lama', 'done', null],
    ],
  );
  const answers = await reopened.waiting('a');
  assert.deepEqual(
    answers.map(({ kind, answer, revision }) => [kind, answer, revision]),
    [
      ['answer', 'failed', 1],
      ['answer', 'failed', 0],
    ],
    'those who offered the open ones are told',
  );
  const grants = await reopened.grants();
  assert.deepEqual(
    grants.map(({ item, holdings, folders }) => [item.text, holdings.length, folders]),
    [['berkas', 1, []]],
  );
});
