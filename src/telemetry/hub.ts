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

/** Stamps each event with the time (`now`, ms since the Unix epoch) and hands it to every sink. */
export function createHub({ now, sinks }: { now: () => number; sinks: readonly Sink[] }): Hub {
  let open = true;
  const emit = (body: EventBody): void => {
    // With nobody listening an event costs one call.
    if (!open || sinks.length === 0) return;
    const event: KelanaEvent = { ...body, at: now() };
    let size: number | undefined;
    for (const sink of sinks) {
      try {
        sink.add(event, (size ??= sizeOf(event)));
      } catch {
        // A part must never fail because of its log; the other sinks still get the event.
      }
    }
  };
  return {
    emit,
    start: async () => {
      await Promise.all(sinks.map((sink) => sink.start()));
    },
    stop: async () => {
      open = false;
      await Promise.all(sinks.map((sink) => sink.stop()));
    },
  };
}
