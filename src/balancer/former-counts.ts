import { BALANCER } from '../core/config.ts';
import type { Backend, Counts } from './backend.ts';

/** What backends have counted that were taken off, so that no count goes back where one returns. */
export class FormerCounts {
  readonly #of = new Map<string, Counts>();

  keep({ label, tally, requests, failures }: Backend): void {
    this.#of.set(label, { tally, requests, failures });
    if (this.#of.size <= BALANCER.maxBackends) return;
    // The oldest makes way.
    for (const oldest of this.#of.keys()) {
      this.#of.delete(oldest);
      break;
    }
  }

  take(label: string): Counts | undefined {
    const counts = this.#of.get(label);
    this.#of.delete(label);
    return counts;
  }
}
