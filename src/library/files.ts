import { constants } from 'node:fs';
import { link, mkdir, open, rename, stat, unlink, type FileHandle } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { KelanaError, reason } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import type { OpenFile } from './descriptor.ts';

export function hasCode(thrown: unknown, ...codes: readonly string[]): boolean {
  return thrown instanceof Error && codes.includes(String((thrown as { code?: unknown }).code));
}

/** The file is gone, or something else now has its name. */
export function isGone(thrown: unknown): boolean {
  return hasCode(thrown, 'ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO', 'ESTALE');
}

/** Message of an error without an errno. */
export const THREAD_STOPPED = 'the thread that writes stopped';

const WHY: Readonly<Record<string, Text>> = {
  ENOSPC: { id: 'ENOSPC: disk penuh', en: 'ENOSPC: the disk is full' },
  EDQUOT: { id: 'EDQUOT: kuota disk habis', en: 'EDQUOT: the disk quota is used up' },
  EROFS: { id: 'EROFS: disk hanya bisa dibaca', en: 'EROFS: the disk is read-only' },
  EACCES: { id: 'EACCES: tidak diizinkan', en: 'EACCES: permission denied' },
  EPERM: { id: 'EPERM: tidak diizinkan', en: 'EPERM: not permitted' },
  ENAMETOOLONG: { id: 'ENAMETOOLONG: nama terlalu panjang', en: 'ENAMETOOLONG: the name is too long' },
  EIO: { id: 'EIO: disk bermasalah', en: 'EIO: the disk reports a fault' },
  ETIMEDOUT: { id: 'ETIMEDOUT: disk tidak menjawab', en: 'ETIMEDOUT: the disk does not answer' },
  [THREAD_STOPPED]: { id: 'thread penulis berhenti', en: THREAD_STOPPED },
};

function why(thrown: unknown): Text {
  const short = reason(thrown);
  return WHY[short] ?? { id: short, en: short };
}

/** A KelanaError stays what it is; whatever the file system threw becomes CANNOT_WRITE. */
export function cannotWrite(path: string, thrown: unknown): KelanaError {
  return thrown instanceof KelanaError
    ? thrown
    : new KelanaError('CANNOT_WRITE', { path, why: why(thrown) }, thrown);
}

export function cannotRead(path: string, thrown: unknown): KelanaError {
  return thrown instanceof KelanaError
    ? thrown
    : new KelanaError('CANNOT_READ', { path, why: why(thrown) }, thrown);
}

/** Where `name` (a path with `/`, '' for the folder itself) lies below a folder. */
export function pathOf(folder: string, name: string): string {
  if (name === '') return folder;
  return folder === '/' ? `/${name}` : `${folder}/${name}`;
}

/** Opens without following a link in the last segment, and without waiting where a FIFO took the file's place. */
export function openToRead(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
}

/** Reads until `into` is full or the file ends; gives the bytes read. */
export async function readFully(
  handle: Pick<OpenFile, 'read'>,
  into: Uint8Array,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await handle.read(into, done, into.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

export async function writeFully(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Makes a file's bytes, or the names in a folder, survive a power cut. */
export async function sync(path: string): Promise<void> {
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/**
 * Gives a finished temporary file its name without ever replacing another: link(2) fails where the name is taken.
 * @returns false where the name is taken; the temporary file then still exists
 */
export async function publish(temporary: string, target: string): Promise<boolean> {
  try {
    await link(temporary, target);
  } catch (thrown) {
    if (hasCode(thrown, 'EEXIST')) return false;
    if (!hasCode(thrown, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK')) throw thrown;
    return publishByName(temporary, target);
  }
  await unlink(temporary);
  return true;
}

/** For file systems without hard links (FAT, some network shares): takes the name first, then moves the file over it. */
export async function publishByName(temporary: string, target: string): Promise<boolean> {
  try {
    await (await open(target, 'wx')).close();
  } catch (thrown) {
    if (hasCode(thrown, 'EEXIST')) return false;
    throw thrown;
  }
  await rename(temporary, target);
  return true;
}

/**
 * Creates a folder and those above it. What is there already may also be a file: look before use. Not mkdir's own
 * `recursive`, which never ends where a file system answers ENOENT to any mkdir (/proc does).
 * @throws what the file system throws
 */
export async function makeFolder(path: string, mode = 0o777): Promise<void> {
  const whole = resolve(path);
  try {
    await mkdir(whole, { mode });
  } catch (thrown) {
    if (hasCode(thrown, 'EEXIST')) return;
    const above = dirname(whole);
    if (!hasCode(thrown, 'ENOENT') || above === whole) throw thrown;
    await makeFolder(above, mode);
    await mkdir(whole, { mode }).catch((again: unknown) => {
      if (!hasCode(again, 'EEXIST')) throw again;
    });
  }
}

/** @throws KelanaError NO_FOLDER, NOT_A_FOLDER, CANNOT_READ; `flag` is the option that named the folder */
export async function mustBeFolder(path: string, flag: string): Promise<void> {
  let isFolder: boolean;
  try {
    isFolder = (await stat(path)).isDirectory();
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) throw new KelanaError('NO_FOLDER', { path, flag }, thrown);
    if (hasCode(thrown, 'ENOTDIR')) throw new KelanaError('NOT_A_FOLDER', { path, flag }, thrown);
    throw cannotRead(path, thrown);
  }
  if (!isFolder) throw new KelanaError('NOT_A_FOLDER', { path, flag });
}
