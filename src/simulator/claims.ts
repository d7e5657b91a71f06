import type { Text } from '../core/lang.ts';
import type { Row } from './row.ts';

/** Fields of a row that a claim may be about. */
export type Figure =
  | 'messagesMean'
  | 'messagesPerNode'
  | 'missMessagesMean'
  | 'missRoundsMean'
  | 'missBytesMean'
  | 'hopsMean'
  | 'delayHopsMean'
  | 'peak'
  | 'recall'
  | 'falseAbsent'
  | 'foundShare';

/** What a figure should be: at most, at least, or within a share of another's result. */
export interface Claim {
  readonly figure: Figure;
  readonly kind: 'most' | 'least' | 'within';
  readonly value: number;
  /** Of `within`: 0.05 is 5 %; 0 only shows the ratio. */
  readonly share?: number;
}

export interface Judgement extends Claim {
  readonly result: number | null;
  /** Result over value. */
  readonly ratio: number | null;
  /** Null where the claim is only shown. */
  readonly ok: boolean | null;
}

export const FIGURE_TEXT: Readonly<Record<Figure, Text>> = {
  messagesMean: { id: 'pesan per query', en: 'messages a query' },
  messagesPerNode: { id: 'pesan per node', en: 'messages a node' },
  missMessagesMean: { id: 'pesan per query yang tidak menemukan', en: 'messages a miss' },
  missRoundsMean: { id: 'putaran per query yang tidak menemukan', en: 'rounds a miss' },
  missBytesMean: { id: 'byte per query yang tidak menemukan', en: 'bytes a miss' },
  hopsMean: { id: 'lompatan', en: 'hops' },
  delayHopsMean: { id: 'lompatan dengan cincin sebelumnya', en: 'hops with earlier rings' },
  peak: { id: 'pesan di node tersibuk', en: 'messages at the busiest node' },
  recall: { id: 'ditemukan dari yang masih ada', en: 'found of what is still there' },
  falseAbsent: { id: '"tidak ada" yang salah', en: 'false "absent"' },
  foundShare: { id: 'bagian yang ditemukan', en: 'share found' },
};

export function judgeRow(row: Row, claims: readonly Claim[]): Judgement[] {
  return claims.map((claim) => judgeValue(claim, valueOf(row, claim.figure)));
}

function judgeValue(claim: Claim, result: number | null): Judgement {
  const ratio = result === null || claim.value === 0 ? null : Number((result / claim.value).toFixed(4));
  return { ...claim, result, ratio, ok: result === null ? null : holds(claim, result) };
}

function holds({ kind, value, share = 0 }: Claim, result: number): boolean | null {
  if (kind === 'most') return result <= value;
  if (kind === 'least') return result >= value;
  return share === 0 ? null : Math.abs(result - value) <= share * value;
}

function valueOf(row: Row, figure: Figure): number | null {
  if (figure === 'foundShare') return row.queries === 0 ? null : row.found / row.queries;
  return row[figure];
}
