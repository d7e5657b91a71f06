import 'reflect-metadata';
import {
  BasicConstraintsExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { webcrypto } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Made {
  readonly cert: string;
  readonly key: string;
  /** The certificate as PEM, to be trusted. */
  readonly pem: string;
}

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** A certificate for these names that signs itself, in two files of `folder`. */
export async function certificate(folder: string, name: string, ...names: readonly string[]): Promise<Made> {
  const keys = await webcrypto.subtle.generateKey(EC, true, ['sign', 'verify']);
  const made = await X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: '01',
      name: `CN=${names[0] ?? 'kelana.test'}`,
      notBefore: new Date(Date.now() - 3_600_000),
      notAfter: new Date(Date.now() + 86_400_000),
      signingAlgorithm: EC,
      keys,
      extensions: [
        new BasicConstraintsExtension(true),
        new SubjectAlternativeNameExtension(
          names.map((value) => ({
            type: /^[0-9.]+$/.test(value) ? ('ip' as const) : ('dns' as const),
            value,
          })),
        ),
      ],
    },
    webcrypto,
  );
  const pkcs8 = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const lines = (pkcs8.match(/.{1,64}/g) ?? []).join('\n');
  const files = { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
  const pem = `${made.toString('pem')}\n`;
  await writeFile(files.cert, pem);
  await writeFile(files.key, `-----BEGIN PRIVATE KEY-----\n${lines}\n-----END PRIVATE KEY-----\n`);
  return { ...files, pem };
}
