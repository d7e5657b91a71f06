import { open, type FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { basename } from 'node:path';
import { CLIENTS, MAILBOX } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { Failure, type Send } from './connection.ts';
import type { Target } from './target.ts';

/** What every request of a run carries. */
export interface Payload {
  /** For the log: `POST /messages`. */
  readonly what: string;
  /** The file's name and size, or null for a message. */
  readonly file: { readonly name: string; readonly size: number } | null;
  /** The text of a client's request (both count from 0), for the log. */
  text(client: number, index: number): string;
  /** The request itself; `bytes` is the size of its body. The same key may be sent again. */
  request(client: number, index: number, key: string): { readonly send: Send; readonly bytes: number };
  close(): Promise<void>;
}

/** What makes a message unfit to send, or nothing. */
export function messageFault(message: string): Text | undefined {
  if (message.trim() === '') return { id: 'pesannya kosong', en: 'the message is empty' };
  if (Buffer.byteLength(message) <= MAILBOX.maxTextBytes) return undefined;
  return {
    id: `lebih panjang dari ${MAILBOX.maxTextBytes} byte; kirim sebagai file`,
    en: `it is longer than ${MAILBOX.maxTextBytes} bytes; send it as a file`,
  };
}

/** With `unique`, ` #client-number` is appended, both from 1, so that a tester can find each message again. */
export function messagePayload(target: Target, message: string, unique: boolean): Payload {
  const text = (client: number, index: number): string =>
    unique ? `${message} #${client + 1}-${index + 1}` : message;
  const before = headOf(target, 'POST', '/messages', 'application/json');
  const encode = (body: string) => {
    const bytes = Buffer.byteLength(body);
    return { bytes, after: `\r\nContent-Length: ${bytes}\r\n\r\n${body}` };
  };
  const same = unique ? null : encode(JSON.stringify({ text: message }));
  return {
    what: `POST ${target.base}/messages`,
    file: null,
    text,
    request: (client, index, key) => {
      const { bytes, after } = same ?? encode(JSON.stringify({ text: text(client, index) }));
      return { bytes, send: (socket) => void socket.write(before + key + after) };
    },
    close: () => Promise.resolve(),
  };
}

/**
 * Every request uploads the file under its own name: the server knows the same content again (200 after the first
 * 201), so that a run does all the work of an upload without filling the disk.
 * @throws KelanaError CANNOT_READ
 */
export async function filePayload(target: Target, path: string): Promise<Payload> {
  const { handle, size } = await openFile(path);
  const name = basename(path);
  const place = `/files/${encodeURIComponent(name)}`;
  const before = headOf(target, 'PUT', place, 'application/octet-stream');
  return {
    what: `PUT ${target.base}${place}`,
    file: { name, size },
    text: () => name,
    request: (_client, _index, key) => ({
      bytes: size,
      send: (socket, alive) => {
        socket.write(`${before}${key}\r\nContent-Length: ${size}\r\n\r\n`);
        return size === 0 ? undefined : sendFile(handle, size, socket, alive);
      },
    }),
    close: () => handle.close(),
  };
}

function headOf(target: Target, method: string, place: string, type: string): string {
  return (
    `${method} ${target.base}${place} HTTP/1.1\r\nHost: ${target.authority}\r\nUser-Agent: kelana\r\n` +
    `Accept: application/json\r\nAccept-Language: ${target.lang}\r\nContent-Type: ${type}\r\nIdempotency-Key: `
  );
}

async function openFile(path: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, size: stat.size };
  } catch (thrown) {
    await handle?.close();
    throw new KelanaError('CANNOT_READ', { path, why: reason(thrown) }, thrown);
  }
  await handle.close();
  throw new KelanaError('CANNOT_READ', {
    path,
    why: { id: 'itu bukan berkas biasa', en: 'it is not a regular file' },
  });
}

/** One descriptor serves all clients, each reading at its own place; a piece is gone before the next is read over it. */
async function sendFile(handle: FileHandle, size: number, socket: Socket, alive: () => void): Promise<void> {
  for (let at = 0; at < size;) {
    const piece = Buffer.allocUnsafe(Math.min(CLIENTS.readBytes, size - at));
    const { bytesRead } = await handle.read(piece, 0, piece.length, at);
    if (bytesRead === 0) throw new Failure('SOURCE_CHANGED', 'the file became shorter while it was sent');
    at += bytesRead;
    alive();
    if (at === size) {
      socket.write(piece.subarray(0, bytesRead));
      return;
    }
    await new Promise<void>((resolve, reject) => {
      socket.write(piece.subarray(0, bytesRead), (error) => (error ? reject(error) : resolve()));
    });
  }
}
