import { stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import { readKey } from '../balancer/key-file.ts';
import { isName } from '../core/balance/source.ts';
import { KelanaError } from '../core/errors.ts';
import type { Option } from './command.ts';

const FILE = '.kelana/group.key';

/** The key that servers and their balancers share, so that nobody else can pose as one of them. */
export const GROUP_KEY_OPTION: Option = {
  name: 'group-key',
  type: 'text',
  value: 'FILE',
  default: FILE,
  help: {
    id: 'kunci bersama server dan balancer untuk saling menemukan; dibuat bila belum ada, salin ke mesin lain',
    en: 'key by which servers and balancers find each other; made where there is none, copy it to other machines',
  },
};

/** A group's name as it is compared. @throws KelanaError BAD_VALUE */
export function groupName(text: string): string {
  if (isName(text.toLowerCase())) return text.toLowerCase();
  throw new KelanaError('BAD_VALUE', {
    value: text,
    name: '--announce',
    why: { id: 'harus nama seperti app', en: 'it must be a name such as app' },
    example: '--announce app',
  });
}

/** @throws KelanaError CANNOT_READ (also where others may read it), CANNOT_WRITE */
export async function readGroupKey(cwd: string, file = FILE): Promise<Uint8Array> {
  const path = resolve(cwd, file);
  const key = await readKey(path, true);
  const { mode } = await stat(path);
  if ((mode & 0o077) === 0) return key;
  const shown = (mode & 0o777).toString(8).padStart(4, '0');
  throw new KelanaError('CANNOT_READ', {
    path,
    why: {
      id: `pengguna lain boleh membacanya (mode ${shown}, seharusnya 0600)`,
      en: `other users may read it (mode ${shown}, it should be 0600)`,
    },
  });
}
