export type Origin = 'flag' | 'environment' | 'file' | 'default';
/** Where an item of a list stands in kelana.toml; `key` is that of its table. */
export type FindPlace = (at: number, key?: string) => { readonly file: string; readonly line: number };

interface Settled {
  readonly value: Value;
  readonly origin: Origin;
  /** Of values of the file. */
  readonly place?: FindPlace;
}

export type Value = string | number | boolean | readonly string[];

/** The settled values of one command's options, each with where it came from. */
export class Values {
  readonly positionals: readonly string[];
  /** Path of kelana.toml, or what was read in its place; null where there was none. */
  readonly file: string | null;
  readonly #values: ReadonlyMap<string, Settled>;

  constructor(
    positionals: readonly string[],
    values: ReadonlyMap<string, Settled>,
    file: string | null = null,
  ) {
    this.positionals = positionals;
    this.file = file;
    this.#values = values;
  }

  text(name: string): string | undefined {
    const value = this.#values.get(name)?.value;
    return typeof value === 'string' ? value : undefined;
  }
  texts(name: string): readonly string[] {
    const value = this.#values.get(name)?.value;
    return Array.isArray(value) ? (value as readonly string[]) : [];
  }
  number(name: string): number | undefined {
    const value = this.#values.get(name)?.value;
    return typeof value === 'number' ? value : undefined;
  }
  flag(name: string): boolean {
    return this.#values.get(name)?.value === true;
  }
  origin(name: string): Origin | undefined {
    return this.#values.get(name)?.origin;
  }
  /** Undefined for what is not from the file. */
  place(name: string): FindPlace | undefined {
    return this.#values.get(name)?.place;
  }
  entries(): Iterable<[string, { value: Value; origin: Origin }]> {
    return this.#values.entries();
  }
}
