import { lookup, Resolver } from 'node:dns/promises';
import { usedRecords, type Found, type Source } from '../core/balance/source.ts';
import { BALANCER_DISCOVERY } from '../core/config.ts';
import { KelanaError, reason } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';

/** What a name stands for, as far as was heard. */
export interface Answer {
  readonly found: readonly Found[];
  /** False where a part of the question had no answer, so that who is missing may still be there. */
  readonly whole: boolean;
  /** ms for which it holds, within the bounds of config.ts. */
  readonly ttlMs: number;
  /** Why nothing was found; null where something was. */
  readonly why: string | Text | null;
}

interface Addresses {
  readonly hosts: readonly string[];
  readonly whole: boolean;
  /** Seconds. */
  readonly ttl: number;
  readonly why: string | null;
}

/** The answers that say: there is none. Anything else says nothing about the servers. */
const NONE: ReadonlySet<string> = new Set(['ENODATA', 'ENOTFOUND']);

/**
 * Asks DNS servers: those of the system, or one that is given. Names that only the system knows otherwise (hosts(5),
 * mDNS) are looked up there, unless a server was given: then that one alone is asked.
 */
export class Resolving {
  readonly #resolver = new Resolver({
    timeout: BALANCER_DISCOVERY.timeoutMs,
    tries: BALANCER_DISCOVERY.tries,
  });
  readonly #given: boolean;

  /** @param servers `HOST:PORT`s with IP addresses. @throws KelanaError BAD_VALUE */
  constructor(servers: readonly string[] = []) {
    this.#given = servers.length > 0;
    if (!this.#given) return;
    try {
      this.#resolver.setServers([...servers]);
    } catch (thrown) {
      throw new KelanaError(
        'BAD_VALUE',
        {
          value: servers.join(' '),
          name: '--dns',
          why: { id: 'harus ALAMAT-IP[:PORT]', en: 'it must be IP-ADDRESS[:PORT]' },
          example: '--dns 127.0.0.1:53',
        },
        thrown,
      );
    }
  }

  /** Never rejects. */
  async resolve(source: Source): Promise<Answer> {
    if (source.kind === 'srv') return await this.#services(source);
    const { hosts, whole, ttl, why } = await this.#addresses(source.name);
    const found = hosts.map((host) => ({ host, port: source.port, weight: 1 }));
    return { found, whole, ttlMs: clamped(ttl), why };
  }

  /** Ends the questions that are under way. */
  close(): void {
    this.#resolver.cancel();
  }

  async #services({ name }: Source): Promise<Answer> {
    try {
      const records = usedRecords(await this.#resolver.resolveSrv(name));
      const names = [...new Set(records.map((record) => record.name))];
      const answers = await Promise.all(
        names.map(async (target) => [target, await this.#addresses(target)] as const),
      );
      const of = new Map(answers);
      const all = answers.map(([, one]) => one);
      const found = records.flatMap(({ name: target, port, weight }) =>
        (of.get(target)?.hosts ?? []).map((host) => ({ host, port, weight })),
      );
      return {
        found,
        whole: all.every(({ whole }) => whole),
        ttlMs: clamped(Math.min(...all.map(({ ttl }) => ttl))),
        why: found.length > 0 ? null : (all[0]?.why ?? 'ENODATA'),
      };
    } catch (thrown) {
      return { found: [], whole: false, ttlMs: clamped(0), why: reason(thrown) };
    }
  }

  async #addresses(name: string): Promise<Addresses> {
    const asked = await Promise.allSettled([
      this.#resolver.resolve4(name, { ttl: true }),
      this.#resolver.resolve6(name, { ttl: true }),
    ]);
    const records = asked.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
    const faults = asked.flatMap((one) => (one.status === 'rejected' ? [reason(one.reason)] : []));
    const real = faults.filter((fault) => !NONE.has(fault));
    const why = real[0] ?? faults[0] ?? 'ENODATA';
    if (records.length === 0 && !this.#given) return await this.#bySystem(name, why);
    // The unspecified address would be this machine: block lists answer so.
    const hosts = records.map(({ address }) => address).filter((one) => one !== '0.0.0.0' && one !== '::');
    return {
      hosts,
      whole: real.length === 0,
      ttl: Math.min(...records.map(({ ttl }) => ttl)),
      why: hosts.length > 0 ? null : why,
    };
  }

  async #bySystem(name: string, why: string): Promise<Addresses> {
    const ttl = BALANCER_DISCOVERY.systemTtl;
    try {
      const found = await lookup(name, { all: true });
      return { hosts: found.map(({ address }) => address), whole: true, ttl, why: null };
    } catch {
      return { hosts: [], whole: NONE.has(why), ttl, why };
    }
  }
}

function clamped(seconds: number): number {
  const { minMs, maxMs } = BALANCER_DISCOVERY;
  return Math.min(maxMs, Math.max(minMs, Number.isFinite(seconds) ? seconds * 1000 : minMs));
}
