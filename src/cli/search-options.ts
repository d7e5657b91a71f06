import { SEARCH } from '../core/config.ts';
import { LOGGING, type Option } from './command.ts';
import type { SearchOptions } from '../core/ports.ts';
import type { Context } from './context.ts';
import { DATA_OPTION } from './data-folder.ts';
import type { Values } from './values.ts';

/** Options of every command that searches. */
export const SEARCH_OPTIONS: readonly Option[] = [
  {
    name: 'timeout',
    type: 'seconds',
    min: 0.001,
    max: SEARCH.maxTimeoutMs / 1000,
    default: SEARCH.timeoutMs / 1000,
    help: { id: 'waktu pencarian paling lama, detik', en: 'longest time for the search, seconds' },
  },
  {
    name: 'strategy',
    type: 'text',
    oneOf: ['walk'],
    default: 'walk',
    help: { id: 'cara mencari', en: 'how to search' },
  },
  {
    name: 'peer',
    type: 'text',
    value: 'ADDR',
    many: true,
    help: { id: 'alamat node untuk disambung', en: 'address of a node to link to' },
  },
  DATA_OPTION,
  ...LOGGING,
];

/** The search that those options ask for. */
export function searchHow(context: Context, values: Values): SearchOptions {
  const seconds = values.number('timeout');
  return { signal: context.signal, timeoutMs: seconds === undefined ? SEARCH.timeoutMs : seconds * 1000 };
}
