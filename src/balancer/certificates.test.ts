import assert from 'node:assert/strict';
import { utimesSync } from 'node:fs';
import { copyFile, utimes } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import type { SecureContextOptions } from 'node:tls';
import { certificate } from '../../test/support/certificate.ts';
import { temporaryFolder, until } from '../../test/support/basics.ts';
import { EDGE } from '../core/config.ts';
import { Certificates } from './certificates.ts';

async function one(t: TestContext) {
  const folder = await temporaryFolder(t);
  const made = await certificate(folder, 'current', 'one.test');
  const certificates = new Certificates([made], 0);
  // It takes its first look by itself.
  await until('the first look', async () => !(await certificates.changed(0)));
  const told: SecureContextOptions[] = [];
  certificates.onChange((defaults) => void told.push(defaults));
  return { folder, made, certificates, told };
}

test('a change of the files is told once, and a reload tells who serves clients that name no host', async (t) => {
  const { folder, made, certificates, told } = await one(t);
  const next = await certificate(folder, 'next', 'two.test');
  await copyFile(next.cert, made.cert);
  await copyFile(next.key, made.key);
  await utimes(made.cert, 1, 1);
  assert.deepEqual([await certificates.changed(0), await certificates.changed(0)], [true, false]);
  assert.deepEqual([certificates.reload(), certificates.names], [[], ['two.test']]);
  assert.deepEqual(
    told.map(({ cert }) => String(cert)),
    [next.pem],
  );
});

test('the key of session tickets is renewed in time, and kept over a reload', async (t) => {
  const { certificates, told } = await one(t);
  const key = (defaults: SecureContextOptions): unknown => (defaults as { ticketKeys?: Buffer }).ticketKeys;
  const first = key(certificates.defaults);
  certificates.reload();
  await certificates.changed(EDGE.ticketMs);
  assert.deepEqual(key(certificates.defaults), first);
  await certificates.changed(EDGE.ticketMs + 1);
  assert.notDeepEqual(key(certificates.defaults), first);
  assert.deepEqual(key(told.at(-1) ?? {}), key(certificates.defaults));
});

test('files that are being written are not taken until they are the same in two looks', async (t) => {
  const { made, certificates } = await one(t);
  let written = 0;
  const write = (): void => utimesSync(made.cert, (written += 1), written);
  let writing = true;
  const goOn = (): void => {
    write();
    if (writing) setImmediate(goOn);
  };
  goOn();
  await until('a look that saw them change', async () => {
    write();
    return !(await certificates.changed(0));
  });
  writing = false;
  await until('the last of it', async () => await certificates.changed(0));
  assert.equal(await certificates.changed(0), false);
});
