import { SEARCH } from '../core/config.ts';
import {
  STRATEGIES,
  type Filters,
  type Query,
  type SearchOptions,
  type StrategyName,
} from '../core/ports.ts';
import { parseQuery, parseSize, parseTypes, QUERY_KINDS, TYPE_SETS } from '../core/search/query.ts';
import { LOGGING, type Option } from './command.ts';
import type { Context } from './context.ts';
import { DATA_OPTION } from './data-folder.ts';
import type { Values } from './values.ts';

const SETS = Object.keys(TYPE_SETS).join(', ');

/** Options of every command that searches. */
export const SEARCH_OPTIONS: readonly Option[] = [
  {
    name: 'as',
    type: 'text',
    value: 'KIND',
    oneOf: QUERY_KINDS,
    default: 'auto',
    help: {
      id: `cara membaca QUERY: ${QUERY_KINDS.join(', ')}`,
      en: `how to read QUERY: ${QUERY_KINDS.join(', ')}`,
    },
  },
  {
    name: 'type',
    type: 'text',
    value: 'TYPE',
    many: true,
    help: { id: `ekstensi, atau ${SETS}`, en: `an extension, or ${SETS}` },
  },
  {
    name: 'min-size',
    type: 'text',
    value: 'SIZE',
    help: { id: 'ukuran paling kecil, misalnya 10MB', en: 'smallest size, for example 10MB' },
  },
  {
    name: 'max-size',
    type: 'text',
    value: 'SIZE',
    help: { id: 'ukuran paling besar, misalnya 1.5GiB', en: 'largest size, for example 1.5GiB' },
  },
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
    value: 'S',
    oneOf: STRATEGIES,
    default: 'auto',
    help: { id: `cara mencari: ${STRATEGIES.join(', ')}`, en: `how to search: ${STRATEGIES.join(', ')}` },
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

/** What is looked for: the arguments, joined, read as those options say. @throws KelanaError BAD_VALUE */
export function searchFor(values: Values): Query {
  const types = values.texts('type');
  const [least, most] = [values.text('min-size'), values.text('max-size')];
  const filters: Filters = {
    ...(types.length === 0 ? {} : { types: parseTypes(types) }),
    ...(least === undefined ? {} : { minSize: parseSize(least, '--min-size') }),
    ...(most === undefined ? {} : { maxSize: parseSize(most, '--max-size') }),
  };
  const as = QUERY_KINDS.find((kind) => kind === values.text('as')) ?? 'auto';
  return parseQuery(values.positionals.join(' '), { as, filters });
}

/** The search that those options ask for. */
export function searchHow(context: Context, values: Values): SearchOptions & { strategy: StrategyName } {
  const seconds = values.number('timeout');
  const strategy = STRATEGIES.find((name) => name === values.text('strategy')) ?? 'auto';
  const timeoutMs = seconds === undefined ? SEARCH.timeoutMs : seconds * 1000;
  return { signal: context.signal, timeoutMs, strategy };
}
