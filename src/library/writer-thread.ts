import { hasBit } from '../core/bit-array.ts';
import { hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { beginNow, type Begun } from './begin-now.ts';
import {
  STATE,
  type Answer,
  type Ask,
  type CheckAsk,
  type SharedFile,
  type SmallFiles,
  type WriterData,
} from './writer-protocol.ts';

/**
 * The thread that hashes and writes. It imports next to nothing (of the defaults it is told the one it needs), so that it starts
 * fast, and keeps to synchronous calls: it has nothing else to do meanwhile, and they cost the least.
 */
const DIGEST_BYTES = 32;

interface File extends SharedFile {
  readonly bits: Uint8Array;
  readonly expected: Uint8Array;
}

const port = parentPort;
if (port === null) throw new Error('writer-thread.ts runs in a worker thread only');
const { tailBytes } = workerData as WriterData;
const slots = new Map<number, Uint8Array>();
const files = new Map<number, File>();
/** Blocks read back, and zeros; made when first needed. */
let scratch = new Uint8Array(0);
let zeros = Buffer.alloc(0);

port.on('message', (ask: Ask) => {
  if (ask.op === 'slot') slots.set(ask.slot, new Uint8Array(ask.bytes));
  else if (ask.op === 'open') know(ask.file, ask);
  else if (ask.op === 'close') files.delete(ask.file);
  else port.postMessage(answer(ask));
});

function know(file: number, shared: SharedFile): void {
  files.set(file, {
    ...shared,
    bits: new Uint8Array(shared.have),
    expected: new Uint8Array(shared.digests),
  });
}

function answer(ask: Extract<Ask, { seq: number }>): Answer {
  const states = 'paths' in ask ? new Uint8Array(ask.paths.length) : null;
  try {
    return { seq: ask.seq, value: run(ask, states) };
  } catch (thrown) {
    const { code, message } = thrown as NodeJS.ErrnoException;
    return { seq: ask.seq, value: states ?? 0, error: { code: code ?? '', message } };
  }
}

function run(ask: Extract<Ask, { seq: number }>, states: Uint8Array | null): Answer['value'] {
  switch (ask.op) {
    case 'begin':
      return begin(ask);
    case 'block':
      return block(fileOf(ask.file), ask.index, slotOf(ask.slot));
    case 'check':
      return check(fileOf(ask.file), ask);
    case 'reserve':
      return reserve(fileOf(ask.file), ask.first, ask.count);
    case 'put':
      return eachFile(ask, states, (at, path, digest) => put(ask, slotOf(ask.slot), at, path, digest));
    case 'look':
      return eachFile(ask, states, (at, path, digest) =>
        look(`${ask.root}/${path}`, ask.sizes[at] ?? 0, digest),
      );
    default:
      return syncAll(ask.root, ask.paths);
  }
}

function fileOf(file: number): File {
  const found = files.get(file);
  if (found === undefined) throw new Error(`file ${file} is not open`);
  return found;
}

function slotOf(slot: number): Uint8Array {
  const found = slots.get(slot);
  if (found === undefined) throw new Error(`there is no slot ${slot}`);
  return found;
}

function matches(bytes: Uint8Array, digest: Uint8Array): boolean {
  return digest.length === DIGEST_BYTES && hash('sha256', bytes, 'buffer').equals(digest);
}

function digestAt(digests: Uint8Array, index: number): Uint8Array {
  return digests.subarray(index * DIGEST_BYTES, (index + 1) * DIGEST_BYTES);
}

function sizeOf(file: File, index: number): number {
  return Math.max(0, Math.min(file.blockBytes, file.size - index * file.blockBytes));
}

function writeAll(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(fd, bytes, done, bytes.length - done, position + done);
}

/** Reads as much of `into` as there is. */
function readAll(fd: number, into: Uint8Array, position: number): number {
  let done = 0;
  while (done < into.length) {
    const read = readSync(fd, into, done, into.length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

function begin({ file, begin: ask, shared }: Extract<Ask, { op: 'begin' }>): Begun | null {
  const begun = beginNow(ask);
  if (begun !== null) know(file, { ...shared, fd: begun.fd, bitsFd: begun.bitsFd });
  return begun;
}

function block(file: File, index: number, slot: Uint8Array): number {
  const bytes = slot.subarray(0, sizeOf(file, index));
  if (!matches(bytes, digestAt(file.expected, index))) return 0;
  writeAll(file.fd, bytes, index * file.blockBytes);
  Atomics.or(file.bits, index >> 3, 1 << (index & 7));
  if (file.bitsFd !== null) {
    try {
      writeSync(file.bitsFd, file.bits, index >> 3, 1, file.bitsAt + (index >> 3));
    } catch {
      // The bitmap only saves time: a block that it does not claim is found by its bytes.
    }
  }
  return 1;
}

/** Sets the bits of the blocks that are right on the disk; gives their number. */
function check(file: File, { first, count, claimed, rewrite }: CheckAsk): number {
  if (scratch.length < file.blockBytes) {
    scratch = new Uint8Array(file.blockBytes);
    zeros = Buffer.alloc(tailBytes);
  }
  let right = 0;
  for (let index = first; index < first + count; index += 1) {
    const bytes = blockOnDisk(file, index, hasBit(claimed, index - first));
    if (bytes === null || !matches(bytes, digestAt(file.expected, index))) continue;
    if (rewrite) writeAll(file.fd, bytes, index * file.blockBytes);
    Atomics.or(file.bits, index >> 3, 1 << (index & 7));
    right += 1;
  }
  return right;
}

/** What lies at the place of a block, or null where that is nothing or cannot be read: it is then fetched again. */
function blockOnDisk(file: File, index: number, claimed: boolean): Uint8Array | null {
  const position = index * file.blockBytes;
  const size = sizeOf(file, index);
  try {
    if (!claimed && size > 0) {
      const tail = scratch.subarray(0, Math.min(size, tailBytes));
      const read = readAll(file.fd, tail, position + size - tail.length);
      if (read < tail.length || zeros.compare(tail, 0, tail.length, 0, tail.length) === 0) return null;
    }
    const bytes = scratch.subarray(0, size);
    return readAll(file.fd, bytes, position) === size ? bytes : null;
  } catch {
    return null;
  }
}

/** Zeros where no block is yet: the file system then owes the room. */
function reserve(file: File, first: number, count: number): number {
  const blank = new Uint8Array(file.blockBytes);
  for (let index = first; index < first + count; index += 1)
    if (!hasBit(file.bits, index))
      writeAll(file.fd, blank.subarray(0, sizeOf(file, index)), index * file.blockBytes);
  return 0;
}

function eachFile(
  { paths, digests }: SmallFiles,
  states: Uint8Array | null,
  work: (at: number, path: string, digest: Uint8Array) => boolean,
): Uint8Array {
  const results = states ?? new Uint8Array(paths.length);
  for (let at = 0; at < paths.length; at += 1)
    results[at] = work(at, paths[at] ?? '', digestAt(digests, at)) ? STATE.right : STATE.wrong;
  return results;
}

function put(ask: SmallFiles, slot: Uint8Array, at: number, path: string, digest: Uint8Array): boolean {
  const offset = ask.offsets[at] ?? 0;
  const bytes = slot.subarray(offset, offset + (ask.sizes[at] ?? 0));
  if (!matches(bytes, digest)) return false;
  const fd = create(ask.root, path);
  try {
    writeAll(fd, bytes, 0);
  } finally {
    closeSync(fd);
  }
  return true;
}

/** A new file in place of what an earlier attempt left; its folders are made when first needed. */
function create(root: string, path: string): number {
  const whole = `${root}/${path}`;
  try {
    return openSync(whole, 'wx');
  } catch (thrown) {
    const { code } = thrown as NodeJS.ErrnoException;
    if (code === 'ENOENT') makeFolders(root, path);
    else if (code === 'EEXIST') rmSync(whole, { force: true });
    else throw thrown;
    return openSync(whole, 'wx');
  }
}

/** Below the root only: where that is gone, someone ended this download. */
function makeFolders(root: string, path: string): void {
  for (let end = path.indexOf('/'); end >= 0; end = path.indexOf('/', end + 1)) {
    try {
      mkdirSync(`${root}/${path.slice(0, end)}`);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'EEXIST') throw thrown;
    }
  }
}

function look(path: string, size: number, digest: Uint8Array): boolean {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch {
    return false;
  }
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile() || stats.size !== size) return false;
    const bytes = new Uint8Array(size);
    return readAll(fd, bytes, 0) === size && matches(bytes, digest);
  } catch {
    return false;
  } finally {
    closeSync(fd);
  }
}

function syncAll(root: string, paths: readonly string[]): number {
  for (const path of paths) {
    const fd = openSync(`${root}/${path}`, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
  return 0;
}
