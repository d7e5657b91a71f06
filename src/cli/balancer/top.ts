import { setTimeout as sleep } from 'node:timers/promises';
import { statsJsonOf, type BalancerView } from '../../balancer/view.ts';
import { EXIT } from '../../core/errors.ts';
import { topLines, type TopSample } from '../../core/render/top.ts';
import type { Context } from '../context.ts';

/** Samples that are kept: a sparkline has at most 60. */
const KEPT = 64;
/** Columns where nobody said how wide it is: all of them, for a snapshot that goes to a file. */
const WIDE = 200;

const ENTER = '\x1b[?1049h\x1b[?25l';
const LEAVE = '\x1b[?25h\x1b[?1049l';

export interface TopOptions {
  /** ms between looks. */
  readonly intervalMs: number;
  readonly once: boolean;
  readonly json: boolean;
  readonly look: () => Promise<BalancerView>;
}

/**
 * The figures of a balancer as they change: drawn in place on a terminal, as one snapshot elsewhere, or as a line of
 * JSON each time. Ends with Ctrl+C, or with the balancer.
 */
export async function top(context: Context, options: TopOptions): Promise<number> {
  if (options.json) return await stream(context, options);
  return options.once || !context.terminal ? await snapshot(context, options) : await live(context, options);
}

async function stream(context: Context, { intervalMs, once, look }: TopOptions): Promise<number> {
  while (!context.signal.aborted) {
    const at = Date.now();
    context.out(JSON.stringify({ at, ...statsJsonOf(await look()) }));
    if (once) break;
    await pause(context, intervalMs);
  }
  return EXIT.done;
}

/** Two looks, since a rate needs them. */
async function snapshot(context: Context, options: TopOptions): Promise<number> {
  const samples = [await sample(options)];
  await pause(context, options.intervalMs);
  if (context.signal.aborted) return EXIT.interrupted;
  samples.push(await sample(options));
  const columns = context.terminal ? context.columns : WIDE;
  // Without the empty line and the hint at the end.
  context.out(topLines(samples, columns, context.lang).slice(0, -2).join('\n'));
  return EXIT.done;
}

async function live(context: Context, options: TopOptions): Promise<number> {
  const { screen } = context;
  const samples = [await sample(options)];
  const draw = (): void => {
    const { columns, rows } = screen?.size() ?? { columns: context.columns, rows: 24 };
    // The last column stays free: a terminal that stands there may erase it.
    const lines = topLines(samples, columns - 1, context.lang).slice(0, rows);
    context.write(`\x1b[H${lines.map((line) => `${line}\x1b[K`).join('\r\n')}\x1b[J`);
  };
  context.write(ENTER);
  const stop = screen?.onResize(draw);
  try {
    while (!context.signal.aborted) {
      draw();
      await pause(context, options.intervalMs);
      if (context.signal.aborted) break;
      samples.push(await sample(options));
      if (samples.length > KEPT) samples.shift();
    }
  } finally {
    stop?.();
    context.write(LEAVE);
  }
  return EXIT.done;
}

async function sample({ look }: TopOptions): Promise<TopSample> {
  const view = await look();
  return { at: performance.now(), view };
}

async function pause({ signal }: Context, ms: number): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
