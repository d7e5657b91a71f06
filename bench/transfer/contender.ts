/** What a way to transfer files must offer to be measured. */
import type { Material } from './material.ts';
import type { Meter, Side } from './meter.ts';
import type { Workshop } from './workshop.ts';

/** A sender and a receiver that are up. */
export interface Running {
  /** Processes that stay between transfers. */
  readonly pids: Readonly<Record<Side, readonly number[]>>;
  /** Folder in which the material appears; what arrived is removed after each transfer. */
  readonly folder: string;
  /** Before a transfer, not measured. */
  prepare?(): Promise<void>;
  /** One transfer, between `meter.start` and `meter.stop`, which it calls; gives the path of what arrived. */
  transfer(meter: Meter): Promise<string>;
  /** Instead of removing what arrived. */
  discard?(): Promise<void>;
  close(): Promise<void>;
}

export interface Contender {
  readonly name: string;
  /** What to know of it beside its name. */
  readonly note?: string;
  /** Starts it for this material. @throws Missing where it cannot run here */
  start(workshop: Workshop, material: Material): Promise<Running>;
}

/** Why something is not measured, in words for the person who runs the bench. */
export class Missing extends Error {}
