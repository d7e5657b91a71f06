import { MAILBOX, SERVER } from '../core/config.ts';
import type { MailboxMessage, MailboxPort } from '../core/ports.ts';

/** A message with its server-sent event already written out: one text for all readers. */
export interface Frame {
  readonly id: number;
  readonly room: string;
  readonly text: string;
}

export function toFrame(message: MailboxMessage): Frame {
  // JSON has no raw line breaks, so one data line is enough (WHATWG HTML, section 9.2.6).
  const text = `id: ${message.id}\nevent: message\ndata: ${JSON.stringify(message)}\n\n`;
  return { id: message.id, room: message.room, text };
}

/**
 * The newest messages, kept in memory while anybody follows: one look at the store for all readers, every
 * `mailbox.pollMs` and at once when this server took a message itself. Holds every message with an id above `floor`.
 */
export class Tail {
  readonly #mailbox: MailboxPort;
  readonly #frames: Frame[] = [];
  readonly #wakers = new Set<() => void>();
  #bytes = 0;
  #floor = 0;
  #last = 0;
  #followers = 0;
  /** Counts the times the last follower left: a loop of an earlier time ends. */
  #age = 0;
  #running: Promise<void> | null = null;
  #starting: Promise<void> | null = null;
  #nudge: (() => void) | null = null;
  #nudged = false;

  constructor(mailbox: MailboxPort) {
    this.#mailbox = mailbox;
  }

  get followers(): number {
    return this.#followers;
  }

  /** Resolves to the id of the newest message, when what comes after it is being followed. Pair with `leave`. */
  async join(): Promise<number> {
    this.#followers += 1;
    const starting = (this.#starting ??= this.#start(this.#age));
    try {
      await starting;
    } catch (thrown) {
      if (this.#starting === starting) this.#starting = null;
      this.leave();
      throw thrown;
    }
    return this.#last;
  }

  leave(): void {
    this.#followers -= 1;
    if (this.#followers > 0) return;
    this.#starting = null;
    this.#age += 1;
    this.nudge();
  }

  /** A message was acknowledged here: look now. */
  nudge(): void {
    this.#nudged = true;
    this.#nudge?.();
  }

  /** Frames after `cursor`; null where the reader is so far behind that the store must be asked. */
  after(cursor: number): readonly Frame[] | null {
    if (cursor < this.#floor) return null;
    let at = this.#frames.length;
    while (at > 0 && (this.#frames[at - 1]?.id ?? 0) > cursor) at -= 1;
    return this.#frames.slice(at);
  }

  get floor(): number {
    return this.#floor;
  }

  /** Resolves when there may be something after `cursor`, after `ms`, or when the signal says so. */
  async wait(cursor: number, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#last > cursor) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#wakers.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#wakers.add(done);
      signal.addEventListener('abort', done);
    });
  }

  async #start(age: number): Promise<void> {
    await this.#running;
    this.#frames.length = 0;
    this.#bytes = 0;
    this.#last = await this.#mailbox.latest();
    this.#floor = this.#last;
    this.#running = this.#run(age);
  }

  async #run(age: number): Promise<void> {
    while (this.#age === age) {
      this.#nudged = false;
      // A store that cannot be read now is asked again; readers keep their place meanwhile.
      const page = await this.#mailbox.list(this.#last, MAILBOX.maxLimit).catch(() => []);
      for (const message of page) this.#keep(toFrame(message));
      if (page.length > 0) for (const wake of this.#wakers) wake();
      else await this.#rest();
    }
  }

  #keep(frame: Frame): void {
    this.#frames.push(frame);
    this.#bytes += frame.text.length;
    this.#last = frame.id;
    while (this.#frames.length > SERVER.maxRecent || this.#bytes > SERVER.maxRecentBytes) {
      const oldest = this.#frames.shift();
      if (oldest === undefined) return;
      this.#bytes -= oldest.text.length;
      this.#floor = oldest.id;
    }
  }

  async #rest(): Promise<void> {
    if (this.#nudged) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, MAILBOX.pollMs);
      this.#nudge = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#nudge = null;
  }
}
