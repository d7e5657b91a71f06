import { MESSAGES } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { Grant, InboxItem, NewLetter, OutboxItem, PrivateFile } from '../core/messages/ports.ts';
import type { Letter, OfferAnswer } from '../core/wire/messages.ts';
import type { Sql, Statements } from './post-file.ts';
import { insertInto, outboxItem, type Row } from './post-rows.ts';

/** Bytes that a letter counts for beside its text. */
const ROW_BYTES = 512;

/** What an offer may still become; an end is final. */
const UNDECIDED = "state IN ('waiting', 'delivered', 'accepted')";
/** An answer is done once it is delivered, an offer once it is decided and fetched. */
const ENDED = `(state NOT IN ('waiting', 'delivered', 'accepted') OR (state = 'delivered' AND kind <> 'offer'))`;

/** What is to be delivered, and what became of it. */
export class OutboxStore {
  readonly #file: Statements;

  constructor(file: Statements) {
    this.#file = file;
  }

  /** A newer answer to an offer takes the place of an older one. @throws KelanaError OUTBOX_FULL */
  queue(letter: NewLetter): OutboxItem {
    return this.#file.write((sql) => this.#queue(sql, letter));
  }

  /** An answer to an offer, within the transaction in which it was decided. */
  queueAnswer(
    sql: Sql,
    item: InboxItem,
    answer: OfferAnswer,
    time: { now: number; expiresAt: number },
  ): void {
    const { peer, label, addresses, id } = item;
    this.#queue(sql, {
      to: { peer, label, addresses },
      letter: { type: 'answer', id, answer },
      holdings: [],
      folders: [],
      ...time,
    });
  }

  list(limit: number): readonly OutboxItem[] {
    return this.#file.run((sql) =>
      sql(`SELECT * FROM (SELECT * FROM outbox WHERE kind <> 'answer' ORDER BY no DESC LIMIT ?) ORDER BY no`)
        .all(limit)
        .map(outboxItem),
    );
  }

  item(no: number): OutboxItem | null {
    return this.#file.run((sql) => oneOf(sql('SELECT * FROM outbox WHERE no = ?').get(no)));
  }

  due(): { at: number | null; peers: readonly string[] } {
    return this.#file.run((sql) => {
      const next = sql("SELECT min(next_ms) AS at FROM outbox WHERE state = 'waiting'").get()?.['at'];
      const rows = sql("SELECT DISTINCT peer FROM outbox WHERE state = 'waiting'").all();
      return { at: typeof next === 'number' ? next : null, peers: rows.map((row) => String(row['peer'])) };
    });
  }

  duePeers(now: number): readonly string[] {
    return this.#file.run((sql) =>
      sql(
        "SELECT peer, min(next_ms) AS at FROM outbox WHERE state = 'waiting' GROUP BY peer HAVING at <= ? ORDER BY at",
      )
        .all(now)
        .map((row) => String(row['peer'])),
    );
  }

  waiting(peer: string): readonly OutboxItem[] {
    return this.#file.run((sql) => {
      const items: OutboxItem[] = [];
      let bytes = 0;
      const rows = sql("SELECT * FROM outbox WHERE state = 'waiting' AND peer = ? ORDER BY no LIMIT ?");
      for (const row of rows.iterate(peer, MESSAGES.window)) {
        bytes += Number(row['bytes']);
        if (items.length > 0 && bytes > MESSAGES.windowBytes) break;
        items.push(outboxItem(row));
      }
      return items;
    });
  }

  settle(no: number, revision: number, state: OutboxItem['state'], why: string | null): OutboxItem | null {
    return this.#file.write((sql) => {
      const { changes } = sql(
        "UPDATE outbox SET state = ?, why = ? WHERE no = ? AND revision = ? AND state = 'waiting'",
      ).run(state, why, no, revision);
      return Number(changes) === 1 ? oneOf(sql('SELECT * FROM outbox WHERE no = ?').get(no)) : null;
    });
  }

  postpone(peer: string, nextAt: number, why: string): null {
    return this.#file.write((sql) => {
      sql(
        "UPDATE outbox SET next_ms = ?, attempts = attempts + 1, why = ? WHERE state = 'waiting' AND peer = ?",
      ).run(nextAt, why, peer);
      return null;
    });
  }

  answered(peer: string, id: string, answer: OfferAnswer): { item: OutboxItem; changed: boolean } | null {
    return this.#file.write((sql) => {
      const before = this.#find(sql, peer, id, 'offer');
      if (before === null) return null;
      // "Accepted" may come late, after what came of it.
      const set = sql(`UPDATE outbox SET state = ?, why = NULL WHERE no = ? AND state <> ? AND ${UNDECIDED}`);
      const changed = Number(set.run(answer, before.no, answer).changes) === 1;
      return { item: this.#find(sql, peer, id, 'offer') ?? before, changed };
    });
  }

  expire(now: number): readonly OutboxItem[] {
    return this.#file.write((sql) => {
      const where = `expires_ms <= ? AND NOT ${ENDED}`;
      const rows = sql(`SELECT * FROM outbox WHERE ${where}`).all(now);
      if (rows.length > 0) sql(`UPDATE outbox SET state = 'failed', why = 'expired' WHERE ${where}`).run(now);
      return rows.map((row) => ({ ...outboxItem(row), state: 'failed', why: 'expired' }) as const);
    });
  }

  grants(): readonly Grant[] {
    return this.#file.run((sql) =>
      sql(`SELECT * FROM outbox WHERE kind = 'offer' AND ${UNDECIDED} ORDER BY no`)
        .all()
        .map((row) => ({
          item: outboxItem(row),
          holdings: sql('SELECT * FROM holdings WHERE offer = ? ORDER BY name')
            .all(Number(row['no']))
            .map(fileOf),
          folders: sql('SELECT path FROM empty_folders WHERE offer = ? ORDER BY path')
            .all(Number(row['no']))
            .map((folder) => String(folder['path'])),
        })),
    );
  }

  #queue(sql: Sql, { to, letter, now, expiresAt, holdings, folders }: NewLetter): OutboxItem {
    const waits = sql(
      "SELECT count(*) AS n, coalesce(sum(bytes), 0) AS bytes FROM outbox WHERE state = 'waiting'",
    ).get();
    const text = textOf(letter);
    const bytes = Buffer.byteLength(text) + ROW_BYTES;
    // Answers are bounded by the offers of the inbox; one that were lost would leave its sender waiting.
    const full =
      Number(waits?.['n']) >= MESSAGES.maxOutbox ||
      Number(waits?.['bytes']) + bytes > MESSAGES.maxOutboxBytes;
    if (full && letter.type !== 'answer')
      throw new KelanaError('OUTBOX_FULL', { count: Number(waits?.['n']) });
    const offer = letter.type === 'offer' ? letter : null;
    const { sql: insert, values } = insertInto('outbox', {
      peer: to.peer,
      id: letter.id,
      kind: letter.type,
      state: 'waiting',
      label: to.label,
      addresses: JSON.stringify(to.addresses),
      text,
      bytes,
      size: offer?.size ?? 0,
      cid: offer?.cid ?? '',
      files: offer?.files ?? 0,
      answer: letter.type === 'answer' ? letter.answer : null,
      created_ms: now,
      expires_ms: expiresAt,
      next_ms: now,
      attempts: 0,
      revision: 0,
    });
    const again = `ON CONFLICT (peer, id, kind) DO UPDATE SET state = 'waiting', answer = excluded.answer,
        next_ms = excluded.next_ms, expires_ms = excluded.expires_ms, attempts = 0, revision = revision + 1, why = NULL`;
    sql(`${insert} ${again}`).run(...values);
    // What is new for a peer takes along what waits for it.
    sql("UPDATE outbox SET next_ms = min(next_ms, ?) WHERE state = 'waiting' AND peer = ?").run(now, to.peer);
    const item = this.#find(sql, to.peer, letter.id, letter.type);
    if (item === null) throw new Error('what was queued is not there');
    const hold = sql(
      `INSERT INTO holdings (offer, name, path, size, identity, cid, digests) VALUES (?, ?, ?, ?, ?, ?, ?)`,
    );
    for (const file of holdings)
      hold.run(item.no, file.name, file.path, file.size, file.identity, file.cid, file.digests);
    const empty = sql('INSERT INTO empty_folders (offer, path) VALUES (?, ?)');
    for (const path of folders) empty.run(item.no, path);
    if (letter.type !== 'answer') noteWritten(sql, to.peer, to.label, to.addresses, now);
    this.#forget(sql);
    return item;
  }

  #find(sql: Sql, peer: string, id: string, kind: Letter['type']): OutboxItem | null {
    return oneOf(sql('SELECT * FROM outbox WHERE peer = ? AND id = ? AND kind = ?').get(peer, id, kind));
  }

  /** Of what has ended only the newest are kept, and what receivers might read of it not at all. */
  #forget(sql: Sql): void {
    sql(
      `DELETE FROM outbox WHERE ${ENDED} AND no <=
       (SELECT no FROM outbox WHERE ${ENDED} ORDER BY no DESC LIMIT 1 OFFSET ?)`,
    ).run(MESSAGES.maxEnded);
    for (const table of ['holdings', 'empty_folders'])
      sql(`DELETE FROM ${table} WHERE offer IN (SELECT no FROM outbox WHERE ${ENDED})`).run();
  }
}

function textOf(letter: Letter): string {
  if (letter.type === 'text') return letter.text;
  return letter.type === 'offer' ? letter.name : '';
}

function oneOf(row: Row | undefined): OutboxItem | null {
  return row === undefined ? null : outboxItem(row);
}

function fileOf(row: Row): PrivateFile {
  return {
    name: String(row['name']),
    path: String(row['path']),
    size: Number(row['size']),
    identity: String(row['identity']),
    cid: String(row['cid']),
    digests: row['digests'] as Uint8Array,
  };
}

function noteWritten(sql: Sql, peer: string, label: string, addresses: readonly string[], now: number): void {
  sql(
    `INSERT INTO known (peer, label, addresses, verified, written, seen_ms) VALUES (?, ?, ?, 0, 1, ?)
     ON CONFLICT (peer) DO UPDATE SET written = 1`,
  ).run(peer, label, JSON.stringify(addresses), now);
}
