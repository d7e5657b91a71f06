import type { SettledOptions } from '../../balancer/protocol.ts';
import { serveAsWorker } from '../../balancer/serve-worker.ts';
import { EXIT } from '../../core/errors.ts';
import type { Emit } from '../../core/events.ts';
import { COMMON } from '../command.ts';
import { command } from '../commands/balancer.ts';
import { inLang, keepCompiledCode, parentChannel, processContext, type Context } from '../context.ts';
import { openLog, type Log } from '../logging.ts';
import { report } from '../report.ts';
import { Values, type Origin, type Value } from '../values.ts';
import { startServing } from './serving.ts';

/**
 * One process of a balancer, started by the one that holds its sockets (balancer/fleet.ts) and told everything by it: it
 * reads no settings by itself, so that a broken file cannot keep a process from being started again.
 */
async function run(context: Context): Promise<number> {
  const channel = parentChannel();
  if (channel === null) return EXIT.usage;
  let log: Log | null = null;
  await serveAsWorker(channel, context.pid, async ({ lang, settings, desired, workers }, sockets) => {
    const values = new Values([], settled(settings));
    log = await openLog(inLang(context, lang), values);
    const { emit } = log;
    // The holder of the sockets has said it already.
    const quiet: Emit = (event) => {
      if (event.type !== 'balancer.ready') emit(event);
    };
    return await startServing(context, values, desired, quiet, workers, sockets);
  });
  await (log as Log | null)?.close();
  return EXIT.done;
}

/** As they were settled; an option that is newer than the process that did so has its default. */
function settled(settings: SettledOptions): ReadonlyMap<string, { value: Value; origin: Origin }> {
  const found = new Map<string, { value: Value; origin: Origin }>();
  for (const { name, default: preset } of [...command.options, ...COMMON])
    if (preset !== undefined) found.set(name, { value: preset, origin: 'default' });
  for (const [name, value, origin] of settings) found.set(name, { value, origin });
  return found;
}

if (import.meta.main) {
  keepCompiledCode();
  const context = processContext();
  const code = await run(context).catch((thrown: unknown) => report(context, thrown));
  await context.flush();
  process.exit(code);
}
