import { asKelanaError, EXIT, KelanaError } from '../core/errors.ts';
import type { Context } from './context.ts';

/** Says what went wrong and what to do next, and gives the exit code of that error. */
export function report(context: Context, thrown: unknown): number {
  if (context.signal.aborted && !(thrown instanceof KelanaError)) return EXIT.interrupted;
  const error = asKelanaError(thrown);
  const { says, fix } = error.describe(context.lang);
  if (context.args.includes('--json')) {
    context.err(JSON.stringify({ error: error.code, message: says, fix, retryable: error.row.retryable }));
  } else {
    context.err(`kelana: ${says}\n  → ${fix}`);
  }
  if ((context.env['KELANA_DEBUG'] ?? '') !== '' && error.stack !== undefined) {
    context.err(
      error.stack +
        (error.cause === undefined
          ? ''
          : `\n${error.cause instanceof Error ? error.cause.stack : JSON.stringify(error.cause)}`),
    );
  }
  return error.row.exit;
}
