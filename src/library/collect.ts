import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { FOLDER, MESSAGES } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type { PrivateFile, PrivateFolder, PrivateHoldingsPort } from '../core/messages/ports.ts';
import { shownName, storedName } from '../core/names.ts';
import { cannotRead } from './files.ts';
import { Ignores } from './ignores.ts';
import { walk, type Found } from './walk.ts';

/** Files hashed at once: one reads while the other hashes. */
const LANES = 2;

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
  const open = async (at: string, as: string): Promise<void> => {
    const file = { ...(await holdings.allow(peer, group, at, signal)), name: as };
    opened.push(file);
    onFile(file);
  };
  try {
    if (!(await isFolder(whole))) {
      await open(whole, name);
      return { name, cid: opened[0]?.cid ?? '', folder: false, files: opened, folders: [] };
    }
    const { found, empty } = await below(whole, signal);
    const rest = found.values();
    const lane = async (): Promise<void> => {
      for (const one of rest) await open(one.path, one.name);
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    const files = opened.toSorted((a, b) => (a.name < b.name ? -1 : 1));
    const folder = { name, files, folders: empty };
    return { ...folder, folder: true, cid: await holdings.allowFolder(peer, group, folder, signal) };
  } catch (thrown) {
    holdings.revoke(peer, group);
    throw thrown;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
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
