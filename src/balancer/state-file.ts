import { randomBytes } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { z } from 'zod';
import { NO_CHANGES, type Changes, type GivenBackend } from '../core/balance/changes.ts';
import { parseMethod } from '../core/balance/choice.ts';
import { BALANCER, BALANCER_CHANGE } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';

const name = z.string().min(1).max(300);
const names = z.array(name).max(BALANCER.maxBackends);
const method = z.string().min(1).max(300);
const weight = z.int().min(0).max(1_000_000);
const shape = z.strictObject({
  version: z.literal(1),
  method: z.strictObject({ to: method, over: method }).nullable(),
  added: z
    .array(z.strictObject({ name, spec: z.string().min(1).max(2_000), weight }))
    .max(BALANCER.maxBackends),
  removed: names,
  weights: z.array(z.strictObject({ name, to: weight, over: weight })).max(BALANCER.maxBackends),
  drained: names,
});

/**
 * Reads what was changed at run time; with no file there is nothing. `parse` reads the spec of an added backend anew, so
 * that the file can say nothing that a command could not.
 * @throws KelanaError BAD_CHANGES, CANNOT_READ
 */
export async function readChanges(file: string, parse: (spec: string) => GivenBackend): Promise<Changes> {
  let source: string;
  try {
    source = await readPlain(file);
  } catch (thrown) {
    if (reason(thrown) === 'ENOENT') return NO_CHANGES;
    if (thrown instanceof KelanaError) throw thrown;
    throw new KelanaError('CANNOT_READ', { path: file, why: reason(thrown) }, thrown);
  }
  try {
    const changes = shape.parse(JSON.parse(source));
    if (changes.method !== null) parseMethod(changes.method.to);
    return { ...changes, added: changes.added.map(({ spec }) => parse(spec)) };
  } catch (thrown) {
    const said = (lang: 'id' | 'en'): string => {
      if (thrown instanceof z.ZodError) return z.prettifyError(thrown).split('\n')[0] ?? '';
      return thrown instanceof KelanaError ? thrown.describe(lang).says.replace(/\.$/, '') : reason(thrown);
    };
    throw bad(file, {
      id: `isinya bukan perubahan yang dikenal (${said('id')})`,
      en: `it does not hold changes that are known (${said('en')})`,
    });
  }
}

/**
 * Through one handle, so that it is read as what it was judged to be. A link could lead to anything, and a device or a
 * pipe may never end; opening a pipe would wait for its writer.
 */
async function readPlain(file: string): Promise<string> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (thrown: unknown) => {
      // What O_NOFOLLOW says of a link.
      throw reason(thrown) === 'ELOOP' ? notPlain(file) : thrown;
    },
  );
  try {
    const stat = await handle.stat();
    if (!stat.isFile()) throw notPlain(file);
    if (stat.size > BALANCER_CHANGE.maxStateBytes)
      throw bad(file, { id: 'terlalu besar', en: 'it is too large' });
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

function notPlain(file: string): KelanaError {
  return bad(file, {
    id: 'itu tautan atau bukan berkas biasa',
    en: 'it is a link or no plain file',
  });
}

const { O_CREAT, O_EXCL, O_WRONLY } = constants;

/**
 * Whole or not at all, also over a power cut. It is written under a name that nobody can guess and that must not be
 * there, not even as a link (O_EXCL), so that nothing else is overwritten. @throws KelanaError CANNOT_WRITE
 */
export async function writeChanges(file: string, changes: Changes): Promise<void> {
  const made = `${file}.${randomBytes(6).toString('hex')}.new`;
  try {
    const handle = await open(made, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(changes, null, 2)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(made, file);
  } catch (thrown) {
    await rm(made, { force: true }).catch(() => {});
    throw new KelanaError('CANNOT_WRITE', { path: file, why: reason(thrown) }, thrown);
  }
}

function bad(file: string, why: { id: string; en: string }): KelanaError {
  return new KelanaError('BAD_CHANGES', { file, why });
}
