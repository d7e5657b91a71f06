import type { Exchange } from './client.ts';

/** Told of every request of a run, in the order in which things happen; both numbers count from 0. */
export interface Watcher {
  began(client: number, index: number): void;
  ended(client: number, index: number, exchange: Exchange): void;
}
