import { access, constants, realpath, stat, statfs } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { KelanaError } from '../core/errors.ts';
import { cannotRead, hasCode, mustBeFolder } from './files.ts';

/** A shared folder, or a single shared file. */
export interface Root {
  /** The folder, absolute, links resolved; of a single file the one it lies in. */
  readonly path: string;
  /** Of a single file: its name. Nothing else in the folder is shared. */
  readonly only: string | null;
  /** What was shared, absolute: tells roots apart. */
  readonly key: string;
  /** Files whose names begin with a dot are shared too: in the folder for uploads. */
  readonly hidden: boolean;
  /** On a file system that others may change too, or that may not answer. */
  readonly remote: boolean;
}

export async function folderRoot(path: string, hidden = false): Promise<Root> {
  return { path, only: null, key: path, hidden, remote: await isRemote(path) };
}

async function fileRoot(path: string): Promise<Root> {
  const remote = await isRemote(path);
  return { path: dirname(path), only: basename(path), key: path, hidden: false, remote };
}

/**
 * What to share under a path that a person named.
 * @throws KelanaError NO_FOLDER, NOT_A_FOLDER (nor a file), BAD_VALUE (the data folder, a hidden file, or no disk), CANNOT_READ
 */
export async function rootOf(path: string, dataDir: string, flag: string): Promise<Root> {
  let isFile: boolean;
  try {
    isFile = (await stat(path)).isFile();
  } catch (thrown) {
    if (hasCode(thrown, 'ENOENT')) throw new KelanaError('NO_FOLDER', { path, flag }, thrown);
    if (hasCode(thrown, 'ENOTDIR')) throw new KelanaError('NOT_A_FOLDER', { path, flag }, thrown);
    throw cannotRead(path, thrown);
  }
  if (!isFile) await mustBeFolder(path, flag);
  const real = await realpath(path);
  if (real === dataDir || (isFile && dirname(real) === dataDir))
    throw unfit(path, flag, {
      id: 'itu folder data, tempat kunci disimpan',
      en: 'it is the data folder, where keys are kept',
    });
  if (isFile && basename(real).startsWith('.'))
    throw unfit(path, flag, {
      id: 'berkas yang namanya diawali titik tidak pernah dibagikan',
      en: 'files whose names begin with a dot are never shared',
    });
  if (MADE_UP.has(await fileSystemOf(real)))
    throw unfit(path, flag, {
      id: 'isinya dibuat sistem setiap kali dibaca, bukan berkas di disk',
      en: 'what is there is made by the system whenever it is read, and no file on a disk',
    });
  return await (isFile ? fileRoot(real) : folderRoot(real));
}

/** Who names it is there to hear it; a root that becomes unreadable later is told in the log. @throws KelanaError CANNOT_READ */
export async function mustBeReadable(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((thrown: unknown) => {
    throw cannotRead(path, thrown);
  });
}

function unfit(value: string, name: string, why: { id: string; en: string }): KelanaError {
  return new KelanaError('BAD_VALUE', { value, name, why, example: 'kelana share ./shared' });
}

/** File systems whose changes may be made elsewhere, and are then told to nobody here (statfs(2)): NFS, SMB, CIFS, 9P, FUSE, Ceph, AFS. */
const REMOTE: ReadonlySet<number> = new Set([
  0x6969, 0x517b, 0xff534d42, 0xfe534d42, 0x01021997, 0x65735546, 0x00c36400, 0x5346414f, 0x6b414653,
]);

/**
 * File systems of Linux without files, whose sizes are no sizes and whose ends never come: proc, sysfs, cgroup (1 and 2),
 * debugfs, tracefs, devpts, securityfs, configfs, bpf, selinuxfs, efivarfs.
 */
const MADE_UP: ReadonlySet<number> = new Set([
  0x9fa0, 0x62656572, 0x0027e0eb, 0x63677270, 0x64626720, 0x74726163, 0x1cd1, 0x73636673, 0x62656570,
  0xcafe4a11, 0xf97cff8c, 0xde5e81e4,
]);

/** Whether the file system there is one of those that change elsewhere. Of what is not there: no. */
export async function isRemote(folder: string): Promise<boolean> {
  return REMOTE.has(await fileSystemOf(folder));
}

/** `f_type` of statfs(2); 0 where nobody can say. */
async function fileSystemOf(path: string): Promise<number> {
  try {
    return (await statfs(path)).type >>> 0;
  } catch {
    return 0;
  }
}
