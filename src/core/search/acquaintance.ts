import { PRINTS } from '../config.ts';
import { pick, type Random } from '../random.ts';
import type { Entry, Table } from './table.ts';

/** Of one neighbour: what came of the latest tries to reach peers whose records it brought. */
interface Sample {
  /** True where the peer answered. */
  readonly tries: boolean[];
  /** Unmet records of it when the tries began. */
  of: number;
  /** How many have begun, and when (ms) the last did. */
  begun: number;
  at: number;
}

/**
 * Which members are known to be there, and how many of the others to believe in: keys cost nothing, and a neighbour may
 * bring signed records of any number of peers that nobody ever meets. Members that this node met count. Of those that
 * it has not met a few are tried, drawn at random; the rest count as often as those could be reached, for each
 * neighbour that brought them. Whom it brought them from first is held against nobody: it may have been taken in.
 */
export class Acquaintance {
  readonly #table: Table;
  readonly #self: string;
  readonly #met = new Set<string>();
  /** ms: peers that could not be reached, and until when that counts. */
  readonly #away = new Map<string, number>();
  readonly #samples = new Map<string, Sample>();
  /** ms: who is being tried, and until when it may take to answer. */
  readonly #trying = new Map<string, { readonly by: string; readonly until: number }>();
  #nextAt = -Infinity;
  #changes = 0;
  #counted = { version: -1, changes: -1, members: 1 };

  constructor(table: Table, self: string) {
    this.#table = table;
    this.#self = self;
  }

  /** It spoke to this node over a connection that proves who it is. */
  met(id: string): void {
    this.#away.delete(id);
    this.#answer(id, true);
    if (this.#met.has(id)) return;
    if (this.#met.size >= PRINTS.maxMembers)
      for (const old of this.#met) if (this.#table.get(old) === undefined) this.#met.delete(old);
    if (this.#met.size >= PRINTS.maxMembers) return;
    this.#met.add(id);
    this.#changes += 1;
  }

  /** It could not be reached. */
  failed(id: string, now: number): void {
    if (this.#met.has(id)) return;
    this.#answer(id, false);
    this.#away.delete(id);
    if (this.#away.size >= PRINTS.maxMembers) this.#away.clear();
    this.#away.set(id, now + PRINTS.awayMs);
  }

  /** Nobody here ever met it, and it could not be reached lately. */
  away(id: string, now: number): boolean {
    return (this.#away.get(id) ?? 0) > now;
  }

  /** Members that count, this node among them. */
  members(): number {
    const { version } = this.#table;
    if (this.#counted.version === version && this.#counted.changes === this.#changes)
      return this.#counted.members;
    let members = 0;
    const unmet = this.#unmet();
    for (const { id, header } of this.#table.entries()) if (!header.gone && this.#known(id)) members += 1;
    for (const [by, entries] of unmet) members += this.#believed(by, entries.length);
    this.#counted = { version, changes: this.#changes, members: Math.max(1, Math.round(members)) };
    return this.#counted.members;
  }

  /** A member that is to be tried now, if any. */
  next(now: number, random: Random): Entry | undefined {
    // No answer says nothing: frames get lost. Whoever cannot be reached is told of by the world.
    for (const [id, { until }] of this.#trying) if (until <= now) this.#trying.delete(id);
    if (now < this.#nextAt || this.#trying.size >= PRINTS.triesAtOnce) return undefined;
    const unmet = this.#unmet();
    for (const by of this.#samples.keys()) if (!unmet.has(by)) this.#samples.delete(by);
    for (const [by, entries] of unmet) {
      const sample = this.#samples.get(by) ?? { tries: [], of: entries.length, begun: 0, at: now };
      // So many more than before: what was tried says little of them.
      if (entries.length > 2 * sample.of) {
        sample.tries.length = 0;
        sample.begun = 0;
        sample.of = entries.length;
        this.#changes += 1;
      }
      this.#samples.set(by, sample);
      if (sample.begun >= PRINTS.tries && now - sample.at < PRINTS.healMs) continue;
      const entry = pick(
        entries.filter(({ id }) => !this.#trying.has(id) && !this.away(id, now)),
        random,
      );
      if (entry === undefined) continue;
      this.#nextAt = now + (sample.begun < PRINTS.triesLeast ? 0 : PRINTS.tryMs);
      sample.begun += 1;
      sample.at = now;
      this.#trying.set(entry.id, { by, until: now + PRINTS.tryTimeoutMs });
      return entry;
    }
    return undefined;
  }

  #known(id: string): boolean {
    return id === this.#self || this.#met.has(id);
  }

  /** By who brought them. */
  #unmet(): Map<string, Entry[]> {
    const unmet = new Map<string, Entry[]>();
    for (const entry of this.#table.entries()) {
      if (entry.header.gone || this.#known(entry.id)) continue;
      const list = unmet.get(entry.from);
      if (list === undefined) unmet.set(entry.from, [entry]);
      else list.push(entry);
    }
    return unmet;
  }

  #believed(by: string, count: number): number {
    const tries = this.#samples.get(by)?.tries ?? [];
    if (tries.length < PRINTS.triesLeast) return Math.min(count, PRINTS.believedUntried);
    return (count * tries.filter(Boolean).length) / tries.length;
  }

  #answer(id: string, reached: boolean): void {
    const tried = this.#trying.get(id);
    this.#trying.delete(id);
    // Who comes by itself is no sample of those that were brought; who cannot be reached is, whatever it was asked.
    const by = tried?.by ?? (reached ? undefined : this.#table.get(id)?.from);
    const sample = by === undefined ? undefined : this.#samples.get(by);
    if (sample === undefined) return;
    sample.tries.push(reached);
    if (sample.tries.length > PRINTS.tries) sample.tries.shift();
    this.#changes += 1;
  }
}
