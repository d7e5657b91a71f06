/** Options of a bench, as a person gives them: told with --help, and in one line where they are wrong. */

/** As kelana's own commands end where they are used wrongly. */
const USAGE = 2;

/** What `parse` reads (`parseArgs` of node:util). Shows `text` and ends with 0 where it is asked for. */
export function readArguments<T>(text: string, parse: () => { readonly values: T }): T {
  if (process.argv.slice(2).some((word) => word === '--help' || word === '-h')) {
    process.stdout.write(`${text.trimEnd()}\n`);
    process.exit(0);
  }
  try {
    return parse().values;
  } catch (thrown) {
    return misused(`${thrown instanceof Error ? thrown.message : String(thrown)} (see --help)`);
  }
}

/** Says why in one line, and ends with 2. */
export function misused(why: string): never {
  process.stderr.write(`${why}\n`);
  process.exit(USAGE);
}

/** @param least by default 1 */
export function wholeNumber(name: string, text: string, least = 1): number {
  const value = Number(text);
  return text.trim() !== '' && Number.isSafeInteger(value) && value >= least
    ? value
    : misused(`--${name} ${text}: a whole number of ${least} or more is wanted`);
}

export const listOf = (text: string): readonly string[] => text.split(',').map((part) => part.trim());
