/**
 * Values by key, where most keys have one value and a few have very many: the words `pdf` and `2024` may stand in
 * every file. One value costs no array; a removal from many only counts, until half of them are gone, so a value that
 * was removed must not come back (another one like it may).
 */
export class Groups<T> {
  readonly #groups = new Map<string, T | Many<T>>();
  /** Whether a value that was added is still there; asked of what removals left behind. */
  readonly #lives: (value: T) => boolean;

  constructor(lives: (value: T) => boolean) {
    this.#lives = lives;
  }

  add(key: string, value: T): void {
    const there = this.#groups.get(key);
    if (there === undefined) this.#groups.set(key, value);
    else if (there instanceof Many) there.values.push(value);
    else this.#groups.set(key, new Many([there, value]));
  }

  /** To be called once for each value that no longer lives. */
  remove(key: string, value: T): void {
    const there = this.#groups.get(key);
    if (there === value) this.#groups.delete(key);
    if (!(there instanceof Many)) return;
    there.dead += 1;
    if (there.dead * 2 < there.values.length) return;
    const rest = there.values.filter(this.#lives);
    const first = rest[0];
    if (first === undefined) this.#groups.delete(key);
    else this.#groups.set(key, rest.length === 1 ? first : new Many(rest));
  }

  get(key: string): readonly T[] {
    const there = this.#groups.get(key);
    if (there === undefined) return [];
    if (!(there instanceof Many)) return [there];
    return there.dead === 0 ? there.values : there.values.filter(this.#lives);
  }

  /** How many values `get` would give, at most. */
  count(key: string): number {
    const there = this.#groups.get(key);
    if (there === undefined) return 0;
    return there instanceof Many ? there.values.length : 1;
  }
}

class Many<T> {
  readonly values: T[];
  dead = 0;

  constructor(values: T[]) {
    this.values = values;
  }
}
