import { KelanaError } from '../errors.ts';

/** A backend as it is configured; `parseBackend` of balancer/address.ts reads its text form. */
export interface BackendSpec {
  /** `http://host:port`, `https://host:port`, or of TCP mode `tcp://host:port` */
  readonly url: string;
  /** 1 to 1000. */
  readonly weight: number;
  /** Requests at once; more wait in the queue or go elsewhere. 0 for no limit. */
  readonly maxConnections: number;
  /** Version of the PROXY header that each connection begins with; none where left out. */
  readonly proxy?: 1 | 2;
  /** Of https: PEM file of the authorities to trust in place of the system's. */
  readonly ca?: string;
  /** Of https: false where any certificate is taken. */
  readonly verify?: boolean;
}

export const WEIGHTS = { least: 1, most: 1000 } as const;

/** The text form, which `parseBackend` reads back. */
export function backendText(spec: BackendSpec): string {
  const weight = spec.weight === 1 ? '' : `,weight=${spec.weight}`;
  const max = spec.maxConnections === 0 ? '' : `,max=${spec.maxConnections}`;
  const proxy = spec.proxy === undefined ? '' : `,proxy=v${spec.proxy}`;
  const ca = spec.ca === undefined ? '' : `,ca=${spec.ca}`;
  const verify = spec.verify === false ? ',verify=off' : '';
  return `${spec.url}${weight}${max}${proxy}${ca}${verify}`;
}

/** Whether two texts of the same host and port say different things, but for the weight. The order of options says nothing. */
export function differ(one: string, other: string): boolean {
  return essence(one) !== essence(other);
}

function essence(text: string): string {
  const [url = '', ...options] = text.split(',').map((part) => part.trim());
  const scheme = url.slice(0, url.indexOf(':')).toLowerCase();
  return [scheme, ...options.filter((option) => !option.startsWith('weight=')).toSorted()].join();
}

/** `example`: of what to write instead. @throws KelanaError BAD_VALUE */
export function checkWeight(weight: number, example = '2'): void {
  if (Number.isInteger(weight) && weight >= WEIGHTS.least && weight <= WEIGHTS.most) return;
  throw new KelanaError('BAD_VALUE', {
    value: String(weight),
    name: 'weight',
    why: {
      id: `harus bilangan bulat dari ${WEIGHTS.least} sampai ${WEIGHTS.most}`,
      en: `it must be a whole number from ${WEIGHTS.least} to ${WEIGHTS.most}`,
    },
    example,
  });
}
