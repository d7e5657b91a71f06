import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import type { InboxItem, OutboxItem } from '../core/messages/ports.ts';
import type { OfferAnswer } from '../core/wire/messages.ts';

export type Row = Readonly<Record<string, SQLOutputValue>>;

const text = (row: Row, name: string): string => String(row[name] ?? '');
const number = (row: Row, name: string): number => Number(row[name] ?? 0);
const textOrNull = (row: Row, name: string): string | null => {
  const value = row[name];
  return typeof value === 'string' ? value : null;
};

function common(row: Row) {
  return {
    no: number(row, 'no'),
    peer: text(row, 'peer'),
    label: text(row, 'label'),
    addresses: JSON.parse(text(row, 'addresses')) as readonly string[],
    id: text(row, 'id'),
    text: text(row, 'text'),
    size: number(row, 'size'),
    cid: text(row, 'cid'),
    files: number(row, 'files'),
    why: textOrNull(row, 'why'),
  };
}

export function inboxItem(row: Row): InboxItem {
  return {
    ...common(row),
    kind: text(row, 'kind') as InboxItem['kind'],
    state: text(row, 'state') as InboxItem['state'],
    sentAt: number(row, 'sent_ms'),
    receivedAt: number(row, 'received_ms'),
    path: textOrNull(row, 'path'),
  };
}

export function outboxItem(row: Row): OutboxItem {
  return {
    ...common(row),
    kind: text(row, 'kind') as OutboxItem['kind'],
    state: text(row, 'state') as OutboxItem['state'],
    answer: textOrNull(row, 'answer') as OfferAnswer | null,
    createdAt: number(row, 'created_ms'),
    expiresAt: number(row, 'expires_ms'),
    nextAt: number(row, 'next_ms'),
    attempts: number(row, 'attempts'),
    revision: number(row, 'revision'),
  };
}

/** `INSERT … (columns) VALUES (…)` with the values in the columns' order. */
export function insertInto(table: string, values: Readonly<Record<string, SQLInputValue>>) {
  const names = Object.keys(values);
  const marks = names.map(() => '?').join(', ');
  return {
    sql: `INSERT INTO ${table} (${names.join(', ')}) VALUES (${marks})`,
    values: Object.values(values),
  };
}
