import { LIBRARY } from '../core/config.ts';

/** Names by folder that may have changed, until somebody has time for them; too many become "everything". */
export class Changes {
  #folders = new Map<string, Set<string>>();
  #count = 0;
  #all = false;

  get empty(): boolean {
    return this.#count === 0 && !this.#all;
  }

  has(folder: string, name: string): boolean {
    return this.#all || this.#folders.get(folder)?.has(name) === true;
  }

  add(folder: string, name: string): void {
    if (this.#all) return;
    const names = this.#folders.get(folder);
    if (names?.has(name) === true) return;
    if (names === undefined) this.#folders.set(folder, new Set([name]));
    else names.add(name);
    this.#count += 1;
    if (this.#count > LIBRARY.maxChanges) this.addAll();
  }

  addAll(): void {
    this.#all = true;
    this.#folders.clear();
    this.#count = 0;
  }

  /** Takes out what there is: names by folder, or `all`. */
  take(): ReadonlyMap<string, ReadonlySet<string>> | 'all' {
    const taken = this.#all ? 'all' : this.#folders;
    this.#folders = new Map();
    this.#count = 0;
    this.#all = false;
    return taken;
  }
}
