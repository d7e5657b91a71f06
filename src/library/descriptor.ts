import { close, fstat, fsync, ftruncate, read, type Stats } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';

/** The part of node's `FileHandle` that an open part needs. */
export interface OpenFile extends Pick<FileHandle, 'fd' | 'sync' | 'truncate' | 'close'> {
  stat(): Promise<Stats>;
  read(
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }>;
}

const calls = {
  sync: promisify(fsync),
  truncate: promisify(ftruncate),
  close: promisify(close),
  stat: promisify<number, Stats>(fstat),
  read: promisify(read),
};

/** A file that a thread opened, by its number; closed by whoever has this. */
export class Descriptor implements OpenFile {
  readonly fd: number;

  constructor(fd: number) {
    this.fd = fd;
  }

  sync(): Promise<void> {
    return calls.sync(this.fd);
  }

  truncate(length?: number): Promise<void> {
    return calls.truncate(this.fd, length);
  }

  close(): Promise<void> {
    return calls.close(this.fd);
  }

  stat(): Promise<Stats> {
    return calls.stat(this.fd);
  }

  read(
    into: Uint8Array,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ readonly bytesRead: number }> {
    return calls.read(this.fd, into, offset, length, position);
  }
}
