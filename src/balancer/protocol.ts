import { z } from 'zod';
import type { Desired } from '../core/balance/changes.ts';
import type { Spent } from '../core/balance/rate.ts';
import { BALANCER, EDGE } from '../core/config.ts';
import type { ErrorParams } from '../core/errors.ts';
import type { Lang } from '../core/lang.ts';
import type { Bound } from './handles.ts';
import type { WorkerStats } from './worker.ts';

/**
 * What the process that holds the sockets and those that serve say to each other, as JSON over Node's own channel. The
 * two may be of different versions of kelana: that is what an upgrade is.
 */
export const PROTOCOL = 1;

const settings = z.array(
  z.tuple([
    z.string().max(64),
    z.union([z.string(), z.number(), z.boolean(), z.array(z.string())]),
    z.enum(['flag', 'environment', 'file', 'default']),
  ]),
);
/** The settled options of the command: name, value, and where it came from. */
export type SettledOptions = readonly (readonly [
  string,
  string | number | boolean | readonly string[],
  'flag' | 'environment' | 'file' | 'default',
])[];

const name = z.string().min(1).max(300);
const spec = z.string().min(1).max(2_000);
const weight = z.int().min(0).max(1_000_000);
const desiredShape = z.object({
  method: z.string().min(1).max(300),
  backends: z
    .array(
      z.object({
        name,
        spec,
        weight,
        drained: z.boolean(),
        origin: z.enum(['given', 'runtime']),
        reweighted: z.boolean(),
      }),
    )
    .max(BALANCER.maxBackends),
});

/** What sources took of a rate limit in one process. */
const spent = z.array(z.tuple([z.string().max(64), z.int().min(1).max(1_000_000)])).max(EDGE.maxToldSources);

const toWorker = z.discriminatedUnion('type', [
  /** Comes with a socket. */
  z.object({
    type: z.literal('socket'),
    at: z.int().min(0),
    host: z.string().max(300),
    port: z.int().min(1).max(65_535),
    redirect: z.boolean().optional(),
  }),
  z.object({
    type: z.literal('start'),
    protocol: z.int(),
    lang: z.enum(['id', 'en']),
    settings,
    desired: desiredShape,
    workers: z.int().min(1),
    /** Give the sockets back, for later processes: who asks is about to close its own. */
    echo: z.boolean(),
  }),
  z.object({ type: z.literal('apply'), id: z.int(), desired: desiredShape }),
  z.object({ type: z.literal('certificates'), id: z.int() }),
  z.object({ type: z.literal('stats'), id: z.int() }),
  z.object({ type: z.literal('drain'), id: z.int() }),
  z.object({ type: z.literal('close'), id: z.int() }),
  z.object({ type: z.literal('spent'), spent }),
]);
/** What a process starts with. */
export interface StartOf {
  readonly settings: SettledOptions;
  readonly desired: Desired;
  /** Processes that share the work. */
  readonly workers: number;
}

export type Start = StartOf & {
  readonly type: 'start';
  readonly protocol: number;
  readonly lang: Lang;
  readonly echo: boolean;
};

export type Call =
  | { readonly type: 'apply'; readonly id: number; readonly desired: Desired }
  | { readonly type: 'certificates' | 'stats' | 'drain' | 'close'; readonly id: number };

/** What is said of a socket that comes along. */
export type SocketOf = Omit<Bound, 'handle'>;

export function socketOf({ at, host, port, redirect }: SocketOf): SocketOf {
  return { at, host, port, redirect };
}

export type ToWorker =
  ({ readonly type: 'socket' } & SocketOf) | Start | { readonly type: 'spent'; readonly spent: Spent } | Call;

/** Null for what a newer version may say and this one does not know. */
export function parseToWorker(message: unknown): ToWorker | null {
  return (toWorker.safeParse(message).data as ToWorker | undefined) ?? null;
}

export type FromWorker =
  /** Comes with a socket. */
  | ({ readonly type: 'echo' } & SocketOf)
  | { readonly type: 'ready' }
  | { readonly type: 'spent'; readonly spent: Spent }
  /** Its counts as it ends. */
  | { readonly type: 'last'; readonly stats?: WorkerStats }
  | { readonly type: 'failed'; readonly error: string; readonly params: ErrorParams }
  | { readonly type: 'answer'; readonly id: number; readonly stats?: WorkerStats }
  | { readonly type: 'refused'; readonly id: number; readonly error: string; readonly params: ErrorParams };

const failure = { error: z.string(), params: z.record(z.string(), z.any()) };
const fromWorker = z.discriminatedUnion('type', [
  z.object({
    type: z.literal('echo'),
    at: z.int().min(0),
    host: z.string(),
    port: z.int(),
    redirect: z.boolean().optional(),
  }),
  z.object({ type: z.literal('ready') }),
  z.object({ type: z.literal('spent'), spent }),
  z.object({ type: z.literal('last'), stats: z.any().optional() }),
  z.object({ type: z.literal('failed'), ...failure }),
  z.object({ type: z.literal('answer'), id: z.int(), stats: z.any().optional() }),
  z.object({ type: z.literal('refused'), id: z.int(), ...failure }),
]);

export function parseFromWorker(message: unknown): FromWorker | null {
  return fromWorker.safeParse(message).data ?? null;
}
