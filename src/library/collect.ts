import { realpath, stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { FOLDER, LIBRARY, MESSAGES } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { PrivateFile, PrivateFolder, PrivateHoldingsPort } from '../core/messages/ports.ts';
import { shownName, storedName } from '../core/names.ts';
import { cannotRead } from './files.ts';
import type { Hashed } from './hash.ts';
import { Hasher } from './hasher.ts';
import { Ignores } from './ignores.ts';
import { isRemote } from './roots.ts';
import { walk, type Found } from './walk.ts';

/** Files that wait for the thread or are being hashed: one message to it is hashed while the next is made. */
const LANES = 2 * LIBRARY.hashBatch;

/** A file, or a folder with all its files, hashed and open to one peer. */
export interface Collected extends PrivateFolder {
  /** Of the file, or of the folder's directory. */
  readonly cid: string;
  readonly folder: boolean;
}

/**
 * Opens a file or folder to a peer; of a folder what a shared folder would show: no links, nothing that begins
 * with a dot or is ignored. `onFile` is called after each file. What was opened is closed again where it fails.
 * @throws KelanaError CANNOT_READ, BAD_NAME, SOURCE_CHANGED, BUSY, BAD_VALUE (an empty folder), TOO_MANY_FILES
 */
export async function collect(
  holdings: PrivateHoldingsPort,
  peer: string,
  group: string,
  path: string,
  signal: AbortSignal,
  onFile: (file: PrivateFile) => void = () => undefined,
): Promise<Collected> {
  const whole = resolve(path);
  const name = storedName(basename(whole));
  const opened: PrivateFile[] = [];
  const hasher = new Hasher();
  // Ends at once what is being hashed.
  const stop = (): void => void hasher.close();
  signal.addEventListener('abort', stop, { once: true });
  const open = async (at: string, as: string, size: number, here: boolean): Promise<void> => {
    const file = { name: as, path: at, ...(await hashed(hasher, at, size, here, signal)) };
    holdings.allow(peer, group, file);
    opened.push(file);
    onFile(file);
  };
  try {
    signal.throwIfAborted();
    const { real, size, folder: isFolder } = await look(whole);
    const here = !(await isRemote(real));
    if (!isFolder) {
      await open(real, name, size, here);
      return { name, cid: opened[0]?.cid ?? '', folder: false, files: opened, folders: [] };
    }
    const { found, empty } = await below(real, signal);
    const rest = found.values();
    const failed: unknown[] = [];
    const lane = async (): Promise<void> => {
      try {
        for (const one of rest) {
          if (failed.length > 0) return;
          await open(one.path, one.name, one.size, here);
        }
      } catch (thrown) {
        failed.push(thrown);
        stop();
      }
    };
    // All of them, so that nothing is opened after what was opened has been closed again.
    await Promise.all(Array.from({ length: LANES }, lane));
    if (failed.length > 0) throw failed[0];
    const files = opened.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const folder = { name, files, folders: empty };
    return { ...folder, folder: true, cid: await holdings.allowFolder(peer, group, folder, signal) };
  } catch (thrown) {
    holdings.revoke(peer, group);
    throw thrown;
  } finally {
    signal.removeEventListener('abort', stop);
    await hasher.close();
  }
}

async function hashed(
  hasher: Hasher,
  path: string,
  size: number,
  here: boolean,
  signal: AbortSignal,
): Promise<Hashed> {
  try {
    const answer = await hasher.hash(path, size, { here });
    signal.throwIfAborted();
    if (answer === 'changing') throw new KelanaError('SOURCE_CHANGED', { name: path });
    if (typeof answer === 'string') throw new KelanaError('CANNOT_READ', { path, why: WHY[answer] });
    return answer;
  } catch (thrown) {
    signal.throwIfAborted();
    throw cannotRead(path, thrown);
  }
}

const WHY = {
  special: { id: 'bukan berkas biasa', en: 'it is not a regular file' },
  'too-large': { id: 'lebih besar dari yang diterima kelana', en: 'it is larger than kelana takes' },
};

/** What a person named, links resolved. */
async function look(path: string): Promise<{ real: string; size: number; folder: boolean }> {
  try {
    const real = await realpath(path);
    const stats = await stat(real);
    return { real, size: stats.size, folder: stats.isDirectory() };
  } catch (thrown) {
    throw cannotRead(path, thrown);
  }
}

/** All files below a folder, and the paths of the folders in which there is nothing. */
async function below(
  root: string,
  signal: AbortSignal,
): Promise<{ found: readonly Found[]; empty: readonly string[] }> {
  const found: Found[] = [];
  const folders: string[] = [];
  const unreadable = (path: string, thrown: unknown): void => {
    throw cannotRead(path, thrown);
  };
  const walking = walk(root, {
    skip: new Set(),
    hidden: false,
    ignores: new Ignores(unreadable),
    here: false,
    folder: (path) => void folders.push(path.slice(root.length + 1)),
    refused: (name, why) => {
      throw new KelanaError('BAD_NAME', { name: `'${shownName(name)}'`, why });
    },
    unreadable,
    signal,
  });
  for await (const batch of walking) {
    found.push(...batch);
    if (found.length > MESSAGES.maxFiles || folders.length > FOLDER.maxEntries)
      throw new KelanaError('TOO_MANY_FILES', { path: root, max: MESSAGES.maxFiles, flag: '--file' });
  }
  signal.throwIfAborted();
  if (found.length === 0) {
    const why = { id: 'folder itu tidak berisi berkas', en: 'that folder holds no files' };
    throw new KelanaError('BAD_VALUE', { name: '--file', value: root, why, example: '--file laporan.pdf' });
  }
  return { found, empty: emptyOf(folders, found) };
}

function emptyOf(folders: readonly string[], found: readonly Found[]): readonly string[] {
  const filled = new Set<string>();
  for (const name of [...folders, ...found.map((file) => file.name)])
    for (let at = name.lastIndexOf('/'); at >= 0; at = name.lastIndexOf('/', at - 1)) {
      const above = name.slice(0, at);
      if (filled.has(above)) break;
      filled.add(above);
    }
  return folders.filter((folder) => folder !== '' && !filled.has(folder)).toSorted();
}
