import { lstatSync, opendirSync, type BigIntStats, type Dir } from 'node:fs';
import { LIBRARY } from '../core/config.ts';
import { folderIdentity, identityOf } from './identity.ts';

/** A name in a folder. Links, FIFOs, sockets and devices are passed over. */
export interface Listed {
  readonly name: string;
  /** Of a file: size, identity, and ms since the Unix epoch of its last write. */
  readonly file?: { readonly size: number; readonly identity: string; readonly modifiedMs: number };
  /** Of a folder: `folderIdentity`. */
  readonly inode?: bigint;
  /** What kept it from being looked at; `ENOENT` where it is gone, or its name is no UTF-8. */
  readonly failed?: Failure;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
}

/** Part of what is in one of the folders that were asked for. */
export interface Chunk {
  /** Index of the folder. */
  readonly at: number;
  readonly entries: readonly Listed[];
  /** The folder itself could not be read (to its end). */
  readonly failed?: Failure;
}

/**
 * What is in these folders, `LIBRARY.listChunk` names at a time; waits for the disk. A name is left out where `skip`
 * says so. Never throws.
 */
export function* listNow(
  folders: readonly string[],
  skip: (name: string) => boolean,
): Generator<Chunk, void, undefined> {
  for (const [at, folder] of folders.entries()) {
    let dir: Dir | undefined;
    let entries: Listed[] = [];
    let failed: Failure | undefined;
    try {
      dir = opendirSync(folder, { bufferSize: LIBRARY.listChunk });
      for (let entry = dir.readSync(); entry !== null; entry = dir.readSync()) {
        if (entry.isSymbolicLink() || skip(entry.name)) continue;
        const listed = look(folder, entry.name);
        if (listed !== null) entries.push(listed);
        if (entries.length < LIBRARY.listChunk) continue;
        yield { at, entries };
        entries = [];
      }
    } catch (thrown) {
      failed = failureOf(thrown);
    } finally {
      dir?.closeSync();
    }
    yield { at, entries, ...(failed === undefined ? {} : { failed }) };
  }
}

function look(folder: string, name: string): Listed | null {
  try {
    return listedAs(name, lstatSync(folder === '/' ? `/${name}` : `${folder}/${name}`, { bigint: true }));
  } catch (thrown) {
    return { name, failed: failureOf(thrown) };
  }
}

/** Null for what is neither a file nor a folder. */
export function listedAs(name: string, stats: BigIntStats): Listed | null {
  if (stats.isDirectory()) return { name, inode: folderIdentity(stats) };
  if (!stats.isFile()) return null;
  const modifiedMs = Number(stats.mtimeNs / 1_000_000n);
  return { name, file: { size: Number(stats.size), identity: identityOf(stats), modifiedMs } };
}

export function failureOf(thrown: unknown): Failure {
  const code = (thrown as { code?: unknown }).code;
  return {
    code: typeof code === 'string' ? code : 'UNKNOWN',
    message: thrown instanceof Error ? thrown.message : String(thrown),
  };
}

/** The error that a failure was. */
export function thrownFrom({ code, message }: Failure): Error {
  return Object.assign(new Error(message), { code });
}
