import { networkInterfaces } from 'node:os';
import { EXIT, KelanaError } from '../../core/errors.ts';
import { showable } from '../../core/render/escape.ts';
import { LOGGING, type Command } from '../command.ts';
import type { Context } from '../context.ts';
import { durationText, table } from '../format.ts';
import type { Values } from '../values.ts';
import { Settings } from '../settings.ts';
import { untilStopped } from '../stopping.ts';
import { planParts, shortPath, type Part } from '../up/plan.ts';
import { Supervisor, type Notice } from '../up/supervisor.ts';

export const command: Command = {
  name: 'up',
  summary: {
    id: 'jalankan semuanya: tiga node, dua server, satu balancer',
    en: 'run all of it: three nodes, two servers, one balancer',
  },
  section: 'up',
  options: [
    {
      name: 'tour',
      type: 'flag',
      help: {
        id: 'setelah siap, lakukan pekerjaan utama sekali dan tampilkan hasilnya',
        en: 'once ready, do the main job once and show the results',
      },
    },
    {
      name: 'exit',
      type: 'flag',
      help: {
        id: 'berhenti setelah tur (juga bila keluaran bukan terminal)',
        en: 'end after the tour (also when the output is no terminal)',
      },
    },
    ...LOGGING,
  ],
  examples: [
    {
      line: 'kelana up',
      what: {
        id: 'dari kelana.toml, atau bawaan bila tidak ada',
        en: 'from kelana.toml, or the defaults where there is none',
      },
    },
    {
      line: 'kelana up --tour --exit',
      what: { id: 'coba semuanya lalu berhenti dengan 0 atau 1', en: 'try everything, then end with 0 or 1' },
    },
  ],
  run,
};

async function run(context: Context, values: Values): Promise<number> {
  const begun = performance.now();
  const [{ openLog }, node, server, balancer] = await Promise.all([
    import('../logging.ts'),
    import('./node.ts'),
    import('./server.ts'),
    import('./balancer.ts'),
  ]);
  const settings = Settings.load(context.cwd, values.text('config') ?? context.env['KELANA_CONFIG']);
  const planned = await planParts(context, settings, {
    node: node.command,
    server: server.command,
    balancer: balancer.command,
  });
  const parts = planned.map((part) => ({ ...part, args: [...part.args, ...sharedArgs(values, settings)] }));
  const log = await openLog(context, values);
  const supervisor = new Supervisor({
    context,
    emit: log.emit,
    onNotice: (part, notice) => tell(context, part, notice),
  });
  const stop = (): void => {
    context.say({ id: '\nBerhenti …', en: '\nStopping …' });
    void supervisor.stop();
  };
  context.signal.addEventListener('abort', stop, { once: true });
  try {
    context.say({ id: 'Memulai …', en: 'Starting …' });
    await supervisor.start(parts);
    if (context.signal.aborted) return EXIT.interrupted;
    showParts(context, values, supervisor, parts, performance.now() - begun);
    let good = true;
    if (values.flag('tour') && !context.signal.aborted) {
      const { runTour } = await import('../up/tour.ts');
      good = await runTour(context, parts);
      if (context.signal.aborted) return EXIT.interrupted;
    }
    const ends = values.flag('exit') || (values.flag('tour') && !context.terminal);
    if (!ends && !context.signal.aborted) {
      context.say({
        id: '\nBerjalan. Ctrl+C menghentikan semuanya.',
        en: '\nRunning. Ctrl+C stops everything.',
      });
      await untilStopped(context);
    }
    return good ? EXIT.done : EXIT.failed;
  } catch (thrown) {
    // A part that was told to stop while it was starting has not failed.
    if (context.signal.aborted && thrown instanceof KelanaError && thrown.code === 'PART_FAILED')
      return EXIT.interrupted;
    throw thrown;
  } finally {
    context.signal.removeEventListener('abort', stop);
    await supervisor.stop();
    await log.close();
  }
}

/** The parts write to the same log as `up` itself, and read the same settings file. */
function sharedArgs(values: Values, settings: Settings): readonly string[] {
  const config = settings.path === null ? [] : [`--config=${settings.path}`];
  const log = ['log', 'log-db', 'log-lang'].flatMap((name) => {
    const value = values.text(name);
    return value === undefined || values.origin(name) === 'default' ? [] : [`--${name}=${value}`];
  });
  return [...config, ...log];
}

function showParts(
  context: Context,
  values: Values,
  supervisor: Supervisor,
  parts: readonly Part[],
  ms: number,
): void {
  const id = context.lang === 'id';
  const rows = parts.map((part) => {
    const shares =
      part.share === null ? part.overlay : `${id ? 'berbagi' : 'shares'} ${shortPath(context, part.share)}`;
    return [part.kind, part.shows, `pid ${String(supervisor.pidOf(part) ?? '-')}`, shares];
  });
  context.say({ id: `Siap dalam ${durationText(ms, 'id')}:\n`, en: `Ready in ${durationText(ms, 'en')}:\n` });
  context.out(showableLines(table(rows)));
  const join = joinAddress(parts);
  if (join !== null)
    context.out(
      `\n${id ? 'Gabung dari mesin lain' : 'Join from another machine'}:  kelana node --peer ${join}`,
    );
  context.out(
    `${id ? 'Log gabungan' : 'Combined log'}:  ${showable(values.text('log') ?? 'combined_log.txt')}  (kelana log --follow)`,
  );
}

/** Escapes each line by itself, so that the table keeps its lines. */
function showableLines(text: string): string {
  return text.split('\n').map(showable).join('\n');
}

/** An address of this machine that others on its network can dial; null where it has none. */
function joinAddress(parts: readonly Part[]): string | null {
  const port = parts.find((part) => part.joinPort !== null)?.joinPort;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  const outside = addresses.find((address) => !address.internal && address.family === 'IPv4');
  return port === undefined || port === null || outside === undefined ? null : `${outside.address}:${port}`;
}

function tell(context: Context, part: Part, notice: Notice): void {
  const id = context.lang === 'id';
  if (notice.type === 'says') context.err(`${part.name}: ${showable(notice.text)}`);
  else if (notice.type === 'back')
    context.out(
      id ? `${part.name} kembali (pid ${notice.pid}).` : `${part.name} is back (pid ${notice.pid}).`,
    );
  else {
    const wait = durationText(notice.restartSeconds * 1000, context.lang);
    context.out(
      id
        ? `${part.name} mati (${notice.reason}); dimulai lagi dalam ${wait}.`
        : `${part.name} died (${notice.reason}); starting it again in ${wait}.`,
    );
  }
}
