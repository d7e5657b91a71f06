/** What is transferred: files of random bytes, so that nothing is gained by compressing or by finding blocks again. */
import { createHash, hash, randomFillSync } from 'node:crypto';
import { createReadStream, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { open, utimes } from 'node:fs/promises';
import { join, relative } from 'node:path';

const MiB = 1024 * 1024;
/** Files that were changed just now are left alone by scanners for a while. */
const AGE_S = 3_600;

export interface Material {
  /** Of a file, or of a folder. */
  readonly path: string;
  readonly name: string;
  readonly bytes: number;
  readonly files: number;
  /** SHA-256 of the file; of a folder, over names and digests of its files. */
  readonly digest: string;
}

export async function makeFile(folder: string, name: string, bytes: number): Promise<Material> {
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name);
  const file = await open(path, 'wx');
  const digest = createHash('sha256');
  const block = Buffer.alloc(MiB);
  try {
    for (let at = 0; at < bytes; at += MiB) {
      const piece = block.subarray(0, Math.min(MiB, bytes - at));
      randomFillSync(piece);
      digest.update(piece);
      await file.write(piece);
    }
  } finally {
    await file.close();
  }
  const past = new Date(Date.now() - AGE_S * 1000);
  await utimes(path, past, past);
  return { path, name, bytes, files: 1, digest: digest.digest('hex') };
}

/** `files` files of `bytes` each, a hundred in a folder. */
export function makeTree(folder: string, name: string, files: number, bytes: number): Material {
  const path = join(folder, name);
  const past = new Date(Date.now() - AGE_S * 1000);
  const content = Buffer.alloc(bytes);
  for (let at = 0; at < files; at += 1) {
    const sub = join(path, `d${String(Math.floor(at / 100)).padStart(3, '0')}`);
    if (at % 100 === 0) mkdirSync(sub, { recursive: true });
    const file = join(sub, `f${String(at % 100).padStart(2, '0')}.bin`);
    writeFileSync(file, randomFillSync(content));
    utimesSync(file, past, past);
  }
  return { path, name, bytes: files * bytes, files, digest: digestOfTree(path) };
}

/** @throws Error where what arrived at `path` is not `material` */
export async function check(material: Material, path: string): Promise<void> {
  const digest = material.files === 1 ? await digestOfFile(path) : digestOfTree(path);
  if (digest !== material.digest) throw new Error(`${path}: other bytes arrived than were sent`);
}

async function digestOfFile(path: string): Promise<string> {
  const digest = createHash('sha256');
  for await (const piece of createReadStream(path, { highWaterMark: MiB })) digest.update(piece as Buffer);
  return digest.digest('hex');
}

function digestOfTree(path: string): string {
  const digest = createHash('sha256');
  const files = readdirSync(path, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  for (const file of files)
    digest.update(`${relative(path, file)} ${hash('sha256', readFileSync(file), 'hex')}\n`);
  return digest.digest('hex');
}
