import { KelanaError } from '../core/errors.ts';
import type { Text } from '../core/lang.ts';

/**
 * What a command sends, checked. Ours, and not a library's, as every node has it in memory for as long as it lives: zod
 * takes 5 MiB of a node that does nothing, these take none.
 */
export interface Field<T, Missing extends boolean = false> {
  /** May be left out of the object that it belongs to. */
  readonly missing: Missing;
  /** `at`: where the value stands, as the error says it. @throws KelanaError USAGE */
  readonly read: (value: unknown, at: string) => T;
}

/** What a field reads. */
export type Read<F> = F extends Field<infer T, boolean> ? T : never;

type Shape = Readonly<Record<string, Field<unknown, boolean>>>;
type Keys<S extends Shape, Missing extends boolean> = {
  [K in keyof S]: S[K]['missing'] extends Missing ? K : never;
}[keyof S];
type Fields<S extends Shape> = { [K in Keys<S, false>]: Read<S[K]> } & { [K in Keys<S, true>]?: Read<S[K]> };

interface ObjectField<T> extends Field<T> {
  /** The body, the parameters or the query of a request. @throws KelanaError USAGE */
  readonly parse: (value: unknown) => T;
}

/** `min` and `max` in UTF-16 units. */
export function text({ min = 1, max = Infinity, start = '' } = {}): Field<string> {
  return field((value, at) => {
    if (typeof value !== 'string') return wrong(at, { id: 'harus teks', en: 'must be text' });
    const { length } = value;
    if (length < min || length > max)
      return wrong(at, {
        id: `harus ${range(min, max)} karakter`,
        en: `must have ${range(min, max)} characters`,
      });
    if (!value.startsWith(start))
      return wrong(at, { id: `harus diawali ${start}`, en: `must start with ${start}` });
    return value;
  });
}

/** A number of this range; `whole`: without a fraction, and one that is exact. */
export function number(min: number, max: number, { whole = false } = {}): Field<number> {
  const right = { id: `harus ${range(min, max)}`, en: `must be ${range(min, max)}` };
  return field((value, at) => {
    if (typeof value !== 'number' || !Number.isFinite(value) || value < min || value > max)
      return wrong(at, right);
    if (whole && !Number.isSafeInteger(value))
      return wrong(at, { id: 'harus bilangan bulat', en: 'must be a whole number' });
    return value;
  });
}

export function whole(min: number, max: number = Number.MAX_SAFE_INTEGER): Field<number> {
  return number(min, max, { whole: true });
}

/** A whole number as it stands in an address. */
export function digits(min: number, max: number): Field<number> {
  const inner = whole(min, max);
  return field((value, at) =>
    inner.read(typeof value === 'string' && /^\d{1,16}$/.test(value) ? Number(value) : NaN, at),
  );
}

export function flag(): Field<boolean> {
  return field((value, at) =>
    typeof value === 'boolean'
      ? value
      : wrong(at, { id: 'harus true atau false', en: 'must be true or false' }),
  );
}

export function oneOf<const T extends string>(names: readonly T[]): Field<T> {
  return field((value, at) => {
    const list = names.join(', ');
    return (
      names.find((name) => name === value) ??
      wrong(at, { id: `harus salah satu dari ${list}`, en: `must be one of ${list}` })
    );
  });
}

export function list<T>(each: Field<T>, min: number, max: number): Field<T[]> {
  return field((value, at) => {
    if (!Array.isArray(value) || value.length < min || value.length > max)
      return wrong(at, {
        id: `harus daftar dengan ${range(min, max)} isi`,
        en: `must be a list of ${range(min, max)} entries`,
      });
    return value.map((one: unknown, index) => each.read(one, `${at}[${index}]`));
  });
}

export function optional<T>({ read }: Field<T>): Field<T, true> {
  return { missing: true, read };
}

/** Other keys are dropped, or refused where it is `strict`. */
export function object<S extends Shape>(shape: S, { strict = false } = {}): ObjectField<Fields<S>> {
  const read = (value: unknown, at: string): Fields<S> => {
    if (!isObject(value)) return wrong(at, { id: 'harus objek', en: 'must be an object' });
    const unknown = strict ? Object.keys(value).find((key) => !Object.hasOwn(shape, key)) : undefined;
    if (unknown !== undefined)
      return wrong(under(at, unknown.slice(0, 64)), { id: 'tidak dikenal', en: 'is not known' });
    const found: Record<string, unknown> = {};
    for (const [key, { missing, read: readOne }] of Object.entries(shape)) {
      const given = Object.hasOwn(value, key);
      if (given || !missing) found[key] = readOne(given ? value[key] : undefined, under(at, key));
    }
    return found as Fields<S>;
  };
  return { missing: false, read, parse: (value) => read(value, '') };
}

/** One of several objects: the text under `key` says which. */
export function kinds<T>(key: string, of: Readonly<Record<string, Field<T>>>): Field<T> {
  const kind = oneOf(Object.keys(of));
  return field((value, at) => {
    const named = kind.read(isObject(value) ? value[key] : undefined, under(at, key));
    return of[named]?.read(value, at) ?? wrong(at, { id: 'tidak dikenal', en: 'is not known' });
  });
}

function field<T>(read: (value: unknown, at: string) => T): Field<T> {
  return { missing: false, read };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function under(at: string, key: string): string {
  return at === '' ? key : `${at}.${key}`;
}

function range(min: number, max: number): string {
  return max === Infinity ? `>= ${min}` : `${min}..${max}`;
}

function wrong(at: string, { id, en }: Text): never {
  const place = at === '' ? { id: 'permintaan', en: 'the request' } : { id: at, en: at };
  throw new KelanaError('USAGE', {
    detail: { id: `${place.id} ${id}`, en: `${place.en} ${en}` },
    command: '',
  });
}
