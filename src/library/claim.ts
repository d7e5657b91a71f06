import { mkdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { LIBRARY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { numbered, storedName } from '../core/names.ts';
import { cannotWrite, hasCode, makeFolder } from './files.ts';

/**
 * Makes a new folder below the downloads folder: `name`, or `name (1)` and so on where that is taken by anything.
 * @returns its absolute path @throws KelanaError BAD_NAME, CANNOT_WRITE, FILE_EXISTS
 */
export async function claimFolder(downloads: string, name: string): Promise<string> {
  const stored = storedName(name);
  try {
    await makeFolder(downloads);
    const parent = await realpath(downloads);
    for (let n = 0; n <= LIBRARY.maxNumbered; n += 1) {
      const path = join(parent, n === 0 ? stored : numbered(stored, n));
      try {
        await mkdir(path);
        return path;
      } catch (thrown) {
        if (!hasCode(thrown, 'EEXIST')) throw thrown;
      }
    }
  } catch (thrown) {
    throw cannotWrite(join(downloads, stored), thrown);
  }
  throw new KelanaError('FILE_EXISTS', { name: stored });
}
