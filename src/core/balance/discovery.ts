/**
 * Which backends a name stands for, as its answers change. A backend is there from the first answer that names it, and
 * goes when answers leave it out so many times in a row: resolvers that give a part at a time, or one that is behind,
 * must not take servers away. An answer without any address, and none at all, changes nothing: a resolver that is down
 * says nothing about the servers.
 */
export interface Discovered {
  /** Backends as `host:port` in the order of their names, with the answers in a row that left each out. */
  readonly backends: readonly { readonly name: string; readonly missed: number }[];
}

export interface DiscoveryOptions {
  /** Answers in a row without a backend before it goes. */
  readonly leaveAfter: number;
  /** Backends of one name; of more, the first by name are taken, so that every balancer takes the same. */
  readonly most: number;
}

export const NOTHING_DISCOVERED: Discovered = { backends: [] };

/** `names` is the whole answer. Gives the very same state where nothing changed. */
export function discovered(
  state: Discovered,
  names: readonly string[],
  { leaveAfter, most }: DiscoveryOptions,
): Discovered {
  if (names.length === 0) return state;
  const answer = new Set([...new Set(names)].toSorted().slice(0, most));
  const stay = state.backends
    .map(({ name, missed }) => ({ name, missed: answer.has(name) ? 0 : missed + 1 }))
    .filter(({ missed }) => missed < leaveAfter);
  const there = new Set(stay.map(({ name }) => name));
  const come = [...answer].filter((name) => !there.has(name)).map((name) => ({ name, missed: 0 }));
  // Those of the answer first: what is about to go must not keep out what has come.
  const all = [...stay, ...come].toSorted((a, b) => a.missed - b.missed || (a.name < b.name ? -1 : 1));
  const backends = all.slice(0, most).toSorted((a, b) => (a.name < b.name ? -1 : 1));
  const same =
    backends.length === state.backends.length &&
    backends.every(({ name, missed }, at) => {
      const old = state.backends[at];
      return old?.name === name && old.missed === missed;
    });
  return same ? state : { backends };
}

export function namesOf({ backends }: Discovered): readonly string[] {
  return backends.map(({ name }) => name);
}
