import { createHash } from 'node:crypto';
import { lstat, mkdir, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { KelanaError, reason } from '../core/errors.ts';

/** Bytes of a Unix socket's path that every system takes (108 on Linux, 104 on macOS, with the closing NUL). */
const MAX_PATH_BYTES = 100;

/**
 * Where the part with this data folder listens for commands: `name` in the folder, or, where that path is too long for
 * a socket, a private folder of the temporary directory.
 */
export async function socketPath(dataFolder: string, name = 'node.sock'): Promise<string> {
  const folder = resolve(dataFolder);
  const plain = join(folder, name);
  if (Buffer.byteLength(plain) <= MAX_PATH_BYTES) return plain;
  const short = join(tmpdir(), `kelana-${userInfo().uid}`);
  await mkdir(short, { recursive: true, mode: 0o700 });
  const stat = await lstat(short);
  if (!stat.isDirectory() || stat.uid !== userInfo().uid || (stat.mode & 0o077) !== 0) {
    throw new KelanaError('CANNOT_WRITE', { path: short, why: 'not a private folder of this user' });
  }
  return join(short, `${createHash('sha256').update(folder).digest('hex').slice(0, 24)}.sock`);
}

/** Whether a node answers there. A socket file that a killed process left behind does not. */
export function isAlive(path: string): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(path);
    const answer = (alive: boolean): void => {
      socket.destroy();
      done(alive);
    };
    socket.setTimeout(1000, () => answer(false));
    socket.once('connect', () => answer(true));
    socket.once('error', () => answer(false));
  });
}

/** Removes a left-over socket; the data folder's lock already proves that no other node uses it. */
export async function clearSocket(path: string): Promise<void> {
  await unlink(path).catch((thrown: unknown) => {
    if (reason(thrown) !== 'ENOENT')
      throw new KelanaError('CANNOT_WRITE', { path, why: reason(thrown) }, thrown);
  });
}

/**
 * Notes the data folder of a node that was started in this working directory, so that bare commands find it: one file
 * a node, as several may start at once.
 */
export async function rememberNode(root: string, dataFolder: string): Promise<void> {
  const folder = resolve(dataFolder);
  const notes = join(root, NOTES);
  await mkdir(notes, { recursive: true, mode: 0o700 });
  const name = createHash('sha256').update(folder).digest('hex').slice(0, 24);
  await writeFile(join(notes, name), folder, { mode: 0o600 });
}

/** The noted data folders, in the order of their names, so that a bare command always means the same node. */
export async function knownNodes(root: string): Promise<readonly string[]> {
  const notes = join(root, NOTES);
  const names = await readdir(notes).catch(() => []);
  const folders = await Promise.all(
    names.slice(0, MAX_NOTES).map((name) => readFile(join(notes, name), 'utf8').catch(() => '')),
  );
  return folders.filter((folder) => folder !== '').sort();
}

const NOTES = 'running';
/** Nodes started from one working directory; each costs an attempt to connect. */
const MAX_NOTES = 256;
