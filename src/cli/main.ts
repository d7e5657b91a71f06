#!/usr/bin/env node
import { EXIT, KelanaError } from '../core/errors.ts';
import type { Command } from './command.ts';
import { beginLean, inLang, keepCompiledCode, processContext, type Context } from './context.ts';
import { report } from './report.ts';

/** Verb → module. Loaded on use: `kelana log` must not pay for libp2p. */
const COMMANDS: Readonly<Record<string, () => Promise<{ command: Command }>>> = {
  up: () => import('./commands/up.ts'),
  node: () => import('./commands/node.ts'),
  find: () => import('./commands/find.ts'),
  get: () => import('./commands/get.ts'),
  transfers: () => import('./commands/transfers.ts'),
  share: () => import('./commands/share.ts'),
  unshare: () => import('./commands/unshare.ts'),
  ls: () => import('./commands/ls.ts'),
  peers: () => import('./commands/peers.ts'),
  status: () => import('./commands/status.ts'),
  limits: () => import('./commands/limits.ts'),
  send: () => import('./commands/send.ts'),
  inbox: () => import('./commands/inbox.ts'),
  server: () => import('./commands/server.ts'),
  balancer: () => import('./commands/balancer.ts'),
  client: () => import('./commands/client.ts'),
  clients: () => import('./commands/clients.ts'),
  log: () => import('./commands/log.ts'),
  simulate: () => import('./commands/simulate.ts'),
};

/** Runs one command line and resolves to its exit code; the process-wide entry below and the tests both use it. */
export async function main(context: Context): Promise<number> {
  const [verb, ...rest] = context.args;
  try {
    if (verb === undefined || verb === '--help' || verb === '-h' || verb === 'help') {
      const { overview } = await import('./help.ts');
      const all = await Promise.all(Object.values(COMMANDS).map((load) => load()));
      context.out(
        overview(
          all.map((module) => module.command),
          context.lang,
        ),
      );
      return verb === undefined ? EXIT.usage : EXIT.done;
    }
    if (verb === '--version' || verb === '-V') {
      const { version } = await import('./version.ts');
      context.out(`kelana ${version()}`);
      return EXIT.done;
    }
    const load = Object.hasOwn(COMMANDS, verb) ? COMMANDS[verb] : undefined;
    if (load === undefined) {
      const { nearest } = await import('./nearest.ts');
      const near = nearest(verb, Object.keys(COMMANDS));
      throw new KelanaError('UNKNOWN_COMMAND', {
        name: verb,
        hint: near === undefined ? '' : `kelana ${near}? `,
      });
    }
    const { command } = await load();
    const [{ settle }, { Settings }] = await Promise.all([import('./options.ts'), import('./settings.ts')]);
    const asked = rest.findIndex((arg) => arg === '--config' || arg.startsWith('--config='));
    const file =
      asked < 0 ? undefined : (rest[asked] ?? '').includes('=') ? rest[asked]?.slice(9) : rest[asked + 1];
    const help = rest.includes('--help') || rest.includes('-h');
    const values = settle(
      command,
      rest,
      context.env,
      help ? new Settings(null, '') : Settings.load(context.cwd, file ?? context.env['KELANA_CONFIG']),
    );
    if (values.flag('help')) {
      const { commandHelp } = await import('./help.ts');
      context.out(commandHelp(command, context.lang));
      return EXIT.done;
    }
    return await command.run(inLang(context, values.text('lang')), values);
  } catch (thrown) {
    return report(context, thrown);
  }
}

if (import.meta.main) {
  beginLean(process.argv[2]);
  keepCompiledCode();
  const context = processContext();
  if (Number(process.versions.node.split('.')[0]) < 24) {
    process.exit(report(context, new KelanaError('TOO_OLD_NODE', { version: process.versions.node })));
  }
  const code = await main(context);
  await context.flush();
  process.exit(code);
}
