import type { Text } from '../../core/lang.ts';
import type { Row } from '../row.ts';

/** Headings of the table, and words of the report. */
export const WORDS = {
  graph: { id: 'graf', en: 'graph' },
  nodes: { id: 'node', en: 'nodes' },
  strategy: { id: 'strategi', en: 'strategy' },
  copies: { id: 'salinan', en: 'copies' },
  churn: { id: 'pergi', en: 'churn' },
  queries: { id: 'query', en: 'queries' },
  found: { id: 'ketemu', en: 'found' },
  absent: { id: 'tidak ada', en: 'absent' },
  incomplete: { id: 'tak pasti', en: 'incompl.' },
  falseAbsent: { id: 'salah', en: 'false' },
  messages: { id: 'pesan', en: 'messages' },
  p95: { id: 'p95', en: 'p95' },
  hops: { id: 'lompatan', en: 'hops' },
  rounds: { id: 'putaran', en: 'rounds' },
  peak: { id: 'puncak', en: 'peak' },
  bytes: { id: 'kB', en: 'kB' },
  recall: { id: 'recall', en: 'recall' },
  seconds: { id: 'detik', en: 'seconds' },
} as const satisfies Record<string, Text>;

/** Which of the settings tell two cells of one strategy apart. */
export function strategyText(row: Pick<Row, 'strategy' | 'variant'>): string {
  return row.variant === '' ? row.strategy : `${row.strategy} ${row.variant}`;
}
