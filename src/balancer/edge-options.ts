import type { RateLimit } from '../core/balance/rate.ts';
import { EDGE } from '../core/config.ts';
import type { Emit } from '../core/events.ts';
import type { KelanaError } from '../core/errors.ts';
import type { ListenAddress } from './address.ts';
import { Certificates, type CertificateFiles } from './certificates.ts';
import type { EdgeRules } from './edge.ts';
import { trustedSources } from './proxy-in.ts';

/** All that can be set about connections before they are requests. What is left out is off, or has its default. */
export interface EdgeOptions {
  /** Addresses to listen on beside the first. */
  readonly listen?: readonly ListenAddress[];
  /** What is spoken on the first address; https where there are certificates. */
  readonly scheme?: 'http' | 'https';
  /** The first one is for clients that name no host, or one that no certificate is for. */
  readonly certificates?: readonly CertificateFiles[];
  /** Where plain requests are told the same address over HTTPS. */
  readonly redirect?: ListenAddress;
  /** Addresses and networks of proxies that speak the PROXY protocol; then nobody else is let in. */
  readonly acceptProxy?: readonly string[];
  readonly mode?: 'http' | 'tcp';
  readonly rate?: RateLimit;
  readonly maxConnections?: number;
  readonly maxPerSource?: number;
}

/** What is spoken on an address; `own` is what it says itself. */
export function schemeOf(
  mode: EdgeOptions['mode'],
  secure: boolean,
  own?: 'http' | 'https',
): 'http' | 'https' | 'tcp' {
  if (mode === 'tcp') return 'tcp';
  return own ?? (secure ? 'https' : 'http');
}

/**
 * @param maxConnections client connections that there is room for
 * @throws KelanaError BAD_CERTIFICATE, BAD_VALUE, CANNOT_READ
 */
export function edgeRules(options: EdgeOptions, now: number, maxConnections: number): EdgeRules {
  const { certificates = [], acceptProxy = [] } = options;
  return {
    mode: options.mode ?? 'http',
    certificates: certificates.length === 0 ? null : new Certificates(certificates, now),
    trusted: acceptProxy.length === 0 ? null : trustedSources(acceptProxy),
    maxConnections,
    maxPerSource: options.maxPerSource ?? maxConnections,
  };
}

/** Reads the certificates anew when they are told to, and when their files change. */
export class CertificateKeeper {
  readonly #certificates: Certificates | null;
  readonly #who: () => string;
  readonly #emit: Emit;
  #lookAt: number;

  constructor(certificates: Certificates | null, who: () => string, emit: Emit, now: number) {
    this.#certificates = certificates;
    this.#who = who;
    this.#emit = emit;
    this.#lookAt = now + EDGE.certificateLookMs;
  }

  /** Says which certificates are in use, and gives what is wrong with those that stay as they were. */
  reload(): readonly KelanaError[] {
    if (this.#certificates === null) return [];
    const wrong = this.#certificates.reload();
    for (const error of wrong) {
      const { code, params } = error;
      this.#emit({ type: 'error', who: this.#who(), code, detail: error.message, params });
    }
    this.announce();
    return wrong;
  }

  announce(): void {
    if (this.#certificates === null) return;
    this.#emit({ type: 'balancer.certificates', who: this.#who(), names: this.#certificates.names });
  }

  sweep(now: number): void {
    if (this.#certificates === null || now < this.#lookAt) return;
    this.#lookAt = now + EDGE.certificateLookMs;
    void this.#certificates.changed(now).then((changed) => {
      if (changed) this.reload();
    });
  }
}
