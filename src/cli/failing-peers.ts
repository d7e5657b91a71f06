import type { ErrorCode, KelanaError } from '../core/errors.ts';
import type { Lang, Text } from '../core/lang.ts';
import { showable } from '../core/render/escape.ts';
import { table } from './format.ts';

/** What an address is, short; its error's `why` follows. */
const SHORT: Partial<Readonly<Record<ErrorCode, Text>>> = {
  PEER_UNREACHABLE: { id: 'tidak tersambung', en: 'not linked' },
  NOT_KELANA: { id: 'bukan node kelana', en: 'not a kelana node' },
};

/** A line for each address that fails, then each next step once. Empty where none fails. */
export function failingLines(
  peers: readonly { readonly address: string; readonly error: KelanaError | null }[],
  lang: Lang,
): readonly string[] {
  const failing = peers.flatMap(({ address, error }) => (error === null ? [] : [{ address, error }]));
  if (failing.length === 0) return [];
  const rows = failing.map(({ address, error }) => [showable(address), showable(shortReason(error, lang))]);
  const steps = new Set(failing.map(({ error }) => showable(error.describe(lang).fix)));
  return [...table(rows).split('\n'), ...Array.from(steps, (step) => `  → ${step}`)];
}

function shortReason(error: KelanaError, lang: Lang): string {
  const short = SHORT[error.code];
  const why = error.params['why'];
  if (short === undefined || why === undefined) return error.describe(lang).says;
  return `${short[lang]}: ${typeof why === 'object' ? why[lang] : why}`;
}
