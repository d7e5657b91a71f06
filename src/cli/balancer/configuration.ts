import { parseBackend, parseBackendUrl, type ListenAddress } from '../../balancer/address.ts';
import { readAuthorities } from '../../balancer/dial.ts';
import { schemeOf } from '../../balancer/edge-options.ts';
import type { Configuration } from '../../balancer/manager.ts';
import { reaches } from '../../balancer/own.ts';
import type { Desired, Edit, GivenBackend } from '../../core/balance/changes.ts';
import { methodText, parseMethod } from '../../core/balance/choice.ts';
import { createMethod } from '../../core/balance/methods.ts';
import { parseSource, type Source } from '../../core/balance/source.ts';
import { checkWeight, WEIGHTS } from '../../core/balance/spec.ts';
import { BALANCER_CHANGE, BALANCER_DISCOVERY, PORTS } from '../../core/config.ts';
import { KelanaError } from '../../core/errors.ts';
import type { Text } from '../../core/lang.ts';
import type { Values } from '../values.ts';
import { edgesFrom, listenFrom } from './edges.ts';

/** The two servers of the seed. */
export const BACKENDS = [`http://localhost:${PORTS.server}`, `http://localhost:${PORTS.server + 1}`];
export const LISTEN = `localhost:${PORTS.balancer}`;

/** What the settled options say; `running`: addresses that are listened on already. @throws KelanaError BAD_VALUE */
export function configurationOf(
  values: Values,
  cores: number,
  running: readonly ListenAddress[] = [],
): Configuration {
  const listen = listenOf(values);
  const { mode = 'http' } = edgesFrom(values, listen);
  const method = methodText(parseMethod(values.text('method') ?? 'round-robin'));
  checkMethod(method, mode);
  const { backends, sources } = inFile(values, () => {
    const named = values.origin('backend') !== undefined;
    const found = backendsFrom(named ? values.texts('backend') : BACKENDS, method);
    for (const backend of found.backends) {
      checkScheme(backend, mode);
      for (const address of [...listen, ...running]) refuseOwn(backend, address);
    }
    return found;
  });
  return {
    given: { method, backends },
    sources,
    settings: [...values.entries()].map(([name, { value, origin }]) => [name, value, origin] as const),
    workers: workersOf(values.text('workers') ?? '1', cores),
  };
}

/** Puts the file and its line into an error about a backend that stands there. */
function inFile<T>(values: Values, work: () => T): T {
  try {
    return work();
  } catch (thrown) {
    const place = values.place('backend');
    if (place === undefined || !(thrown instanceof KelanaError) || thrown.code !== 'BAD_VALUE') throw thrown;
    const { value, key } = thrown.params;
    // Of two that are the same, the later one is too many.
    const at = values.texts('backend').lastIndexOf(typeof value === 'string' ? value : '');
    const says = (lang: 'id' | 'en'): string => thrown.describe(lang).says.replace(/\.$/, '');
    const where = place(at, typeof key === 'string' ? key : undefined);
    throw new KelanaError('BAD_CONFIG', { ...where, why: { id: says('id'), en: says('en') } }, thrown);
  }
}

/** Addresses to listen on, the first one first. @throws KelanaError BAD_VALUE */
export function listenOf(values: Values): readonly [ListenAddress, ...ListenAddress[]] {
  return listenFrom(values.texts('listen'), LISTEN);
}

/** `URL[,weight=N]…`, as it is kept and shown. @throws KelanaError BAD_VALUE, CANNOT_READ of its `ca` */
export function givenBackend(spec: string): GivenBackend {
  const { url, weight, ca } = parseBackend(spec);
  // Told before anything is changed: its file is read when it is put to use.
  if (ca !== undefined) readAuthorities(ca);
  return { name: parseBackendUrl(url).label, spec, weight };
}

/** Of `add`: a name is followed from the settings only. @throws KelanaError BAD_VALUE, CANNOT_READ */
export function addedBackend(spec: string): GivenBackend {
  if (!/^\s*(dns|srv|p2p):/i.test(spec)) return givenBackend(spec);
  throw new KelanaError('BAD_VALUE', {
    value: spec,
    name: 'add',
    why: {
      id: "sebuah nama tempatnya di pengaturan: '--backend' atau kelana.toml, lalu 'reload'",
      en: "a name belongs in the settings: '--backend' or kelana.toml, then 'reload'",
    },
    example: 'kelana balancer add http://10.0.0.7:8080',
  });
}

/** As after `--backend`, from a `[[balancer.backend]]` table. @throws KelanaError BAD_VALUE, its `key` the bad one */
export function backendFromTable(table: Readonly<Record<string, unknown>>): string {
  const bad = (key: string, value: unknown, why: Text): KelanaError =>
    new KelanaError('BAD_VALUE', {
      value: typeof value === 'string' ? value : JSON.stringify(value ?? ''),
      name: `balancer.backend.${key}`,
      why,
      example: 'url = "http://localhost:8080"',
      key,
    });
  const { url } = table;
  if (typeof url !== 'string') throw bad('url', url, { id: 'url harus ada', en: 'there must be a url' });
  let spec = url;
  for (const [key, value] of Object.entries(table)) {
    if (key === 'url') continue;
    if (key === 'proxy' || key === 'ca' || key === 'verify') {
      if (typeof value !== 'string' || value.includes(','))
        throw bad(key, value, { id: 'harus teks tanpa koma', en: 'it must be text without a comma' });
      spec += `,${key}=${value}`;
      continue;
    }
    if (key !== 'weight' && key !== 'max')
      throw bad(key, value, {
        id: 'hanya url, weight, max, proxy, ca dan verify yang dikenal',
        en: 'only url, weight, max, proxy, ca and verify are known',
      });
    const [least, most] = key === 'weight' ? [WEIGHTS.least, WEIGHTS.most] : [1, 999_999];
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      throw bad(key, value, {
        id: `harus bilangan bulat dari ${least} sampai ${most}`,
        en: `it must be a whole number from ${least} to ${most}`,
      });
    spec += `,${key}=${value}`;
  }
  return spec;
}

/** A part that the environment's commas cut off is looked at with what it belongs to. @throws KelanaError BAD_VALUE */
export function checkBackend(text: string): void {
  if (PART.test(text)) return;
  const source = parseSource(text);
  if (source === null) parseBackend(text);
  else checkOptions(source);
}

const PART = /^(weight|max|proxy|ca|verify)=/;

/** Gives the weight that is said of all of them. @throws KelanaError BAD_VALUE */
function checkOptions({ text, options }: Source): number {
  try {
    return parseBackend(`http://0.0.0.0${options}`).weight;
  } catch (thrown) {
    throw thrown instanceof KelanaError
      ? new KelanaError(thrown.code, { ...thrown.params, value: text })
      : thrown;
  }
}

/** Those that are given as they are, and the names that stand for others. @throws KelanaError BAD_VALUE */
export function backendsFrom(
  texts: readonly string[],
  method: string,
): { readonly backends: readonly GivenBackend[]; readonly sources: readonly Source[] } {
  // A list from the environment is cut at its commas, so weight=N and the like may stand alone: they belong to what precedes them.
  const joined: string[] = [];
  if (texts.length === 0) throw badBackend('', { id: 'sedikitnya satu server', en: 'at least one server' });
  for (const text of texts) {
    const last = joined.pop();
    if (last !== undefined && PART.test(text)) joined.push(`${last},${text}`);
    else joined.push(...(last === undefined ? [] : [last]), text);
  }
  const sources = joined.flatMap((text) => parseSource(text) ?? []);
  const backends = joined.filter((text) => parseSource(text) === null).map(givenBackend);
  const { usesWeights } = createMethod(parseMethod(method));
  if (sources.length > BALANCER_DISCOVERY.maxSources)
    throw badBackend(sources.at(-1)?.text ?? '', {
      id: `paling banyak ${BALANCER_DISCOVERY.maxSources} nama`,
      en: `at most ${BALANCER_DISCOVERY.maxSources} names are taken`,
    });
  for (const [index, source] of sources.entries()) {
    const { kind, name, port, text } = source;
    const twice =
      sources.findIndex((one) => one.kind === kind && one.name === name && one.port === port) !== index;
    if (twice) throw badBackend(text, { id: 'nama ini sudah disebut', en: 'this name was given before' });
    if (checkOptions(source) !== 1 && !usesWeights) throw badBackend(text, weightless(method), 'weight');
  }
  for (const [index, { name, spec, weight }] of backends.entries()) {
    const twice = backends.findIndex((other) => other.name === name) !== index;
    if (!twice && (weight === 1 || usesWeights)) continue;
    throw badBackend(
      spec,
      twice ? { id: 'server ini sudah disebut', en: 'this server was given before' } : weightless(method),
      twice ? 'url' : 'weight',
    );
  }
  return { backends, sources };
}

/** @throws KelanaError BAD_VALUE for a method that looks at requests, where there are none */
function checkMethod(method: string, mode: Mode): void {
  const { keySource } = createMethod(parseMethod(method));
  if (mode === 'http' || keySource === null || keySource.from === 'source') return;
  throw new KelanaError('BAD_VALUE', {
    value: method,
    name: '--method',
    why: {
      id: 'pada --mode tcp tidak ada permintaan yang bisa dilihat; dari client hanya alamatnya yang dikenal',
      en: 'with --mode tcp there are no requests to look at; of a client only its address is known',
    },
    example: '--method hash:source',
  });
}

/** @throws KelanaError BAD_VALUE */
function checkScheme({ spec }: GivenBackend, mode: Mode): void {
  if (mode === 'tcp' || !parseBackend(spec).url.startsWith('tcp:')) return;
  throw badBackend(spec, { id: 'tcp:// hanya untuk --mode tcp', en: 'tcp:// is for --mode tcp only' });
}

type Mode = 'http' | 'tcp';
type Running = Pick<Configuration, 'settings'>;

function modeOf({ settings }: Running): Mode {
  return settings.some(([name, value]) => name === 'mode' && value === 'tcp') ? 'tcp' : 'http';
}

/**
 * Where clients reach a balancer with these options. `own` is what its first address says that it speaks, and only a
 * restart changes that.
 */
export function urlOf(running: Running, who: string, own?: ListenAddress['scheme']): string {
  const certificates = running.settings.find(([name]) => name === 'tls-cert')?.[1];
  return `${schemeOf(modeOf(running), Array.isArray(certificates) && certificates.length > 0, own)}://${who}`;
}

/** Whether processes with these options can do what is desired. @throws KelanaError BAD_VALUE */
export function checkDesired({ method, backends }: Desired, running: Running): void {
  const mode = modeOf(running);
  checkMethod(method, mode);
  for (const backend of backends) checkScheme(backend, mode);
}

/**
 * Whether a change makes sense where everything else stays as it is.
 * @throws KelanaError BAD_VALUE
 */
export function checkEdit(asked: Edit, { method, backends }: Desired): void {
  if (asked.type === 'method') {
    if (createMethod(parseMethod(asked.method)).usesWeights) return;
    // As at the start: a weight that somebody gave is not left without effect. Those of SRV records are nobody's word.
    const weighed = backends.find(
      ({ weight, from, reweighted }) =>
        weight !== 1 && (from === undefined || reweighted || /,\s*weight=/.test(from)),
    );
    if (weighed === undefined) return;
    const { name, weight } = weighed;
    throw new KelanaError('BAD_VALUE', {
      value: asked.method,
      name: 'method',
      why: {
        id: `metode itu tidak memakai bobot, sedangkan ${name} punya bobot ${weight}`,
        en: `that method does not use weights, and ${name} has the weight ${weight}`,
      },
      example: `kelana balancer weight ${name} 1`,
    });
  }
  const weight =
    asked.type === 'weight' ? asked.weight : asked.type === 'add' ? asked.backend.weight : undefined;
  if (weight === undefined) return;
  checkWeight(weight, 'kelana balancer weight localhost:8080 3');
  if (weight === 1 || createMethod(parseMethod(method)).usesWeights) return;
  throw new KelanaError('BAD_VALUE', {
    value: String(weight),
    name: 'weight',
    why: weightless(method),
    example: 'kelana balancer method weighted',
  });
}

function weightless(method: string): Text {
  return { id: `metode ${method} tidak memakai bobot`, en: `the method ${method} does not use weights` };
}

/** @throws KelanaError BAD_VALUE for the balancer itself, which would ask itself without end */
export function refuseOwn({ spec }: GivenBackend, listen: ListenAddress): void {
  const { host, port } = parseBackendUrl(parseBackend(spec).url);
  if (!reaches(host, port, listen)) return;
  throw badBackend(spec, { id: 'itu alamat balancer ini sendiri', en: 'it is this balancer itself' });
}

/** @throws KelanaError BAD_VALUE */
export function workersOf(text: string, cores: number): number {
  if (text === 'auto') return Math.min(cores, BALANCER_CHANGE.maxWorkers);
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= BALANCER_CHANGE.maxWorkers) return count;
  throw new KelanaError('BAD_VALUE', {
    value: text,
    name: '--workers',
    why: {
      id: `harus auto, atau bilangan bulat dari 1 sampai ${BALANCER_CHANGE.maxWorkers}`,
      en: `it must be auto, or a whole number from 1 to ${BALANCER_CHANGE.maxWorkers}`,
    },
    example: '--workers auto',
  });
}

/** `key`: of a table of the file, the one that is wrong. */
function badBackend(value: string, why: Text, key = 'url'): KelanaError {
  return new KelanaError('BAD_VALUE', {
    value,
    name: '--backend',
    why,
    key,
    example: `--backend ${BACKENDS[0] ?? ''}`,
  });
}
