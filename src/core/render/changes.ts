import type { BalancerChange } from '../events.ts';

type Says = (subject: string, value: number | null) => string;

/** What was done to a balancer that runs, in words; `subject` is escaped already. */
export const CHANGED: Readonly<Record<BalancerChange, { readonly id: Says; readonly en: Says }>> = {
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
  upgrade: { id: () => 'berpindah ke proses baru', en: () => 'has moved to new processes' },
};
