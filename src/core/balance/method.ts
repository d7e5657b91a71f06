/** What a method may know of a backend. */
export interface BackendView {
  /** Its unique name, `host:port`. */
  readonly label: string;
  /** Its stable slot, from 0: it is not given to another backend before this one is gone. */
  readonly index: number;
  /** A request may be given to it now: up, in service, and with room. */
  readonly available: boolean;
  /** As configured, 1 to 1000; 1 unless told otherwise. */
  readonly weight: number;
  /** Part of its weight that counts, above 0 to 1; below 1 while it starts slowly. */
  readonly ramp: number;
  /** Requests in flight, and what recent failures count as on top of them (score.ts). */
  readonly load: number;
  /** `hashText` of its label. */
  readonly seed: number;
  /** How a sticky cookie names it; not its address. */
  readonly stickyId: string;
  /** ms that an answer takes lately (score.ts). */
  wait(now: number): number;
}

/** What one request brings to the choice. */
export interface Ask {
  /** What `keySource` of the method says of the request; null where it has no such thing. */
  readonly key: string | null;
  /** From 0 to below 1. */
  readonly random: () => number;
  /** ms, monotonic. */
  readonly now: number;
}

/**
 * Chooses backends. `choose` gives the best one that is available and not among those this request has `tried`;
 * undefined where there is none. So a retry asks again with one more in `tried`, and a request that needs no retry
 * allocates nothing. Pure but for its own turns: no clock, no randomness of its own.
 */
export interface Method {
  readonly name: MethodName;
  /** Whether weights change anything; where not, giving one is a mistake that is told. */
  readonly usesWeights: boolean;
  /** What of a request it is to be given as `key`. */
  readonly keySource: KeySource | null;
  choose<T extends BackendView>(list: readonly T[], tried: readonly BackendView[], ask: Ask): T | undefined;
}

export type KeySource =
  | { readonly from: 'header'; readonly name: string }
  | { readonly from: 'cookie'; readonly name: string }
  | { readonly from: 'source' }
  | { readonly from: 'path' };

export const PLAIN_METHODS = ['round-robin', 'weighted', 'least-connections', 'two-choices', 'ewma'] as const;
export type PlainMethod = (typeof PLAIN_METHODS)[number];

export const METHODS = [...PLAIN_METHODS, 'hash', 'sticky'] as const;
export type MethodName = (typeof METHODS)[number];

/** A method with what belongs to it; `parseMethod` and `methodText` of choice.ts are its text form. */
export type MethodChoice =
  | { readonly name: PlainMethod }
  | {
      readonly name: 'hash';
      readonly key: KeySource;
      /** Times the mean load a backend may have before its keys go to the next one; 0 for no bound. */
      readonly bound: number;
    }
  | {
      readonly name: 'sticky';
      readonly cookie: string;
      /** How a backend is chosen for who has no cookie, or one of a backend that is not available. */
      readonly otherwise: PlainMethod;
    };

export function isMethodName(name: string): name is MethodName {
  return (METHODS as readonly string[]).includes(name);
}

export function isPlainMethod(name: string): name is PlainMethod {
  return (PLAIN_METHODS as readonly string[]).includes(name);
}
