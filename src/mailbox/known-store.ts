import { MESSAGES } from '../core/config.ts';
import type { Provider } from '../core/ports.ts';
import type { Statements } from './post-file.ts';

/** Who answered at which address, so that letters can be addressed to a node that is away. */
export class KnownStore {
  readonly #file: Statements;

  constructor(file: Statements) {
    this.#file = file;
  }

  /** `verified`: this node dialled that address and found the peer there. What was verified is not unlearned by a claim. */
  remember({ peer, label, addresses }: Provider, verified: boolean, now: number): null {
    return this.#file.write((sql) => {
      if (verified) sql('UPDATE known SET verified = 0 WHERE label = ? AND peer <> ?').run(label, peer);
      sql(
        `INSERT INTO known (peer, label, addresses, verified, written, seen_ms) VALUES (?1, ?2, ?3, ?4, 0, ?5)
         ON CONFLICT (peer) DO UPDATE SET seen_ms = ?5, addresses = ?3,
         label = CASE WHEN ?4 >= verified THEN ?2 ELSE label END, verified = max(verified, ?4)`,
      ).run(peer, label, JSON.stringify(addresses), verified ? 1 : 0, now);
      // Peers that were written to stay the longest: they are whom a person knows.
      sql(
        `DELETE FROM known WHERE peer IN
         (SELECT peer FROM known ORDER BY written DESC, seen_ms DESC LIMIT -1 OFFSET ?)`,
      ).run(MESSAGES.maxKnown);
      return null;
    });
  }

  /** The peer that was found there; else the only one that said to be there; null where there are several, or none. */
  recall(label: string): Provider | null {
    const rows = this.#file.run((sql) =>
      sql('SELECT * FROM known WHERE label = ? ORDER BY verified DESC, seen_ms DESC LIMIT 2').all(label),
    );
    const [first, second] = rows;
    if (first === undefined || (first['verified'] !== 1 && second !== undefined)) return null;
    return {
      peer: String(first['peer']),
      label: String(first['label']),
      addresses: JSON.parse(String(first['addresses'])) as readonly string[],
    };
  }
}
