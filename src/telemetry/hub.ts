import { LOG } from '../core/config.ts';
import type { Emit, EventBody, KelanaEvent } from '../core/events.ts';
import { sizeOf } from './queue.ts';

/** Where events go. `add` never throws and never blocks: it queues within a bound and counts what it drops. */
export interface Sink {
  readonly name: string;
  start(): Promise<void>;
  /** `size`: what `sizeOf` says of the event, where the caller knows. */
  add(event: KelanaEvent, size?: number): void;
  /** Writes what is queued, within `LOG.stopMs`, and lets go of the file. Never rejects. */
  stop(): Promise<void>;
}

export interface Hub {
  readonly emit: Emit;
  start(): Promise<void>;
  /** Events emitted after this are ignored. */
  stop(): Promise<void>;
}

/**
 * Stamps each event that has no time with it (`now`, ms since the Unix epoch) and hands it to every sink: some at once,
 * as what sinks do with an event costs a third in a loop of what it costs between other work.
 */
export function createHub({ now, sinks }: { now: () => number; sinks: readonly Sink[] }): Hub {
  let open = true;
  let gathered: KelanaEvent[] = [];
  let timer: ReturnType<typeof setTimeout> | null = null;

  const hand = (): void => {
    const events = gathered;
    gathered = [];
    for (const event of events) {
      const size = sizeOf(event);
      for (const sink of sinks) {
        try {
          sink.add(event, size);
        } catch {
          // A part must never fail because of its log; the other sinks still get the event.
        }
      }
    }
  };
  const inTime = (): void => {
    timer = null;
    hand();
  };

  const emit = (body: EventBody): void => {
    // With nobody listening an event costs one call.
    if (!open || sinks.length === 0) return;
    gathered.push(hasTime(body) ? body : { ...body, at: now() });
    if (gathered.length >= LOG.gather) hand();
    // A part that ends calls stop.
    else timer ??= setTimeout(inTime, LOG.gatherMs).unref();
  };
  return {
    emit,
    start: async () => {
      await Promise.all(sinks.map((sink) => sink.start()));
    },
    stop: async () => {
      open = false;
      if (timer !== null) clearTimeout(timer);
      hand();
      await Promise.all(sinks.map((sink) => sink.stop()));
    },
  };
}

const hasTime = (body: EventBody): body is KelanaEvent => 'at' in body;
