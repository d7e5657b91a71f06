import { SEARCH } from '../core/config.ts';
import { Recent } from './recent.ts';

interface Lost {
  readonly peer: string;
  readonly label: string;
  readonly at: number;
}

/**
 * Neighbours that this node had, whoever dialled whom: one that has none left is cut off. Those that said goodbye
 * are not among them.
 */
export class Former {
  readonly #lost = new Recent<string, Lost>(SEARCH.maxFormer);
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  lost({ peer, label }: { readonly peer: string; readonly label: string }): void {
    this.#lost.set(peer, { peer, label, at: this.#now() });
  }

  /** Of those that were lost in the last `SEARCH.formerMs`, but for those that this node wants no more. */
  labels(unwanted: (peer: string) => boolean): string[] {
    const since = this.#now() - SEARCH.formerMs;
    const lost = [...this.#lost.values()].filter(({ at, peer }) => at > since && !unwanted(peer));
    return lost.map(({ label }) => label);
  }
}
