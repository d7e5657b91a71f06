import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Balancer } from '../../balancer/balancer.ts';
import { hostPort, type ListenAddress } from '../../balancer/address.ts';
import { Discovery } from '../../balancer/discovery.ts';
import { Fleet, reasonText } from '../../balancer/fleet.ts';
import { Manager, type Configuration } from '../../balancer/manager.ts';
import { reaches } from '../../balancer/own.ts';
import { Resolving } from '../../balancer/resolving.ts';
import type { StatsServer } from '../../balancer/stats-server.ts';
import { LocalWorker } from '../../balancer/worker.ts';
import { serveSocket } from '../../control/serve-socket.ts';
import { isAlive } from '../../control/socket.ts';
import { desired, NO_CHANGES, type Changes, type Desired } from '../../core/balance/changes.ts';
import { asKelanaError, KelanaError, reason } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import type { Context } from '../context.ts';
import type { Values } from '../values.ts';
import type { Command } from '../command.ts';
import {
  addedBackend,
  checkDesired,
  checkEdit,
  configurationOf,
  givenBackend,
  listenOf,
  refuseOwn,
  urlOf,
} from './configuration.ts';
import { OverlayServers } from './overlay-servers.ts';
import { adminSocket, folderOf, refuseOpenFolder } from './place.ts';
import { Rereading } from './rereading.ts';
import { parseStats } from './seeing.ts';
import { startServing } from './serving.ts';

const WORKER = fileURLToPath(new URL('worker.ts', import.meta.url));
/** File of the changes that were made while it ran. */
const CHANGES = 'changes.json';
/** Options that name what is bound or opened by this process: sockets, changes, the log that all processes write to. */
const FIXED: ReadonlySet<string> = new Set([
  'listen',
  'redirect-http',
  'data',
  'stats',
  'dns',
  'peer',
  'group-key',
  'log',
  'log-db',
  'log-lang',
]);

export interface BalancerApp {
  readonly balancer: Balancer;
  readonly manager: Manager;
  /** Null where nobody asked for it. */
  readonly stats: StatsServer | null;
  close(): Promise<void>;
}

/**
 * A balancer that can be changed while it runs: it serves in this process, answers commands on a socket in its data
 * folder, and starts further processes where there are to be several, or new ones.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS, BAD_VALUE, BAD_CHANGES, BAD_CONFIG, CANNOT_WRITE, DATA_IN_USE, START_FAILED
 */
export async function openBalancer(
  context: Context,
  command: Command,
  values: Values,
  emit: Emit,
): Promise<BalancerApp> {
  const configuration = configurationOf(values, availableParallelism());
  const listen = listenOf(values);
  const rereading = new Rereading(context, command, values);
  const [first] = listen;
  const { host, port } = first;
  // What lies in it is believed, so it is looked at before it is read.
  if (port !== 0) await refuseOpenFolder(folderOf(context, values, port), context.uid);
  // With a port of the system's choosing there is nothing to come back to.
  const kept = port === 0 ? NO_CHANGES : await keptChanges(folderOf(context, values, port));
  const self: { who: string; listen: readonly ListenAddress[] } = { who: hostPort(host, port), listen };
  const resolving = new Resolving(values.texts('dns'));
  const overlay = new OverlayServers(context, values);
  const discovery = new Discovery({
    resolve: (source) => (source.kind === 'p2p' ? overlay.resolve(source.name) : resolving.resolve(source)),
    who: () => self.who,
    emit,
    isOwn: (address, at) => self.listen.some((own) => reaches(address, at, own)),
  });
  await discovery.follow(configuration.sources ?? []);
  let late = false;
  discovery.onChange = () => {
    late = true;
  };
  const wanted = desired(discovery.expand(configuration, kept.added), kept);
  if (port !== 0) refuseMisfit(wanted, configuration, join(folderOf(context, values, port), CHANGES));
  const balancer = await startServing(context, values, wanted, emit).catch(async (thrown: unknown) => {
    discovery.close();
    await overlay.close();
    throw thrown;
  });
  let stats: StatsServer | null = null;
  try {
    const folder = folderOf(context, values, balancer.port);
    await makeFolder(folder);
    await refuseOpenFolder(folder, context.uid);
    const socket = await adminSocket(folder);
    if (await isAlive(socket)) throw new KelanaError('DATA_IN_USE', { path: folder, pid: '?' });
    const who = balancer.url.replace(/^[a-z]+:\/\//, '');
    self.who = who;
    self.listen = listen.map((own, at) => ({ ...own, port: balancer.ports[at] ?? own.port }));
    const fleet = new Fleet({
      local: new LocalWorker(balancer, context.pid),
      launcher: {
        execPath: context.execPath,
        args: ['--disable-warning=ExperimentalWarning', WORKER],
        // Its standard input is empty: it must not take that for the end of `kelana up`.
        env: { ...context.env, KELANA_SUPERVISED: undefined },
        cwd: context.cwd,
        lang: context.lang,
      },
      who: () => who,
      emit,
      clock: () => performance.now(),
    });
    const manager = new Manager({
      fleet,
      discovery,
      url: (running) => urlOf(running, who, first.scheme),
      pid: context.pid,
      who,
      emit,
      configuration,
      changes: kept,
      read: () => rereading.read(self.listen),
      parseBackend: (spec) => {
        const backend = addedBackend(spec);
        for (const own of self.listen) refuseOwn(backend, own);
        return backend;
      },
      check: checkEdit,
      fits: checkDesired,
      save: async (changes) => {
        const { writeChanges } = await import('../../balancer/state-file.ts');
        await writeChanges(join(folder, CHANGES), changes);
      },
      fixed: FIXED,
    });
    discovery.onChange = (name, count) => manager.found(name, count);
    stats = await openStats(values, manager);
    await manager.start();
    // What was found while it started.
    if (late) manager.refresh();
    const stopAdmin = await serveSocket(socket, () =>
      import('../../balancer/admin.ts').then(({ adminRoutes }) => adminRoutes(manager)),
    );
    context.on?.('SIGHUP', () => void manager.unattended('reload'));
    context.on?.('SIGUSR2', () => void manager.unattended('upgrade'));
    const opened = stats;
    return {
      balancer,
      manager,
      stats: opened,
      close: async () => {
        discovery.close();
        resolving.close();
        await overlay.close();
        await opened?.close();
        await stopAdmin();
        await fleet.close();
      },
    };
  } catch (thrown) {
    discovery.close();
    await overlay.close();
    await stats?.close();
    await balancer.close();
    throw thrown;
  }
}

/** The settings have been looked at: what does not go with them was kept. @throws KelanaError BAD_CHANGES */
function refuseMisfit(wanted: Desired, configuration: Configuration, file: string): void {
  try {
    checkDesired(wanted, configuration);
  } catch (thrown) {
    throw new KelanaError('BAD_CHANGES', { file, why: reasonText(asKelanaError(thrown)) }, thrown);
  }
}

/** @throws KelanaError PORT_IN_USE, BAD_ADDRESS */
async function openStats(values: Values, manager: Manager): Promise<StatsServer | null> {
  const address = values.text('stats');
  if (address === undefined) return null;
  const { serveStats } = await import('../../balancer/stats-server.ts');
  return await serveStats(parseStats(address), () => manager.view());
}

async function keptChanges(folder: string): Promise<Changes> {
  const file = join(folder, CHANGES);
  if (!existsSync(file)) return NO_CHANGES;
  const { readChanges } = await import('../../balancer/state-file.ts');
  return await readChanges(file, givenBackend);
}

async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
  } catch (thrown) {
    throw new KelanaError('CANNOT_WRITE', { path: folder, why: reason(thrown) }, thrown);
  }
}
