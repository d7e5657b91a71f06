import { cp, mkdir, stat } from 'node:fs/promises';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isLocalHost, labelOf } from '../../core/address.ts';
import { PORTS } from '../../core/config.ts';
import { KelanaError, reason } from '../../core/errors.ts';
import { COMMON, type Command } from '../command.ts';
import type { Context } from '../context.ts';
import { DATA_FOLDER } from '../data-folder.ts';
import { parseValue, refuseUnknownKeys } from '../options.ts';
import type { Settings } from '../settings.ts';

/** One process of `kelana up`. */
export interface Part {
  readonly kind: 'node' | 'server' | 'balancer';
  /** What people call it: `node localhost:5001`. */
  readonly name: string;
  /** Command line after `kelana`. */
  readonly args: readonly string[];
  /** Address for people. */
  readonly shows: string;
  /** The folder that a node shares, where there is one to show. */
  readonly share: string | null;
  readonly data: string | null;
  /** A server's place in the overlay, where it is fixed; else empty. */
  readonly overlay: string;
  /** Port at which other machines can reach this node; null where it listens on this machine only. */
  readonly joinPort: number | null;
}

type Values = Record<string, string | number | boolean | readonly string[]>;

const SAMPLES = fileURLToPath(new URL('../../../samples/', import.meta.url));

/**
 * The parts of kelana.toml, or, for kinds that it does not name, the defaults: two servers, a balancer before them,
 * and three nodes in a line with sample libraries.
 * @throws KelanaError BAD_CONFIG with the file's line
 */
export async function planParts(
  context: Context,
  settings: Settings,
  commands: Readonly<Record<Part['kind'], Command>>,
): Promise<readonly Part[]> {
  for (const key of Object.keys(settings.document)) {
    const known = [
      'node',
      'server',
      'balancer',
      'client',
      'clients',
      'log',
      'up',
      'find',
      'get',
      'lang',
      'log-db',
      'log-lang',
      'share',
      'unshare',
      'ls',
      'peers',
      'status',
      'limits',
      'send',
      'inbox',
      'simulate',
      'transfers',
    ];
    if (!known.includes(key)) settings.refuseKey(key, known, settings.lineOf(key, 0));
  }
  const read = (kind: Part['kind']): readonly Values[] => readTables(settings, commands[kind]);
  const nodes = withDefaults(read('node'), [1, 2, 3].map(defaultNode), (_, at) => ({
    port: PORTS.node + at,
    data: `${DATA_FOLDER}/node${at + 1}`,
  }));
  // Who keeps all nodes to this machine means the servers' part of the overlay too.
  const closed = nodes.every(
    (node) => node['host'] !== undefined && node['host'] !== '0.0.0.0' && isLocalHost(String(node['host'])),
  );
  const firstNode = `localhost:${Number(nodes[0]?.['port'] ?? PORTS.node)}`;
  const servers = withDefaults(
    read('server'),
    // Fixed ports in the overlay, as in the npm scripts, so that log and searches name the servers by known names.
    [0, 1].map((at) => ({
      peer: [firstNode],
      'p2p-port': PORTS.serverOverlay + at,
      ...(closed ? { 'p2p-host': '127.0.0.1' } : {}),
    })),
    (_, at) => ({ port: PORTS.server + at, data: DATA_FOLDER }),
  );
  const balancers = read('balancer');
  const backends = servers.map(
    (server) => `http://${labelOf(String(server['host'] ?? 'localhost'), Number(server['port']))}`,
  );
  const balancer = { listen: `localhost:${PORTS.balancer}`, backend: backends, ...balancers[0] };
  if (settings.document['node'] === undefined) await copySamples(context);
  return [
    ...nodes.map((values) => part(context, 'node', values)),
    ...servers.map((values) => part(context, 'server', values)),
    part(context, 'balancer', balancer, settings.path === null ? undefined : balancers[0], settings.path),
  ];
}

function defaultNode(number: number): Values {
  // Each is told of the one before it only; they find the others by themselves.
  const peer = number === 1 ? [] : [`localhost:${PORTS.node + number - 2}`];
  return { share: [`${DATA_FOLDER}/shared/node${number}`], peer };
}

function withDefaults(
  given: readonly Values[],
  preset: readonly Values[],
  fill: (values: Values, at: number) => Values,
): readonly Values[] {
  return (given.length > 0 ? given : preset).map((values, at) => ({ ...fill(values, at), ...values }));
}

function readTables(settings: Settings, command: Command): readonly Values[] {
  const options = [...command.options, ...COMMON];
  return settings.tables(command.section ?? '').map((table) => {
    refuseUnknownKeys(command, options, settings, table);
    const values: Values = {};
    for (const located of table.values()) {
      const option = options.find((candidate) => candidate.name === located.key);
      if (option !== undefined)
        values[option.name] = settings.locate(located, (raw) => parseValue(option, raw, option.name));
    }
    return values;
  });
}

/** `own`: what the part reads from the file by itself, and again when it is told to. */
function part(
  context: Context,
  kind: Part['kind'],
  values: Values,
  own: Values = {},
  file: string | null = null,
): Part {
  const args = [kind, '--json', '--lang', context.lang];
  if (file !== null) args.push(`--config=${file}`);
  for (const [name, value] of Object.entries(values)) {
    if (Object.hasOwn(own, name)) continue;
    // The file's `name` only picks an entry of nodes; all else is passed on as it stands.
    if (value === false) continue;
    for (const item of Array.isArray(value) ? (value as readonly string[]) : [value])
      args.push(item === true ? `--${name}` : `--${name}=${String(item)}`);
  }
  const host = String(values['host'] ?? 'localhost');
  const shows =
    kind === 'balancer' ? `http://${String(values['listen'])}` : labelOf(host, Number(values['port']));
  const name =
    kind === 'balancer'
      ? `balancer ${String(values['listen'])}`
      : `${kind} ${String(values['name'] ?? shows)}`;
  const share =
    kind === 'node' && Array.isArray(values['share'])
      ? ((values['share'] as readonly string[])[0] ?? null)
      : null;
  const data = typeof values['data'] === 'string' ? values['data'] : null;
  const open = kind === 'node' && !isLocalHost(String(values['host'] ?? 'any'));
  const joinPort = open || values['host'] === '0.0.0.0' ? Number(values['port']) : null;
  return {
    kind,
    name,
    args,
    shows: kind === 'server' ? `http://${shows}` : shows,
    share,
    data,
    overlay:
      kind === 'server' && typeof values['p2p-port'] === 'number' && values['p2p-port'] > 0
        ? `overlay localhost:${values['p2p-port']}`
        : '',
    joinPort: kind === 'node' ? joinPort : null,
  };
}

/** The sample libraries are copied once, so that a person can add and remove files there. */
async function copySamples(context: Context): Promise<void> {
  for (const number of [1, 2, 3]) {
    const target = resolve(context.cwd, DATA_FOLDER, 'shared', `node${number}`);
    if (await stat(target).catch(() => null)) continue;
    try {
      await mkdir(resolve(context.cwd, DATA_FOLDER), { recursive: true, mode: 0o700 });
      await mkdir(target, { recursive: true });
      await cp(join(SAMPLES, `node${number}`), target, { recursive: true });
    } catch (thrown) {
      throw new KelanaError('CANNOT_WRITE', { path: target, why: reason(thrown) }, thrown);
    }
  }
}

/** A path below the working directory, short, for tables. */
export function shortPath(context: Context, path: string): string {
  return isAbsolute(path) && path.startsWith(`${context.cwd}/`) ? path.slice(context.cwd.length + 1) : path;
}
