import type { Into } from '../../core/transfer/ports.ts';

/** A question to a provider, until it is answered or given up. */
export interface Request {
  readonly number: number;
  readonly cid: string;
  readonly wants: 'manifest' | 'root' | 'have' | 'block' | 'whole' | 'peers';
  /** Memory of the block; empty for the others. */
  into: Into;
  filled: number;
  /** Its memory is given to the reader: bytes may come into it at any time. */
  active: boolean;
  /** Of a manifest, and how many there may be. */
  readonly nodes: Uint8Array[];
  readonly mostNodes: number;
  /** Takes each as it comes, instead; what it throws ends the request. */
  readonly take: ((node: Uint8Array) => void) | null;
  /** Told when its first byte comes. */
  readonly coming: (() => void) | undefined;
  /** Of no use any more; the answer, if one comes, is thrown away. */
  cancelled: boolean;
  resolve(answer: unknown): void;
  reject(error: unknown): void;
}
