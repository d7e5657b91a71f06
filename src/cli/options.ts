import { parseArgs } from 'node:util';
import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';
import { parseLimit } from '../core/transfer/limits.ts';
import { COMMON, type Command, type Option } from './command.ts';
import { nearest } from './nearest.ts';
import type { Located, Settings } from './settings.ts';
import { Values, type FindPlace, type Origin, type Value } from './values.ts';

/**
 * Flags > environment > kelana.toml > defaults, checked by one table.
 * @throws KelanaError UNKNOWN_FLAG, BAD_VALUE, BAD_CONFIG, USAGE
 */
export function settle(
  command: Command,
  args: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  settings: Settings,
): Values {
  const options = [...command.options, ...COMMON];
  const { flags, positionals } = readFlags(command, options, args);
  const found = new Map<string, { value: Value; origin: Origin; place?: FindPlace }>();
  const file = settings.section(command.section, flags);
  refuseUnknownKeys(command, options, settings, file);
  const shared = settings.shared();
  for (const option of options) {
    const given = flags.get(option.name);
    const variable = environmentName(command.section, option.name);
    const fromEnv = env[variable];
    const fromFile =
      file?.get(option.name) ?? (SHARED.has(option.name) ? shared.get(option.name) : undefined);
    if (given !== undefined) {
      found.set(option.name, { value: parseValue(option, given, `--${option.name}`), origin: 'flag' });
    } else if (fromEnv !== undefined && fromEnv !== '') {
      const raw = option.many === true ? fromEnv.split(',').map((part) => part.trim()) : fromEnv;
      found.set(option.name, { value: parseValue(option, raw, variable), origin: 'environment' });
    } else if (fromFile !== undefined) {
      found.set(option.name, {
        value: settings.locate(fromFile, (raw) => parseValue(option, raw, option.name)),
        origin: 'file',
        place: (at, key) => settings.placeOf(fromFile, at, key),
      });
    } else if (option.default !== undefined) {
      found.set(option.name, { value: option.default, origin: 'default' });
    }
  }
  return new Values(positionals, found, settings.path);
}

/** Options that may stand at the top of kelana.toml, for every part at once. */
const SHARED = new Set(['lang', 'log', 'log-db', 'log-lang']);

/** @throws KelanaError BAD_CONFIG with the line of a key that no option of the command has */
export function refuseUnknownKeys(
  command: Command,
  options: readonly Option[],
  settings: Settings,
  file: ReadonlyMap<string, Located> | undefined,
): void {
  for (const key of settings.shared().keys()) {
    if (!SHARED.has(key)) settings.refuseKey(key, [...SHARED], settings.lineOf('', 0, key));
  }
  const names = options.map((option) => option.name);
  for (const located of file?.values() ?? []) {
    if (!names.includes(located.key))
      settings.refuseKey(`${command.section ?? ''}.${located.key}`, names, located.line);
  }
}

export function environmentName(section: string | undefined, option: string): string {
  const scope = section === undefined || option === 'lang' ? [] : [section];
  return ['KELANA', ...scope, option].join('_').replaceAll('-', '_').toUpperCase();
}

type RawFlag = string | true | readonly string[];

function readFlags(command: Command, options: readonly Option[], args: readonly string[]) {
  const { tokens } = parseArgs({
    args: [...args],
    strict: false,
    allowPositionals: true,
    tokens: true,
    options: Object.fromEntries(
      options.map((option) => [
        option.name,
        { type: option.type === 'flag' ? ('boolean' as const) : ('string' as const) },
      ]),
    ),
  });
  const flags = new Map<string, RawFlag>();
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const name = token.rawName === '-h' ? 'help' : token.name;
    const option = options.find((candidate) => candidate.name === name);
    if (
      option === undefined ||
      (token.rawName.startsWith('-') && !token.rawName.startsWith('--') && name !== 'help')
    ) {
      const near = nearest(
        name,
        options.map((candidate) => candidate.name),
      );
      const hint = near === undefined ? '' : `--${near}? `;
      throw new KelanaError('UNKNOWN_FLAG', { name: token.rawName, hint, command: command.name });
    }
    if (option.type === 'flag') {
      if (token.value !== undefined) {
        throw new KelanaError('BAD_VALUE', {
          value: token.value,
          name: `--${name}`,
          why: { id: 'opsi ini tidak menerima nilai', en: 'it takes no value' },
          example: `--${name}`,
        });
      }
      flags.set(name, true);
    } else if (token.value === undefined || (!token.inlineValue && /^--./.test(token.value))) {
      throw new KelanaError('BAD_VALUE', {
        value: '',
        name: `--${name}`,
        why: { id: 'nilainya tidak ada', en: 'the value is missing' },
        example: `--${name} ${option.value ?? exampleOf(option)}`,
      });
    } else if (option.many === true) {
      flags.set(name, [...((flags.get(name) as readonly string[] | undefined) ?? []), token.value]);
    } else {
      flags.set(name, token.value);
    }
  }
  const [fewest, most] = command.positionals ?? [0, 0];
  if (flags.get('help') !== true) {
    if (positionals.length > most) {
      throw new KelanaError('USAGE', {
        detail: {
          id: `Argumen '${positionals[most] ?? ''}' berlebih.`,
          en: `Unexpected argument '${positionals[most] ?? ''}'.`,
        },
        command: command.name,
      });
    }
    if (positionals.length < fewest) {
      throw new KelanaError('USAGE', {
        detail: {
          id: `Argumen kurang: ${command.args ?? ''}.`,
          en: `Missing argument: ${command.args ?? ''}.`,
        },
        command: command.name,
      });
    }
  }
  return { flags, positionals };
}

/** @throws KelanaError BAD_VALUE */
export function parseValue(option: Option, raw: unknown, name: string): Value {
  const bad = (why: Text, value = raw): KelanaError =>
    new KelanaError('BAD_VALUE', {
      value: shown(value),
      name,
      why,
      example: `--${option.name} ${exampleOf(option)}`,
    });
  if (option.type === 'flag') {
    if (raw === true || raw === 'true' || raw === '1') return true;
    if (raw === false || raw === 'false' || raw === '0') return false;
    throw bad({ id: 'harus true atau false', en: 'it must be true or false' });
  }
  if (option.many === true) {
    const list = Array.isArray(raw) ? (raw as unknown[]) : [raw];
    return list.map((item) => checkText(option, textOf(option, item), (why) => bad(why, item)));
  }
  if (option.type === 'text') return checkText(option, String(raw), bad);
  if (option.type === 'limit') return parseLimit(String(raw), `--${option.name}`).text;
  const text = String(raw).trim();
  const number =
    option.type === 'seconds' ? parseSeconds(text) : /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  const [min, max] = boundsOf(option);
  const whole = option.type === 'port' || option.type === 'count';
  if (!Number.isFinite(number) || (whole && !Number.isInteger(number)) || number < min || number > max) {
    throw bad({
      id: `harus ${whole ? 'bilangan bulat' : 'angka'} dari ${min} sampai ${max}`,
      en: `it must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}`,
    });
  }
  return number;
}

/** A value as a person wrote it; a table of kelana.toml has no text of its own. */
function shown(raw: unknown): string {
  return typeof raw === 'string' ? raw : JSON.stringify(raw);
}

/** One item of a list: a text, or a table in its place. */
function textOf(option: Option, item: unknown): string {
  const { fromTable } = option;
  const table = typeof item === 'object' && item !== null && fromTable !== undefined;
  return table ? fromTable(item as Readonly<Record<string, unknown>>) : shown(item);
}

function checkText(option: Option, text: string, bad: (why: Text) => KelanaError): string {
  if (text === '') throw bad({ id: 'nilainya kosong', en: 'it is empty' });
  if (text.includes('\0')) throw bad({ id: 'berisi karakter NUL', en: 'it holds a NUL character' });
  if (option.oneOf !== undefined && !option.oneOf.includes(text))
    throw bad({
      id: `harus salah satu dari: ${option.oneOf.join(', ')}`,
      en: `it must be one of: ${option.oneOf.join(', ')}`,
    });
  option.check?.(text);
  return text;
}

/** `30`, `30s`, `500ms`, `2m`, `1h` to seconds; NaN for anything else. */
export function parseSeconds(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text);
  if (match === null) return Number.NaN;
  const unit = { ms: 0.001, s: 1, m: 60, h: 3600 }[match[2] ?? 's'] ?? 1;
  return Number(match[1]) * unit;
}

function boundsOf(option: Option): readonly [number, number] {
  if (option.type === 'port') return [option.min ?? 0, option.max ?? 65_535];
  return [option.min ?? 0, option.max ?? 1e15];
}

function exampleOf(option: Option): string {
  if (option.oneOf !== undefined) return option.oneOf[0] ?? '';
  if (option.default !== undefined && option.default !== true) return String(option.default);
  const examples = {
    flag: '',
    text: 'TEXT',
    port: '5001',
    count: '10',
    seconds: '30s',
    rate: '100',
    limit: '5MB/s',
  };
  return examples[option.type];
}
