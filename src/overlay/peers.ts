import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { formatHostPort, parsePeerAddress, type PeerAddress } from '../core/address.ts';
import { OVERLAY } from '../core/config.ts';
import { asKelanaError, KelanaError, reason } from '../core/errors.ts';
import type { Random } from '../core/random.ts';
import type { Link } from './link.ts';
import { pause, type Links } from './links.ts';

export interface PeerEntry {
  /** As it was given. */
  readonly address: string;
  readonly state: 'linked' | 'dialling' | 'waiting' | 'self';
  readonly peer: string | null;
  readonly label: string;
  /** Why the last attempt failed; null after a success. */
  readonly error: KelanaError | null;
}

interface Kept {
  readonly text: string;
  readonly address: PeerAddress;
  readonly stop: AbortController;
  state: PeerEntry['state'];
  peer: string | null;
  error: KelanaError | null;
  /** Resolves the running wait, so that a link that went down is dialled again at once. */
  wake: () => void;
  done: Promise<void>;
}

/** Addresses a node keeps: given by flags and settings, or added at run time and then kept on disk. */
export class Peers {
  readonly #links: Links;
  readonly #random: Random;
  readonly #file: string;
  readonly #kept = new Map<string, Kept>();
  readonly #added = new Set<string>();
  #saving: Promise<void> = Promise.resolve();

  constructor(links: Links, file: string, random: Random) {
    this.#links = links;
    this.#file = file;
    this.#random = random;
  }

  /** Starts on the flags' addresses and on those that were added in earlier runs. */
  async start(given: readonly string[]): Promise<void> {
    for (const text of given) this.#keep(text, parsePeerAddress(text));
    for (const text of await this.#load()) {
      this.#added.add(text);
      this.#keep(text, parsePeerAddress(text));
    }
  }

  /**
   * Adds an address for good and makes the first attempt.
   * @throws KelanaError BAD_VALUE for a bad address; PEER_UNREACHABLE or NOT_KELANA from the attempt, although the
   * address stays and is tried again
   */
  async add(text: string, signal: AbortSignal): Promise<PeerEntry> {
    const address = parsePeerAddress(text, 'ADDR', 'kelana peers add');
    const name = keyOf(address);
    if (!this.#kept.has(name) && this.#kept.size >= OVERLAY.maxNeighbours) {
      throw new KelanaError('BAD_VALUE', {
        name: 'ADDR',
        value: text,
        why: {
          id: `sudah ada ${OVERLAY.maxNeighbours} alamat`,
          en: `there are ${OVERLAY.maxNeighbours} addresses already`,
        },
        example: 'kelana peers remove ADDR',
      });
    }
    const link = await this.#links.connect(address, signal).catch((thrown: unknown) => asKelanaError(thrown));
    this.#added.add(name);
    await this.#save();
    const kept = this.#keep(name, address);
    kept.wake();
    if (link instanceof KelanaError) throw link;
    return {
      ...this.#entry(kept),
      state: link === null ? 'self' : 'linked',
      peer: link?.peer ?? null,
      label: link?.label ?? name,
    };
  }

  /** Forgets an address and drops its link; false where nothing was known by that name. */
  async remove(text: string): Promise<boolean> {
    const byLink = this.#links.all().find((link) => link.label === text || link.peer === text);
    const name =
      byLink !== undefined && byLink.peer === text
        ? null
        : keyOf(parsePeerAddress(text, 'ADDR', 'kelana peers remove'));
    const kept = [...this.#kept.entries()].filter(
      ([key, entry]) => key === name || (byLink !== undefined && entry.peer === byLink.peer),
    );
    for (const [key, entry] of kept) {
      entry.stop.abort();
      this.#kept.delete(key);
      this.#added.delete(key);
      if (entry.peer !== null) this.#links.refuse(entry.peer);
    }
    if (byLink !== undefined) this.#links.refuse(byLink.peer);
    await this.#save();
    return kept.length > 0 || byLink !== undefined;
  }

  /** A link went down: whoever waits to dial it again does so now. */
  lost(link: Link): void {
    for (const kept of this.#kept.values()) if (kept.peer === link.peer) kept.wake();
  }

  list(): readonly PeerEntry[] {
    return [...this.#kept.values()].map((kept) => this.#entry(kept));
  }

  /** Waits until no address is in its first attempt, `OVERLAY.settleMs` at most: then there is somebody to ask. */
  async settled(signal: AbortSignal): Promise<void> {
    const first = (kept: Kept): boolean => kept.state === 'dialling' && kept.error === null;
    const until = performance.now() + OVERLAY.settleMs;
    while ([...this.#kept.values()].some(first) && performance.now() < until && !signal.aborted)
      await pause(10, signal);
  }

  async stop(): Promise<void> {
    for (const kept of this.#kept.values()) kept.stop.abort();
    await Promise.all([...this.#kept.values()].map((kept) => kept.done));
    await this.#saving;
  }

  #entry(kept: Kept): PeerEntry {
    const link = kept.peer === null ? undefined : this.#links.get(kept.peer);
    return {
      address: kept.text,
      state: kept.state,
      peer: kept.peer,
      label: link?.label ?? kept.text,
      error: kept.error,
    };
  }

  #keep(text: string, address: PeerAddress): Kept {
    const name = keyOf(address);
    const known = this.#kept.get(name);
    if (known !== undefined) return known;
    const kept: Kept = {
      text,
      address,
      stop: new AbortController(),
      state: 'dialling',
      peer: null,
      error: null,
      wake: () => undefined,
      done: Promise.resolve(),
    };
    this.#kept.set(name, kept);
    kept.done = this.#run(kept);
    return kept;
  }

  async #run(kept: Kept): Promise<void> {
    const { signal } = kept.stop;
    let wait: number = OVERLAY.redialMinMs;
    /** True right after a link was made: one that does not last must not be dialled again at once, and on and on. */
    let fresh = false;
    while (!signal.aborted) {
      const link = kept.peer === null ? undefined : this.#links.get(kept.peer);
      if (link !== undefined) {
        kept.state = 'linked';
        if (!(await this.#sleep(kept, OVERLAY.redialMaxMs, signal))) continue;
        fresh = false;
        wait = OVERLAY.redialMinMs;
        continue;
      }
      if (fresh) {
        fresh = false;
        kept.state = 'waiting';
        wait = await this.#backOff(kept, wait, signal);
        continue;
      }
      kept.state = 'dialling';
      try {
        const made = await this.#links.connect(kept.address, signal);
        if (made === null) {
          // The seeds' peer list names the node itself; that is no error and needs no second look.
          kept.state = 'self';
          return;
        }
        kept.peer = made.peer;
        kept.error = null;
        fresh = true;
      } catch (thrown) {
        kept.error = asKelanaError(thrown);
        kept.state = 'waiting';
        wait = await this.#backOff(kept, wait, signal);
      }
    }
  }

  /** Waits half to one and a half times `wait`, so that nodes that started together do not dial in step; gives the next wait. */
  async #backOff(kept: Kept, wait: number, signal: AbortSignal): Promise<number> {
    await this.#sleep(kept, wait * (0.5 + this.#random()), signal);
    return Math.min(wait * 2, OVERLAY.redialMaxMs);
  }

  /** False where it was woken before the time was over. */
  async #sleep(kept: Kept, ms: number, signal: AbortSignal): Promise<boolean> {
    const woken = new AbortController();
    kept.wake = () => woken.abort();
    await pause(ms, AbortSignal.any([signal, woken.signal]));
    kept.wake = () => undefined;
    return !woken.signal.aborted;
  }

  async #load(): Promise<readonly string[]> {
    try {
      const list: unknown = JSON.parse(await readFile(this.#file, 'utf8'));
      if (!Array.isArray(list)) return [];
      const valid = list.filter((text): text is string => typeof text === 'string' && isAddress(text));
      return valid.slice(0, OVERLAY.maxNeighbours);
    } catch (thrown) {
      // A file that was cut by a crash costs the list, not the start: flags and settings still name peers.
      if (reason(thrown) === 'ENOENT' || thrown instanceof SyntaxError) return [];
      throw new KelanaError('CANNOT_READ', { path: this.#file, why: reason(thrown) }, thrown);
    }
  }

  #save(): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      try {
        await mkdir(dirname(this.#file), { recursive: true, mode: 0o700 });
        await writeFile(`${this.#file}.new`, JSON.stringify([...this.#added], null, 2), { mode: 0o600 });
        await rename(`${this.#file}.new`, this.#file);
      } catch (thrown) {
        throw new KelanaError('CANNOT_WRITE', { path: this.#file, why: reason(thrown) }, thrown);
      }
    });
    const saved = this.#saving;
    this.#saving = saved.catch(() => undefined);
    return saved;
  }
}

function keyOf(address: PeerAddress): string {
  return formatHostPort(address.host, address.port);
}

function isAddress(text: string): boolean {
  try {
    parsePeerAddress(text);
    return true;
  } catch {
    return false;
  }
}
