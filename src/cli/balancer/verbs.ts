import { parseBackendUrl } from '../../balancer/address.ts';
import type { Reloaded, Upgraded } from '../../balancer/manager.ts';
import type { BalancerView } from '../../balancer/view.ts';
import { ask } from '../../control/call.ts';
import { BALANCER_CHANGE } from '../../core/config.ts';
import { EXIT, KelanaError } from '../../core/errors.ts';
import type { Context } from '../context.ts';
import type { Values } from '../values.ts';
import { runningBalancer, type Place } from './place.ts';
import { show } from './show.ts';

/** Words after `kelana balancer`, and how many arguments each takes. */
const VERBS = {
  ls: 0,
  add: 1,
  remove: 1,
  drain: 1,
  undrain: 1,
  weight: 2,
  method: 1,
  reload: 0,
  reset: 0,
  upgrade: 0,
  top: 0,
} as const;
type Verb = keyof typeof VERBS;

export const VERB_ARGS =
  '[ls|add URL|drain NAME|undrain NAME|remove NAME|weight NAME N|method M|reload|reset|upgrade|top]';

/** ms for what may start processes or wait for one that does. */
const LONG_MS = 2 * BALANCER_CHANGE.startMs;

/** Carries out `kelana balancer VERB …` on the balancer that runs. */
export async function runVerb(context: Context, values: Values): Promise<number> {
  const [word = '', first, second] = values.positionals;
  const verb = Object.hasOwn(VERBS, word) ? (word as Verb) : undefined;
  if (verb === undefined) throw usage();
  if (values.positionals.length !== VERBS[verb] + 1) throw usageOf(verb);
  if (values.flag('forget') && verb !== 'reload') throw usage();
  if (values.flag('once') && verb !== 'top') throw usage();
  const weight = verb === 'weight' ? wholeNumber(second ?? '') : 0;
  const place = await runningBalancer(context, values);
  const call = caller(place);
  if (verb === 'top') {
    const { top } = await import('./top.ts');
    return await top(context, {
      intervalMs: (values.number('interval') ?? 1) * 1000,
      once: values.flag('once'),
      json: values.flag('json'),
      look: async () => (await call('GET', '/balancer')) as BalancerView,
    });
  }
  if (verb === 'reload') {
    const reloaded = (await call('POST', '/reload', { forget: values.flag('forget') })) as Reloaded;
    if (values.flag('json')) context.out(JSON.stringify(reloaded));
    else {
      show(context, reloaded.view);
      showWaiting(context, reloaded);
    }
    return EXIT.done;
  }
  const view = (await ASK[verb](call, first ?? '', weight)) as BalancerView & Partial<Upgraded>;
  if (values.flag('json')) context.out(JSON.stringify(view));
  else {
    show(context, view);
    showWaiting(context, view);
  }
  return EXIT.done;
}

type Caller = (method: string, path: string, body?: object) => Promise<unknown>;

function caller({ socket, folder }: Place): Caller {
  const gone = (why: string, thrown: unknown): KelanaError =>
    new KelanaError('NO_BALANCER', { path: folder, why }, thrown);
  return (method, path, body) => ask({ socket, method, path, body }, gone, LONG_MS);
}

const ASK: Readonly<
  Record<Exclude<Verb, 'reload' | 'top'>, (call: Caller, first: string, weight: number) => Promise<unknown>>
> = {
  ls: (call) => call('GET', '/balancer'),
  add: (call, backend) => call('POST', '/backends', { backend }),
  remove: (call, text) => call('DELETE', `/backends?name=${encodeURIComponent(nameOf(text))}`),
  drain: (call, text) => call('PUT', '/backends/drain', { name: nameOf(text), on: true }),
  undrain: (call, text) => call('PUT', '/backends/drain', { name: nameOf(text), on: false }),
  weight: (call, text, weight) => call('PUT', '/backends/weight', { name: nameOf(text), weight }),
  method: (call, method) => call('PUT', '/method', { method }),
  reset: (call) => call('POST', '/reset', {}),
  upgrade: (call) => call('POST', '/upgrade', {}),
};

/** A backend is named `host:port`; its URL will do, with the port that its scheme means. @throws KelanaError BAD_VALUE */
function nameOf(text: string): string {
  return text.includes('://') ? parseBackendUrl(text.replace(/,.*$/, '')).label : text;
}

/** The balancer that answers may be of an older version, which does not say all of it. */
function showWaiting(
  context: Context,
  { needUpgrade = [], needRestart = [] }: Partial<Pick<Reloaded, 'needUpgrade' | 'needRestart'>>,
): void {
  const names = (list: readonly string[]): string => list.join(', ');
  if (needUpgrade.length > 0)
    context.say({
      id: `Baru berlaku setelah kelana balancer upgrade: ${names(needUpgrade)}.`,
      en: `Only after kelana balancer upgrade: ${names(needUpgrade)}.`,
    });
  if (needRestart.length > 0)
    context.say({
      id: `Baru berlaku setelah balancer dijalankan ulang: ${names(needRestart)}.`,
      en: `Only after a restart of the balancer: ${names(needRestart)}.`,
    });
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new KelanaError('BAD_VALUE', {
    value: text,
    name: 'N',
    why: { id: 'harus bilangan bulat', en: 'it must be a whole number' },
    example: 'kelana balancer weight localhost:8080 3',
  });
}

/** What a verb takes, as VERB_ARGS says it. */
function usageOf(verb: Verb): KelanaError {
  const one = VERB_ARGS.slice(1, -1)
    .split('|')
    .find((text) => text.split(' ')[0] === verb);
  return new KelanaError('USAGE', {
    detail: {
      id: `Bentuknya: kelana balancer ${one ?? verb}.`,
      en: `It is: kelana balancer ${one ?? verb}.`,
    },
    command: 'balancer',
  });
}

function usage(): KelanaError {
  return new KelanaError('USAGE', {
    detail: {
      id: `Setelah 'balancer' boleh ada: ${VERB_ARGS.slice(1, -1).replaceAll('|', ', ')}.`,
      en: `After 'balancer' may stand: ${VERB_ARGS.slice(1, -1).replaceAll('|', ', ')}.`,
    },
    command: 'balancer',
  });
}
