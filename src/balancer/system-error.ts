import { getSystemErrorName } from 'node:util';

/** The error of a negative number that a handle gave. */
export function errorOf(status: number): Error {
  const code = getSystemErrorName(status);
  return Object.assign(new Error(`write ${code}`), { code, errno: status, syscall: 'write' });
}
