import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generateKeyPair } from '@libp2p/crypto/keys';
import { createCertificate } from '../../src/overlay/tls/certificate.ts';

/** A self-signed P-256 certificate with its key, in one PEM file of this folder. */
export async function certificateFile(folder: string): Promise<string> {
  const path = join(folder, 'certificate.pem');
  if (existsSync(path)) return path;
  const { cert, key } = await createCertificate(await generateKeyPair('Ed25519'), Date.now());
  await writeFile(path, `${cert}\n${key}`, { mode: 0o600 });
  return path;
}
