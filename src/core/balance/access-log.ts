import { KelanaError } from '../errors.ts';

/** Which requests are told of one by one. What failed is told in any case: it is what a log is read for. */
export class AccessLog {
  readonly #rate: number;
  readonly #random: () => number;

  /** @param rate part of the requests, 0 to 1 */
  constructor(rate: number, random: () => number) {
    this.#rate = rate;
    this.#random = random;
  }

  /** `cut`: the client got a part of the answer, and left or was cut off. */
  logs(status: number, cut: boolean): boolean {
    return this.#rate >= 1 || status >= 500 || cut || (this.#rate > 0 && this.#random() < this.#rate);
  }
}

/** `full`, `off`, or a part such as `0.01`; the part. @throws KelanaError BAD_VALUE */
export function parseAccessLog(text: string): number {
  if (text === 'full') return 1;
  if (text === 'off') return 0;
  const rate = /^(0?\.\d{1,9}|1(\.0+)?|0)$/.test(text) ? Number(text) : Number.NaN;
  if (rate >= 0 && rate <= 1) return rate;
  throw new KelanaError('BAD_VALUE', {
    value: text,
    name: '--access-log',
    why: {
      id: 'harus full, off, atau bagian dari 0 sampai 1',
      en: 'it must be full, off, or a part from 0 to 1',
    },
    example: '--access-log 0.01',
  });
}
