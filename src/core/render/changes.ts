import type { BalancerChange } from '../events.ts';
import type { Lang } from '../lang.ts';
import { token } from './escape.ts';

type Says = (subject: string, value: number | null) => string;

/** `subject` is escaped already. */
const CHANGED: Readonly<Record<BalancerChange, { readonly id: Says; readonly en: Says }>> = {
  add: { id: (s) => `mendapat server ${s}`, en: (s) => `was given server ${s}` },
  remove: { id: (s) => `melepas server ${s}`, en: (s) => `was rid of server ${s}` },
  drain: { id: (s) => `mengosongkan server ${s}`, en: (s) => `drains server ${s}` },
  undrain: { id: (s) => `memakai lagi server ${s}`, en: (s) => `uses server ${s} again` },
  weight: {
    id: (s, n) => `memberi server ${s} bobot ${n ?? 1}`,
    en: (s, n) => `gives server ${s} the weight ${n ?? 1}`,
  },
  method: { id: (s) => `memilih server dengan metode ${s}`, en: (s) => `chooses servers by the method ${s}` },
  reload: { id: () => 'membaca lagi pengaturannya', en: () => 'has read its settings again' },
  reset: { id: () => 'kembali ke pengaturannya', en: () => 'is back to its settings' },
  discover: {
    id: (s, n) => `menemukan ${n ?? 0} server untuk ${s}`,
    en: (s, n) => `finds ${n ?? 0} servers for ${s}`,
  },
  upgrade: { id: () => 'berpindah ke proses baru', en: () => 'has moved to new processes' },
};

/** What was done to a balancer that runs, in words. A newer version may have done what this one has no word for. */
export function changed(what: string, subject: string, value: number | null, lang: Lang): string {
  if (Object.hasOwn(CHANGED, what)) return CHANGED[what as BalancerChange][lang](token(subject), value);
  return lang === 'id'
    ? `diubah: ${token(what)} ${token(subject)}`
    : `was changed: ${token(what)} ${token(subject)}`;
}
