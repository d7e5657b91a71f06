import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { LIBRARY } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import { safeDownloadName } from '../core/names.ts';
import type { StreamedDownload } from '../core/ports.ts';
import { checkRoom, isSame, names, openFolder } from './place.ts';
import { cannotWrite, publish, sync, writeFully } from './files.ts';
import { cidFrom, sha256 } from './hash.ts';
import { createPart, dropPart, type Part } from './parts.ts';

export interface StreamedOptions {
  /** Downloads folder; created where it is missing. */
  readonly folder: string;
  /** As it came from outside; only its base name is used. */
  readonly name: string;
  /** Bytes that are to come; other than that many are not kept. */
  readonly size: number;
}

/**
 * A download in order, of a file whose blocks are not kelana's own: written to a temporary file, and hashed on the way
 * as kelana hashes, so that the same file is known where the folder has it already.
 * @throws KelanaError BAD_NAME, NOT_A_FOLDER, CANNOT_WRITE
 */
export async function openStreamed(options: StreamedOptions): Promise<StreamedDownload> {
  const name = safeDownloadName(options.name);
  const folder = await openFolder(options.folder);
  await checkRoom(folder, options.size);
  const part = await createPart(folder, 'ipfs').catch((thrown: unknown) => {
    throw cannotWrite(folder, thrown);
  });
  return new Streamed(folder, name, options.size, part);
}

class Streamed implements StreamedDownload {
  readonly #folder: string;
  readonly #name: string;
  readonly #size: number;
  readonly #part: Part;
  readonly #block = Buffer.allocUnsafeSlow(LIBRARY.readBytes);
  readonly #digests: Uint8Array[] = [];
  #filled = 0;
  #written = 0;

  constructor(folder: string, name: string, size: number, part: Part) {
    this.#folder = folder;
    this.#name = name;
    this.#size = size;
    this.#part = part;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const took = Math.min(this.#block.length - this.#filled, bytes.length - at);
      this.#block.set(bytes.subarray(at, at + took), this.#filled);
      this.#filled += took;
      at += took;
      if (this.#filled === this.#block.length) await this.#flush();
    }
  }

  async finish(): Promise<string> {
    try {
      if (this.#filled > 0 || this.#written === 0) await this.#flush();
      if (this.#written !== this.#size) throw this.#short();
      return await this.#publish();
    } catch (thrown) {
      throw cannotWrite(join(this.#folder, this.#name), thrown);
    } finally {
      await this.abort();
    }
  }

  async abort(): Promise<void> {
    await dropPart(this.#part);
  }

  async #flush(): Promise<void> {
    const full = this.#block.subarray(0, this.#filled);
    this.#digests.push(sha256(full));
    try {
      await writeFully(this.#part.handle, full, this.#written);
    } catch (thrown) {
      throw cannotWrite(join(this.#folder, this.#name), thrown);
    }
    this.#written += full.length;
    this.#filled = 0;
  }

  async #publish(): Promise<string> {
    const { handle, path } = this.#part;
    await handle.sync();
    const same = { size: this.#size, cid: cidFrom(Buffer.concat(this.#digests), this.#size) };
    for (const candidate of names(this.#name)) {
      const target = join(this.#folder, candidate);
      if (await publish(path, target)) {
        await sync(this.#folder);
        return target;
      }
      if (await isSame(target, same)) {
        await unlink(path);
        return target;
      }
    }
    throw new KelanaError('FILE_EXISTS', { name: this.#name });
  }

  #short(): KelanaError {
    const why = {
      id: `${this.#written} byte, bukan ${this.#size}`,
      en: `${this.#written} bytes, not ${this.#size}`,
    };
    return new KelanaError('TRANSFER_FAILED', { name: this.#name, why });
  }
}
