import { SWARM, TOGETHER } from '../core/config.ts';
import type { Holding, Provider } from '../core/ports.ts';
import type { BlockSession } from '../core/transfer/ports.ts';
import { bitBytes } from '../core/bit-array.ts';

export interface RoundsOptions {
  readonly file: Holding;
  /** False: nobody is asked who else fetches it. */
  readonly together: boolean;
  readonly told: (providers: readonly Provider[]) => void;
  readonly have: (peer: string, have: Uint8Array | null) => void;
  readonly failed: (peer: string, thrown: unknown) => void;
  /** Takes care of work that goes on. */
  readonly own: (work: Promise<void>) => void;
}

interface Asked {
  readonly session: BlockSession;
  /** It has only a part, which grows. */
  partial: boolean;
  haveAt: number;
  othersAt: number;
}

/** What is asked of open providers again and again: what they have by now, and who else fetches this. */
export class Rounds {
  readonly #options: RoundsOptions;
  readonly #asked = new Map<string, Asked>();

  constructor(options: RoundsOptions) {
    this.#options = options;
  }

  /** A provider is open, and has said what it has. */
  joined(session: BlockSession, have: Uint8Array | null, now: number): void {
    const asked = { session, partial: have !== null, haveAt: now, othersAt: now };
    this.#asked.set(session.peer, asked);
    this.#others(asked);
  }

  left(peer: string): void {
    this.#asked.delete(peer);
  }

  /** `count`: blocks of the file. */
  tick(now: number, count: number): void {
    const every = Math.max(SWARM.haveMs, (1000 * bitBytes(count)) / SWARM.haveBytesPerSecond);
    for (const asked of this.#asked.values()) {
      if (asked.partial && now - asked.haveAt >= every) {
        asked.haveAt = now;
        this.#options.own(this.#have(asked));
      }
      if (now - asked.othersAt < TOGETHER.askMs) continue;
      asked.othersAt = now;
      this.#others(asked);
    }
  }

  async #have(asked: Asked): Promise<void> {
    const { session } = asked;
    try {
      const have = await session.have(this.#options.file.cid);
      asked.partial = have !== null;
      if (this.#asked.get(session.peer) === asked) this.#options.have(session.peer, have);
    } catch (thrown) {
      if (this.#asked.get(session.peer) === asked) this.#options.failed(session.peer, thrown);
    }
  }

  #others({ session }: Asked): void {
    const { file, together, told, own } = this.#options;
    if (!together || session.others === undefined) return;
    // Who does not say is of use all the same.
    own(session.others(file.cid).then(told, () => undefined));
  }
}
