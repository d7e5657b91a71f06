import type { Text } from '../lang.ts';
import type { RefusalCode } from '../wire/blocks.ts';

/** Why a provider gives nothing, as the end of a sentence that names it. */
export const REFUSAL_TEXT: Readonly<Record<RefusalCode, Text>> = {
  'not-here': { id: 'berkasnya tidak ada di sana', en: 'the file is not there' },
  changed: { id: 'berkasnya berubah', en: 'its file changed' },
  busy: { id: 'sedang melayani terlalu banyak unduhan', en: 'it serves too many downloads just now' },
  failed: { id: 'berkasnya tidak terbaca di sana', en: 'the file cannot be read there' },
  absent: { id: 'blok itu belum ada di sana', en: 'this block is not there yet' },
};
