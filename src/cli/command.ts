import { PORTS } from '../core/config.ts';
import type { Text } from '../core/lang.ts';
import type { Context } from './context.ts';
import type { Values } from './values.ts';

/** How a flag's text becomes a value. Each type has one parser and one message (options.ts). */
export type OptionType = 'flag' | 'text' | 'port' | 'count' | 'seconds' | 'rate' | 'limit';

export interface Option {
  readonly name: string;
  readonly type: OptionType;
  readonly help: Text;
  /** Shown in the help as the value's name: `--peer ADDR`. */
  readonly value?: string;
  /** May be given several times, or as a TOML list. */
  readonly many?: boolean;
  /** Allowed words, for `text`. */
  readonly oneOf?: readonly string[];
  /** The text that says the same as a table of kelana.toml, for `many`. @throws KelanaError BAD_VALUE */
  readonly fromTable?: (table: Readonly<Record<string, unknown>>) => string;
  /** Throws KelanaError BAD_VALUE for a text that is not valid. */
  readonly check?: (text: string) => unknown;
  /** Lowest and highest value, for `count`, `port`, `seconds` and `rate`. */
  readonly min?: number;
  readonly max?: number;
  readonly default?: string | number | boolean;
}

export interface Example {
  readonly line: string;
  readonly what: Text;
}

export interface Command {
  readonly name: string;
  readonly summary: Text;
  /** Arguments after the name, for example `QUERY`. */
  readonly args?: string;
  /** Number of positional arguments: fewest and most. */
  readonly positionals?: readonly [number, number];
  /** Section of kelana.toml and of the environment (`KELANA_<SECTION>_<OPTION>`) that also sets these options. */
  readonly section?: string;
  readonly options: readonly Option[];
  readonly examples: readonly Example[];
  run(context: Context, values: Values): Promise<number>;
}

/** Options that every command takes. */
export const COMMON: readonly Option[] = [
  {
    name: 'lang',
    type: 'text',
    value: 'id|en',
    oneOf: ['id', 'en'],
    help: { id: 'bahasa keluaran', en: 'language of the output' },
  },
  {
    name: 'json',
    type: 'flag',
    help: { id: 'keluaran JSON untuk program lain', en: 'JSON output for programs' },
  },
  {
    name: 'config',
    type: 'text',
    value: 'FILE',
    help: { id: 'berkas pengaturan (bawaan: kelana.toml)', en: 'settings file (default: kelana.toml)' },
  },
  { name: 'help', type: 'flag', help: { id: 'bantuan ini', en: 'this help' } },
];

/** Options of every command that writes the combined log. */
export const LOGGING: readonly Option[] = [
  {
    name: 'log',
    type: 'text',
    value: 'FILE',
    default: 'combined_log.txt',
    help: { id: 'berkas log gabungan; "none" mematikan', en: 'combined log file; "none" turns it off' },
  },
  {
    name: 'log-db',
    type: 'text',
    value: 'FILE',
    default: 'kelana.db',
    help: { id: 'log SQLite; "none" mematikan', en: 'SQLite log; "none" turns it off' },
  },
  {
    name: 'log-lang',
    type: 'text',
    value: 'id|en',
    oneOf: ['id', 'en'],
    default: 'id',
    help: { id: 'bahasa baris log', en: 'language of the log lines' },
  },
];

/** Where a client sends: the balancer unless told otherwise. */
export const URL_OPTION: Option = {
  name: 'url',
  type: 'text',
  value: 'URL',
  default: `http://localhost:${PORTS.balancer}`,
  help: { id: 'alamat balancer atau server', en: 'address of the balancer or a server' },
};
