import { MESSAGES } from '../core/config.ts';
import type { Arrival, InboxItem, Received } from '../core/messages/ports.ts';
import type { OfferAnswer } from '../core/wire/messages.ts';
import type { Sql, Statements } from './post-file.ts';
import { inboxItem, insertInto, type Row } from './post-rows.ts';

/** Bytes that an item counts for beside its text: row, indices and addresses. */
const ROW_BYTES = 512;

/**
 * What came in. Of one peer and id there is one item for ever: a removed one leaves its id behind (`removed`), so that a
 * letter that its sender repeats does not come a second time.
 */
export class InboxStore {
  readonly #file: Statements;

  constructor(file: Statements) {
    this.#file = file;
  }

  /** All of them in one transaction; each has a receipt of its own. */
  receive(arrivals: readonly Arrival[]): readonly Received[] {
    return this.#file.write((sql) => {
      const totals = this.#totals(sql);
      return arrivals.map((arrival) => this.#receiveOne(sql, arrival, totals));
    });
  }

  list({ after, unread, limit }: { after?: number; unread?: boolean; limit: number }): readonly InboxItem[] {
    const states = unread === true ? "state IN ('unread', 'open')" : "state <> 'removed'";
    // The newest, oldest of them first; with `after` those that follow it.
    const rows = this.#file.run((sql) =>
      after === undefined
        ? sql(`SELECT * FROM (SELECT * FROM inbox WHERE ${states} ORDER BY no DESC LIMIT ?) ORDER BY no`).all(
            limit,
          )
        : sql(`SELECT * FROM inbox WHERE ${states} AND no > ? ORDER BY no LIMIT ?`).all(after, limit),
    );
    return rows.map(inboxItem);
  }

  item(no: number): InboxItem | null {
    return this.#file.run((sql) => itemOf(sql, no));
  }

  counts(): { items: number; bytes: number; unread: number } {
    return this.#file.run((sql) => {
      const { items, bytes } = this.#totals(sql);
      const unread = sql("SELECT count(*) AS n FROM inbox WHERE state IN ('unread', 'open')").get();
      return { items, bytes, unread: Number(unread?.['n']) };
    });
  }

  /** Within a transaction of the caller. */
  decide(
    sql: Sql,
    no: number,
    from: readonly InboxItem['state'][],
    to: OfferAnswer,
    { why, path }: { why?: string; path?: string },
  ): InboxItem | null {
    const item = itemOf(sql, no);
    if (item === null || item.kind !== 'offer' || !from.includes(item.state)) return null;
    const set = sql('UPDATE inbox SET state = ?, why = ?, path = ? WHERE no = ?');
    set.run(to, why ?? null, path ?? item.path, no);
    return itemOf(sql, no);
  }

  markRead(nos: readonly number[] | null): number {
    return this.#file.write((sql) => {
      if (nos === null)
        return Number(sql("UPDATE inbox SET state = 'read' WHERE state = 'unread'").run().changes);
      const one = sql("UPDATE inbox SET state = 'read' WHERE state = 'unread' AND no = ?");
      return nos.reduce((sum, no) => sum + Number(one.run(no).changes), 0);
    });
  }

  remove(nos: readonly number[]): number {
    return this.#file.write((sql) => {
      const one = sql(
        `UPDATE inbox SET state = 'removed', text = '', addresses = '[]', bytes = 0, path = NULL, why = NULL
         WHERE no = ? AND state NOT IN ('removed', 'accepted')`,
      );
      const removed = nos.reduce((sum, no) => sum + Number(one.run(no).changes), 0);
      sql(
        `DELETE FROM inbox WHERE state = 'removed' AND no <=
         (SELECT no FROM inbox WHERE state = 'removed' ORDER BY no DESC LIMIT 1 OFFSET ?)`,
      ).run(MESSAGES.maxRemoved);
      return removed;
    });
  }

  accepted(): readonly InboxItem[] {
    return this.#file.run((sql) =>
      sql("SELECT * FROM inbox WHERE state = 'accepted' ORDER BY no").all().map(inboxItem),
    );
  }

  #receiveOne(sql: Sql, arrival: Arrival, totals: Totals): Received {
    const { from, letter, now } = arrival;
    const known = sql('SELECT no FROM inbox WHERE peer = ? AND id = ?').get(from.peer, letter.id);
    if (known !== undefined) return { code: 'stored', item: null };
    const text = letter.type === 'text' ? letter.text : letter.name;
    const bytes = Buffer.byteLength(text) + ROW_BYTES;
    const stranger =
      sql('SELECT 1 AS n FROM known WHERE peer = ? AND written = 1').get(from.peer) === undefined;
    if (this.#isFull(sql, from.peer, letter.type, bytes, stranger, totals))
      return { code: 'full', item: null };
    const offer = letter.type === 'offer' ? letter : null;
    const { sql: insert, values } = insertInto('inbox', {
      peer: from.peer,
      id: letter.id,
      kind: letter.type,
      state: offer === null ? 'unread' : 'open',
      label: from.label,
      addresses: JSON.stringify(from.addresses),
      text,
      bytes,
      size: offer?.size ?? 0,
      cid: offer?.cid ?? '',
      files: offer?.files ?? 0,
      sent_ms: letter.sentAt,
      received_ms: now,
    });
    const { lastInsertRowid } = sql(insert).run(...values);
    totals.items += 1;
    totals.bytes += bytes;
    if (stranger) {
      totals.strangeItems += 1;
      totals.strangeBytes += bytes;
    }
    return { code: 'stored', item: itemOf(sql, Number(lastInsertRowid)) };
  }

  #isFull(
    sql: Sql,
    peer: string,
    kind: 'text' | 'offer',
    bytes: number,
    stranger: boolean,
    totals: Totals,
  ): boolean {
    const { maxInbox, maxInboxBytes, strangersShare } = MESSAGES;
    if (totals.items >= maxInbox || totals.bytes + bytes > maxInboxBytes) return true;
    if (
      stranger &&
      (totals.strangeItems >= maxInbox * strangersShare ||
        totals.strangeBytes + bytes > maxInboxBytes * strangersShare)
    )
      return true;
    const own = sql(
      `SELECT count(*) AS items, coalesce(sum(bytes), 0) AS bytes, coalesce(sum(state = 'open'), 0) AS offers
       FROM inbox WHERE peer = ? AND state <> 'removed'`,
    ).get(peer);
    if (Number(own?.['items']) >= MESSAGES.maxPerSender) return true;
    if (Number(own?.['bytes']) + bytes > MESSAGES.maxBytesPerSender) return true;
    if (kind === 'text') return false;
    if (Number(own?.['offers']) >= MESSAGES.maxOffersPerSender) return true;
    const open = sql("SELECT count(*) AS n FROM inbox WHERE state = 'open'").get();
    return Number(open?.['n']) >= MESSAGES.maxOffers;
  }

  #totals(sql: Sql): Totals {
    const all = sql(
      "SELECT count(*) AS items, coalesce(sum(bytes), 0) AS bytes FROM inbox WHERE state <> 'removed'",
    ).get();
    const strange = sql(
      `SELECT count(*) AS items, coalesce(sum(bytes), 0) AS bytes FROM inbox WHERE state <> 'removed'
       AND peer NOT IN (SELECT peer FROM known WHERE written = 1)`,
    ).get();
    return {
      items: Number(all?.['items']),
      bytes: Number(all?.['bytes']),
      strangeItems: Number(strange?.['items']),
      strangeBytes: Number(strange?.['bytes']),
    };
  }
}

interface Totals {
  items: number;
  bytes: number;
  /** Of peers that this node never wrote to. */
  strangeItems: number;
  strangeBytes: number;
}

function itemOf(sql: Sql, no: number): InboxItem | null {
  const row: Row | undefined = sql("SELECT * FROM inbox WHERE no = ? AND state <> 'removed'").get(no);
  return row === undefined ? null : inboxItem(row);
}
