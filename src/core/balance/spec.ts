/** A backend as it is configured; `parseBackend` of balancer/address.ts reads its text form. */
export interface BackendSpec {
  /** `http://host:port` */
  readonly url: string;
  /** 1 to 1000. */
  readonly weight: number;
  /** Requests at once; more wait in the queue or go elsewhere. 0 for no limit. */
  readonly maxConnections: number;
}

export const WEIGHTS = { least: 1, most: 1000 } as const;

/** The text form, which `parseBackend` reads back. */
export function backendText(spec: BackendSpec): string {
  const weight = spec.weight === 1 ? '' : `,weight=${spec.weight}`;
  const max = spec.maxConnections === 0 ? '' : `,max=${spec.maxConnections}`;
  return `${spec.url}${weight}${max}`;
}
