export type Origin = 'flag' | 'environment' | 'file' | 'default';
export type Value = string | number | boolean | readonly string[];

/** The settled values of one command's options, each with where it came from. */
export class Values {
  readonly positionals: readonly string[];
  readonly #values: ReadonlyMap<string, { value: Value; origin: Origin }>;

  constructor(positionals: readonly string[], values: ReadonlyMap<string, { value: Value; origin: Origin }>) {
    this.positionals = positionals;
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
  entries(): Iterable<[string, { value: Value; origin: Origin }]> {
    return this.#values.entries();
  }
}
