import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { MAX_NODES, MIN_NODES, type Copies } from './plan.ts';

/** `3` copies, or copies on `0.1%` of the nodes. */
export function parseCopies(text: string): Copies {
  const [, number, sign] = /^(\d+(?:\.\d+)?)(%)?$/.exec(text.trim()) ?? [];
  const value = Number(number);
  if (sign === '%' && value <= 100) return { kind: 'percent', percent: value };
  if (sign === undefined && Number.isInteger(value) && value <= MAX_NODES)
    return { kind: 'count', count: value };
  throw bad(text, '--copies', '1%', {
    id: 'harus bilangan bulat atau persen sampai 100%',
    en: 'it must be a whole number, or percent up to 100%',
  });
}

/** `20%` or `20` to 0.2. */
export function parsePercent(text: string, name: string): number {
  const [, number] = /^(\d+(?:\.\d+)?)%?$/.exec(text.trim()) ?? [];
  const value = Number(number);
  if (value >= 0 && value <= 100) return value / 100;
  throw bad(text, name, '20%', {
    id: 'harus persen dari 0 sampai 100',
    en: 'it must be percent from 0 to 100',
  });
}

/** `10000`, `10k` or `1M`. */
export function parseNodes(text: string): number {
  const [, number, unit] = /^(\d+(?:\.\d+)?)([kM])?$/.exec(text.trim()) ?? [];
  const value = Number(number) * (unit === 'k' ? 1_000 : unit === 'M' ? 1_000_000 : 1);
  if (Number.isInteger(value) && value >= MIN_NODES && value <= MAX_NODES) return value;
  throw bad(text, '--nodes', '10000', {
    id: `harus bilangan bulat dari ${MIN_NODES} sampai ${MAX_NODES}`,
    en: `it must be a whole number from ${MIN_NODES} to ${MAX_NODES}`,
  });
}

function bad(value: string, name: string, example: string, why: Text): KelanaError {
  return new KelanaError('BAD_VALUE', { value, name, why, example: `${name} ${example}` });
}
