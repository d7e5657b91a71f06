/** The two languages kelana speaks; Indonesian is the seeds' own and the default of the log. */
export const LANGS = ['id', 'en'] as const;
export type Lang = (typeof LANGS)[number];

/** One sentence in both languages, kept side by side so that neither is forgotten. */
export type Text = Readonly<Record<Lang, string>>;

/** Picks `lang` from POSIX-like values (`id_ID.UTF-8`, `en_GB`, `C`); English where nothing says Indonesian. */
export function langFrom(...candidates: ReadonlyArray<string | undefined>): Lang {
  for (const candidate of candidates) {
    const two = candidate?.slice(0, 2).toLowerCase();
    if (two === 'id' || two === 'in') return 'id';
    if (two !== undefined && two !== '') return 'en';
  }
  return 'en';
}
