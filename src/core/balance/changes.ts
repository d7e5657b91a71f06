import { KelanaError } from '../errors.ts';
import { differ } from './spec.ts';

/** One backend as flags, environment or file say it. `name` is unique: `host:port`. */
export interface GivenBackend {
  readonly name: string;
  /** As after `--backend`: `URL[,weight=N]…`. */
  readonly spec: string;
  readonly weight: number;
  /** The name it was found by, as after `--backend`; left out where it was not discovered. */
  readonly from?: string;
}

/** What flags, environment and file say of a balancer; `method` as after `--method`. */
export interface Given {
  readonly method: string;
  readonly backends: readonly GivenBackend[];
  /** Some are found by name: one that is not there now may come back, and what was changed about it holds until then. */
  readonly open?: boolean;
}

/** A value that was changed while the balancer ran, and the given one it took the place of. */
interface Changed<T> {
  readonly to: T;
  readonly over: T;
}

/**
 * What was changed while the balancer ran. It holds over reloads and restarts until it is forgotten, or until what is
 * given says something new about the same thing: the latest word counts.
 */
export interface Changes {
  readonly version: 1;
  readonly method: Changed<string> | null;
  readonly added: readonly GivenBackend[];
  readonly removed: readonly string[];
  readonly weights: readonly ({ readonly name: string } & Changed<number>)[];
  readonly drained: readonly string[];
}

export const NO_CHANGES: Changes = {
  version: 1,
  method: null,
  added: [],
  removed: [],
  weights: [],
  drained: [],
};

export interface DesiredBackend extends GivenBackend {
  readonly drained: boolean;
  /** Added while it ran, or given. */
  readonly origin: 'given' | 'runtime';
  /** The weight was changed while it ran. */
  readonly reweighted: boolean;
}

/** What a balancer should do now. */
export interface Desired {
  readonly method: string;
  readonly backends: readonly DesiredBackend[];
}

export type Edit =
  | { readonly type: 'add'; readonly backend: GivenBackend }
  | { readonly type: 'remove'; readonly name: string }
  | { readonly type: 'drain'; readonly name: string; readonly on: boolean }
  | { readonly type: 'weight'; readonly name: string; readonly weight: number }
  | { readonly type: 'method'; readonly method: string };

/** The changes that still mean something beside what is given now. */
export function stillMeant(given: Given, changes: Changes): Changes {
  const named = new Map(given.backends.map((backend) => [backend.name, backend]));
  const method = changes.method?.over === given.method ? changes.method : null;
  const { open = false } = given;
  const removed = changes.removed.filter((name) => open || named.has(name));
  // What the file has taken up is the file's from now on.
  const added = changes.added.filter(({ name }) => !named.has(name));
  const there = new Map([...given.backends, ...added].map((backend) => [backend.name, backend]));
  const absent = (name: string): boolean => open && !there.has(name) && !removed.includes(name);
  for (const name of removed) there.delete(name);
  return {
    version: 1,
    method: method?.to === given.method ? null : method,
    added,
    removed,
    weights: changes.weights.filter(
      ({ name, to, over }) => absent(name) || (there.get(name)?.weight === over && to !== over),
    ),
    drained: changes.drained.filter((name) => absent(name) || there.has(name)),
  };
}

/**
 * What holds: the given backends in their order, then those added. A reload could leave none that takes requests: then
 * the given ones are all there, and none is drained.
 */
export function desired(given: Given, changes: Changes): Desired {
  const meant = stillMeant(given, changes);
  const left = given.backends.filter(({ name }) => !meant.removed.includes(name));
  const there = left.length + meant.added.length === 0 ? given.backends : left;
  const idle = [...there, ...meant.added].every(({ name }) => meant.drained.includes(name));
  const of = (backend: GivenBackend, origin: 'given' | 'runtime'): DesiredBackend => {
    const { name } = backend;
    const weight = meant.weights.find((one) => one.name === name);
    return {
      ...backend,
      weight: weight?.to ?? backend.weight,
      drained: !idle && meant.drained.includes(name),
      origin,
      reweighted: weight !== undefined,
    };
  };
  return {
    method: meant.method?.to ?? given.method,
    backends: [
      ...there.map((backend) => of(backend, 'given')),
      ...meant.added.map((backend) => of(backend, 'runtime')),
    ],
  };
}

/** @throws KelanaError NO_SUCH_BACKEND, LAST_BACKEND, BACKEND_EXISTS, BAD_VALUE */
export function edit(given: Given, changes: Changes, asked: Edit): Changes {
  const meant = stillMeant(given, changes);
  const now = desired(given, meant).backends;
  if (asked.type === 'method')
    return stillMeant(given, { ...meant, method: { to: asked.method, over: given.method } });
  if (asked.type === 'add') return stillMeant(given, add(given, meant, now, asked.backend));
  const { name } = known(now, asked.name);
  if (asked.type === 'weight') {
    const over = [...given.backends, ...meant.added].find((one) => one.name === name)?.weight ?? 1;
    const others = meant.weights.filter((weight) => weight.name !== name);
    return stillMeant(given, { ...meant, weights: [...others, { name, to: asked.weight, over }] });
  }
  const drained = meant.drained.filter((one) => one !== name);
  if (asked.type === 'drain' && !asked.on) return { ...meant, drained };
  if (now.every((one) => one.name === name || one.drained)) throw new KelanaError('LAST_BACKEND', { name });
  if (asked.type === 'drain') return { ...meant, drained: [...drained, name] };
  const isGiven = given.backends.some((backend) => backend.name === name);
  return stillMeant(given, {
    ...meant,
    removed: isGiven ? [...meant.removed, name] : meant.removed,
    added: meant.added.filter((backend) => backend.name !== name),
  });
}

/** Adding again what was removed brings the given one back, with the weight that is asked now. */
function add(given: Given, meant: Changes, now: readonly DesiredBackend[], backend: GivenBackend): Changes {
  const { name } = backend;
  if (now.some((one) => one.name === name)) throw new KelanaError('BACKEND_EXISTS', { name });
  const old = given.backends.find((one) => one.name === name);
  const weights = meant.weights.filter((weight) => weight.name !== name);
  const drained = meant.drained.filter((one) => one !== name);
  if (old === undefined) return { ...meant, weights, drained, added: [...meant.added, backend] };
  if (differ(old.spec, backend.spec))
    throw new KelanaError('BAD_VALUE', {
      value: backend.spec,
      name: 'add',
      why: {
        id: `pengaturan menyebutnya ${old.spec}; hanya bobotnya boleh lain, selebihnya diubah di sana`,
        en: `the settings give it as ${old.spec}; only its weight may be another, all else is changed there`,
      },
      example: `kelana balancer add ${old.spec}`,
    });
  return {
    ...meant,
    drained,
    removed: meant.removed.filter((one) => one !== name),
    weights: [...weights, { name, to: backend.weight, over: old.weight }],
  };
}

function known(now: readonly DesiredBackend[], name: string): DesiredBackend {
  const found = now.find((backend) => backend.name === name);
  if (found !== undefined) return found;
  throw new KelanaError('NO_SUCH_BACKEND', { name, known: now.map((backend) => backend.name).join(', ') });
}
