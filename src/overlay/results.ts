import type { Hit, Provider, Query, SearchEvent } from '../core/ports.ts';
import { score } from '../core/search/query.ts';

type HitEvent = Extract<SearchEvent, { type: 'hit' }>;

/**
 * What one search has found, as its reader gets it: hits of one CID are one file. Each is held back for a moment, so
 * that holders that answer together come as one hit; who answers later follows as `provider`.
 */
export class Results {
  readonly #query: Query;
  readonly #gatherMs: number;
  readonly #events: SearchEvent[] = [];
  /** Files that gather holders; and those that were told. */
  readonly #gathering = new Map<string, HitEvent & { providers: Provider[] }>();
  readonly #told = new Set<string>();
  #timer: NodeJS.Timeout | undefined;
  #wake: () => void = () => undefined;

  constructor(query: Query, gatherMs: number) {
    this.#query = query;
    this.#gatherMs = gatherMs;
  }

  step(step: { peer: string; label: string; hops: number }, elapsedMs: number): void {
    this.#push({ type: 'step', ...step, elapsedMs });
  }

  hit(hit: Hit, elapsedMs: number): void {
    const { name, size, cid, kind, files, hops, peer, label, addresses } = hit;
    const provider: Provider = { peer, label, addresses };
    const gathering = this.#gathering.get(cid);
    if (this.#told.has(cid)) this.#push({ type: 'provider', elapsedMs, cid, name, hops, provider });
    else if (gathering !== undefined) gathering.providers.push(provider);
    else {
      const folder = kind === 'folder' ? { kind, files: files ?? 0 } : {};
      const event = { name, size, cid, ...folder, hops, score: score(this.#query, hit), elapsedMs };
      this.#gathering.set(cid, { type: 'hit', ...event, providers: [provider] });
      this.#timer ??= setTimeout(() => this.#tell(), this.#gatherMs);
    }
  }

  end(verdict: Extract<SearchEvent, { type: 'verdict' }>): void {
    this.#tell();
    this.#push(verdict);
  }

  /** Everything up to the verdict; the best of what was gathered together comes first. */
  async *read(): AsyncGenerator<SearchEvent> {
    for (;;) {
      const event = this.#events.shift();
      if (event !== undefined) {
        yield event;
        if (event.type === 'verdict') return;
      } else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  close(): void {
    clearTimeout(this.#timer);
  }

  #tell(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const files = [...this.#gathering.values()].sort((a, b) => b.score - a.score);
    this.#gathering.clear();
    for (const file of files) {
      this.#told.add(file.cid);
      this.#push(file);
    }
  }

  #push(event: SearchEvent): void {
    this.#events.push(event);
    this.#wake();
  }
}
