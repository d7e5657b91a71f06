import { constants, createPrivateKey, randomBytes, X509Certificate, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { EDGE } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';

/** Two PEM files: the certificate with the chain above it, and its private key. */
export interface CertificateFiles {
  readonly cert: string;
  readonly key: string;
}

/**
 * Suites of TLS 1.3, and those of TLS 1.2 with forward secrecy and authenticated encryption: Mozilla's "intermediate"
 * list without the DHE ones, which cost the server far more than the client.
 */
const CIPHERS = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':');

interface Loaded {
  readonly files: CertificateFiles;
  readonly pem: { readonly cert: Buffer; readonly key: Buffer };
  /** Lower case; `*.` in front covers one label. */
  readonly names: readonly string[];
  readonly context: SecureContext;
}

/** The certificates of one balancer. A reload changes new connections only, and a pair that is broken keeps its old one. */
export class Certificates {
  #loaded: readonly Loaded[];
  #ticketKeys = randomBytes(48);
  #ticketsSince: number;
  #stamp = '';
  #looking = false;
  #changed: (defaults: SecureContextOptions) => void = () => {};

  /** @throws KelanaError BAD_CERTIFICATE, CANNOT_READ */
  constructor(files: readonly CertificateFiles[], now: number) {
    this.#loaded = files.map((pair) => this.#load(pair));
    this.#ticketsSince = now;
    void this.#look().then((stamp) => {
      this.#stamp = stamp;
    });
  }

  /** Names of all certificates, the default one's first. */
  get names(): readonly string[] {
    return this.#loaded.flatMap(({ names }) => names);
  }

  /** Of the first one, for a server of node:tls; it is told of every change. */
  get defaults(): SecureContextOptions {
    const [first] = this.#loaded;
    if (first === undefined) throw new Error('no certificate');
    return this.#options(first.pem);
  }

  onChange(changed: (defaults: SecureContextOptions) => void): void {
    this.#changed = changed;
  }

  /** The certificate for a name that a client asks for: exact, then by wildcard, else the first. */
  contextFor(servername: string | undefined): SecureContext {
    const name = (servername ?? '').toLowerCase().replace(/\.$/, '');
    const wild = `*${name.slice(Math.max(0, name.indexOf('.')))}`;
    const found =
      this.#loaded.find(({ names }) => names.includes(name)) ??
      this.#loaded.find(({ names }) => wild !== '*' && names.includes(wild)) ??
      this.#loaded[0];
    if (found === undefined) throw new Error('no certificate');
    return found.context;
  }

  /** Reads all files again. Gives what is wrong with those pairs that stay as they were. */
  reload(): readonly KelanaError[] {
    const wrong: KelanaError[] = [];
    this.#loaded = this.#loaded.map((old) => {
      try {
        return this.#load(old.files);
      } catch (thrown) {
        if (!(thrown instanceof KelanaError)) throw thrown;
        wrong.push(thrown);
        return old;
      }
    });
    this.#changed(this.defaults);
    return wrong;
  }

  /**
   * Whether the files have changed since the last look, and are the same in two looks one after the other, so that a
   * pair that is being written is not taken halfway. Also renews the key of the session tickets in time.
   */
  async changed(now: number): Promise<boolean> {
    if (now - this.#ticketsSince > EDGE.ticketMs) {
      this.#ticketsSince = now;
      this.#ticketKeys = randomBytes(48);
      this.#loaded = this.#loaded.map((old) => ({
        ...old,
        context: createSecureContext(this.#options(old.pem)),
      }));
      this.#changed(this.defaults);
    }
    if (this.#looking) return false;
    this.#looking = true;
    try {
      const first = await this.#look();
      if (first === this.#stamp || first !== (await this.#look())) return false;
      this.#stamp = first;
      return true;
    } finally {
      this.#looking = false;
    }
  }

  async #look(): Promise<string> {
    const paths = this.#loaded.flatMap(({ files }) => [files.cert, files.key]);
    const stamps = await Promise.all(
      paths.map((path) =>
        stat(path).then(
          ({ ino, size, mtimeMs }) => `${ino} ${size} ${mtimeMs}`,
          (thrown: unknown) => reason(thrown),
        ),
      ),
    );
    return stamps.join('\n');
  }

  #load(files: CertificateFiles): Loaded {
    const pem = { cert: read(files.cert), key: read(files.key) };
    const bad = (path: string, thrown: unknown, why?: Text): KelanaError =>
      new KelanaError('BAD_CERTIFICATE', { path, why: why ?? reason(thrown) }, thrown);
    let certificate: X509Certificate;
    let key: KeyObject;
    try {
      certificate = new X509Certificate(pem.cert);
    } catch (thrown) {
      throw bad(files.cert, thrown, { id: 'bukan sertifikat PEM', en: 'not a certificate in PEM' });
    }
    try {
      key = createPrivateKey(pem.key);
    } catch (thrown) {
      const locked = pem.key.includes('ENCRYPTED');
      throw bad(
        files.key,
        thrown,
        locked
          ? { id: 'kuncinya memakai sandi', en: 'the key has a passphrase' }
          : { id: 'bukan kunci pribadi PEM', en: 'not a private key in PEM' },
      );
    }
    if (!certificate.checkPrivateKey(key))
      throw bad(files.key, null, {
        id: `kunci itu bukan pasangan ${files.cert}`,
        en: `the key does not belong to ${files.cert}`,
      });
    try {
      return { files, pem, names: namesOf(certificate), context: createSecureContext(this.#options(pem)) };
    } catch (thrown) {
      throw bad(files.cert, thrown);
    }
  }

  #options(pem: Loaded['pem']): SecureContextOptions & { readonly ticketKeys: Buffer } {
    return {
      ...pem,
      minVersion: 'TLSv1.2',
      ciphers: CIPHERS,
      ticketKeys: this.#ticketKeys,
      // A client that renegotiates again and again makes the server do the dear half of each handshake.
      secureOptions: constants.SSL_OP_NO_RENEGOTIATION,
    };
  }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (thrown) {
    throw new KelanaError('CANNOT_READ', { path, why: reason(thrown) }, thrown);
  }
}

/** DNS names of the certificate; the common name only where there is no other (RFC 6125 section 6.4.4). */
function namesOf(certificate: X509Certificate): readonly string[] {
  const alternatives = (certificate.subjectAltName ?? '')
    .split(', ')
    .flatMap((entry) => (entry.startsWith('DNS:') ? [entry.slice(4).toLowerCase()] : []));
  if (alternatives.length > 0) return alternatives;
  const common = /(?:^|\n)CN=(.+)$/m.exec(certificate.subject)?.[1];
  return common === undefined ? [] : [common.toLowerCase()];
}
