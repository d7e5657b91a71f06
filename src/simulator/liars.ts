import type { SearchInput, SearchOutput } from '../core/search/search.ts';
import { mix } from './hash.ts';

/**
 * Nodes that lie: they claim that every group that a token still has to ask has answered and let it go no further,
 * deny what they hold, and swallow walkers. What the others make of it is what is measured.
 */
export class Liars {
  readonly #threshold: number;
  readonly #seed: number;

  constructor(share: number, seed: number) {
    this.#threshold = share * 0x100000000;
    this.#seed = seed;
  }

  /** Whether a node lies; its own searches are honest. */
  has(node: number): boolean {
    return this.#threshold > 0 && mix(this.#seed, node, 0x11a5) < this.#threshold;
  }

  /** What a liar does instead of a step, or null where it is honest. */
  answer(node: number, input: SearchInput): readonly SearchOutput[] | null {
    if (input.type !== 'frame' || !this.has(node)) return null;
    const { frame, from } = input;
    if (frame.type === 'token') {
      const { id, bits, missing, half, asked, hops, number } = frame;
      const none = new Uint8Array(missing.length);
      const claim = { bits, missing: none, covered: missing, failed: none, half, asked, hops, number };
      const report = { type: 'report', id, ...claim, candidates: [], hits: [] } as const;
      return [{ type: 'send', to: frame.origin.peer, frame: report }];
    }
    if (frame.type === 'confirm') {
      const { id, hops } = frame;
      return [{ type: 'send', to: from, frame: { type: 'found', id, hops, walker: 0, hits: [] } }];
    }
    return frame.type === 'walker' || frame.type === 'visit' ? [] : null;
  }
}
