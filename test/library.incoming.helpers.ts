import { createHash } from 'node:crypto';
import type { TestContext } from 'node:test';
import type { IncomingFile } from '../src/core/transfer/ports.ts';
import { cidText, RAW } from '../src/core/transfer/cid.ts';
import type { Layout } from '../src/core/transfer/layout.ts';
import type { FolderEntry } from '../src/library/incoming-folder.ts';
import { cidFrom } from '../src/library/hash.ts';
import { Writer, type WriterOptions } from '../src/library/writer.ts';

export function digestOf(bytes: Uint8Array): Uint8Array {
  return createHash('sha256').update(bytes).digest();
}

/** The layout of a file; `blockBytes` below 1 MiB make a CID that only tests know. */
export function layoutOf(bytes: Uint8Array, blockBytes = 1024 * 1024): Layout {
  const digests: Uint8Array[] = [];
  for (let at = 0; at === 0 || at < bytes.length; at += blockBytes)
    digests.push(digestOf(bytes.subarray(at, at + blockBytes)));
  const all = Buffer.concat(digests);
  const root = blockBytes === 1024 * 1024 ? cidFrom(all, bytes.length) : cidText(RAW, digestOf(all));
  return { root, size: bytes.length, blockBytes, count: digests.length, digests: all };
}

export function entryOf(path: string, bytes: Uint8Array): FolderEntry {
  const layout = layoutOf(bytes);
  return {
    path,
    size: bytes.length,
    cid: layout.root,
    digest: layout.count === 1 ? digestOf(bytes) : null,
  };
}

export function writerFor(t: TestContext, options: WriterOptions = {}): Writer {
  const writer = new Writer(options);
  t.after(() => writer.close());
  return writer;
}

/** Writes block `index` of `bytes` through a slot. */
export async function give(
  file: IncomingFile,
  index: number,
  bytes: Uint8Array,
  blockBytes = 1024 * 1024,
): Promise<boolean> {
  const slot = await file.slot();
  slot.bytes.set(bytes.subarray(index * blockBytes, (index + 1) * blockBytes));
  return file.write(index, slot);
}

export function bitsOf(bits: Uint8Array, count: number): number[] {
  return Array.from({ length: count }, (_, index) => index).filter(
    (index) => ((bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0,
  );
}

/** Makes known to the thread what no file can be: it throws on it before it comes to what is asked next. */
export function poison(writer: Writer): number {
  return writer.open({
    fd: -1,
    bitsFd: null,
    bitsAt: 0,
    have: -1 as unknown as SharedArrayBuffer,
    digests: new SharedArrayBuffer(32),
    size: 0,
    blockBytes: 1,
  });
}
