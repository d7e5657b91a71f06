import { KelanaError } from '../core/errors.ts';
import type { Holding, ListsPort, Provider } from '../core/ports.ts';

/** What `ls NODE` reports; the last is `end`. */
export type ListEvent =
  /** Who it is, once it is known. */
  | { readonly type: 'node'; readonly peer: string; readonly label: string }
  /** Files and folders in the order of their names; each once. */
  | { readonly type: 'entries'; readonly entries: readonly Holding[] }
  /** `scanning`: the node is still reading its files, of which it may share more later. */
  | { readonly type: 'end'; readonly entries: number; readonly scanning: boolean };

export interface ListingOptions {
  readonly overlay: ListsPort;
  /** The node that a person means. */
  readonly who: (text: string, signal: AbortSignal) => Promise<Provider>;
}

/** Entries of one event: a slow reader has a thousand of them before it, and no more. */
const AT_ONCE = 64;

/** What another node shares. @throws KelanaError of `who` and of `ListsPort.list` */
export async function* listNode(
  { overlay, who }: ListingOptions,
  node: string,
  signal: AbortSignal,
): AsyncGenerator<ListEvent> {
  const of = await who(node, signal);
  yield { type: 'node', peer: of.peer, label: of.label };
  let count = 0;
  let scanning = false;
  for await (const page of overlay.list(of, signal)) {
    for (let at = 0; at < page.entries.length; at += AT_ONCE)
      yield { type: 'entries', entries: page.entries.slice(at, at + AT_ONCE) };
    count += page.entries.length;
    scanning = page.scanning;
  }
  if (signal.aborted) throw new KelanaError('INTERRUPTED', { command: 'ls' });
  yield { type: 'end', entries: count, scanning };
}
