import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { LIBRARY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { cannotRead, cannotWrite, hasCode, sync } from './files.ts';

/** What a person shared by command, kept in the data folder: absolute paths. */
export class Shares {
  readonly #file: string;
  readonly #paths: Set<string>;

  private constructor(file: string, paths: readonly string[]) {
    this.#file = file;
    this.#paths = new Set(paths);
  }

  /** @throws KelanaError CANNOT_READ where there is a file that is none of ours */
  static async open(file: string): Promise<Shares> {
    try {
      const read: unknown = JSON.parse(await readFile(file, 'utf8'));
      if (!isPaths(read)) throw new Error('it is not a list of absolute paths');
      return new Shares(file, read.slice(0, LIBRARY.maxShares));
    } catch (thrown) {
      if (hasCode(thrown, 'ENOENT')) return new Shares(file, []);
      throw cannotRead(file, thrown);
    }
  }

  list(): readonly string[] {
    return [...this.#paths];
  }

  has(path: string): boolean {
    return this.#paths.has(path);
  }

  /** On the disk when it resolves. @throws KelanaError CANNOT_WRITE, BAD_VALUE (too many) */
  async add(path: string): Promise<void> {
    if (this.#paths.has(path)) return;
    if (this.#paths.size >= LIBRARY.maxShares) {
      const why = {
        id: `sudah ada ${LIBRARY.maxShares} yang dibagikan`,
        en: `${LIBRARY.maxShares} are shared already`,
      };
      throw new KelanaError('BAD_VALUE', { value: path, name: 'PATH', why, example: 'kelana unshare ./old' });
    }
    await this.#write([...this.#paths, path]);
    this.#paths.add(path);
  }

  /** False where it was not kept. @throws KelanaError CANNOT_WRITE */
  async remove(path: string): Promise<boolean> {
    if (!this.#paths.has(path)) return false;
    await this.#write([...this.#paths].filter((one) => one !== path));
    return this.#paths.delete(path);
  }

  async #write(paths: readonly string[]): Promise<void> {
    const temporary = `${this.#file}.new`;
    try {
      const handle = await open(temporary, 'w', 0o600);
      try {
        await handle.writeFile(`${JSON.stringify(paths, null, 2)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(temporary, this.#file);
      await sync(dirname(this.#file));
    } catch (thrown) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw cannotWrite(this.#file, thrown);
    }
  }
}

function isPaths(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string' && isAbsolute(one));
}
