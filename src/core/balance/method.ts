/** What a method may know of a backend. `index` is its place in the configuration. */
export interface BackendView {
  readonly index: number;
  readonly up: boolean;
  /** 1 unless configured. */
  readonly weight: number;
  /** Requests in flight. */
  readonly active: number;
}

/**
 * Chooses backends. `order` is called once per request and gives every backend that is up, the best first and
 * each once, so that a retry takes the next one and needs no second call.
 */
export interface Method {
  readonly name: MethodName;
  /** Whether weights change anything; where not, giving one is a mistake that is told. */
  readonly usesWeights: boolean;
  order(backends: readonly BackendView[]): readonly number[];
}

export const METHODS = ['round-robin'] as const;
export type MethodName = (typeof METHODS)[number];

export function isMethodName(name: string): name is MethodName {
  return (METHODS as readonly string[]).includes(name);
}
