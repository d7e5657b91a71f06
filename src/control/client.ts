import type { IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { KelanaError } from '../core/errors.ts';
import type { GetHow, Holding, LimitsInfo, Query, SearchEvent, SearchOptions } from '../core/ports.ts';
import type { Transfer } from '../core/transfer/ports.ts';
import type { InboxItem, OutboxItem } from '../core/messages/ports.ts';
import { ask, call, revive, type ErrorJson } from './call.ts';
import type { ListEvent } from './listing.ts';
import type { InboxView } from './mail.ts';
import type { AcceptEvent, SendEvent } from './mail-events.ts';
import type { GetEvent } from './operations.ts';
import type { SendRequest } from './sending.ts';
import type { LimitsChange, NodeStatus, PeerRow, ShareEvent, ShareRow, UnshareRow } from './server.ts';

/**
 * A running node, spoken to over its Unix socket. All calls fail with NO_NODE when it is gone; those with a signal with its
 * reason when it is aborted.
 */
export class NodeClient {
  readonly #path: string;
  readonly #folder: string;

  constructor(path: string, folder: string) {
    this.#path = path;
    this.#folder = folder;
  }

  async status(): Promise<NodeStatus> {
    return (await this.#ask('GET', '/status')) as NodeStatus;
  }
  async files(): Promise<readonly Holding[]> {
    return (await this.#ask('GET', '/files')) as readonly Holding[];
  }
  async folders(): Promise<readonly Holding[]> {
    return (await this.#ask('GET', '/folders')) as readonly Holding[];
  }
  async *list(address: string, signal: AbortSignal): AsyncGenerator<ListEvent> {
    yield* this.#stream<ListEvent>('POST', '/list', { address }, signal);
  }
  async shares(): Promise<readonly ShareRow[]> {
    return (await this.#ask('GET', '/shares')) as readonly ShareRow[];
  }
  /** `path` is absolute. */
  async unshare(path: string): Promise<UnshareRow> {
    return (await this.#ask('DELETE', `/shares?path=${encodeURIComponent(path)}`)) as UnshareRow;
  }
  async *share(path: string, signal: AbortSignal): AsyncGenerator<ShareEvent> {
    for await (const event of this.#stream('POST', '/shares', { path }, signal)) yield event as ShareEvent;
  }
  async peers(): Promise<readonly PeerRow[]> {
    return (
      (await this.#ask('GET', '/peers')) as (Omit<PeerRow, 'error'> & { error: ErrorJson | null })[]
    ).map(peerRow);
  }
  async addPeer(address: string): Promise<PeerRow> {
    return peerRow(
      (await this.#ask('POST', '/peers', { address })) as Omit<PeerRow, 'error'> & {
        error: ErrorJson | null;
      },
    );
  }
  async removePeer(address: string): Promise<boolean> {
    return (
      (await this.#ask('DELETE', `/peers?address=${encodeURIComponent(address)}`)) as { removed: boolean }
    ).removed;
  }
  async limits(): Promise<LimitsInfo> {
    return (await this.#ask('GET', '/limits')) as LimitsInfo;
  }
  async setLimits(change: LimitsChange): Promise<LimitsInfo> {
    return (await this.#ask('PUT', '/limits', change)) as LimitsInfo;
  }

  async *search(query: Query, options: SearchOptions): AsyncGenerator<SearchEvent> {
    yield* this.#stream<SearchEvent>('POST', '/find', asked(query, options), options.signal);
  }
  async *get(query: Query, options: GetHow): AsyncGenerator<GetEvent> {
    const { background, only } = options;
    const body = { ...asked(query, options), background, only };
    yield* this.#stream<GetEvent>('POST', '/get', body, options.signal);
  }

  async transfers(): Promise<readonly Transfer[]> {
    return (await this.#ask('GET', '/transfers')) as readonly Transfer[];
  }
  async pause(id: number): Promise<Transfer> {
    return (await this.#ask('POST', `/transfers/${id}/pause`)) as Transfer;
  }
  async resume(id: number): Promise<Transfer> {
    return (await this.#ask('POST', `/transfers/${id}/resume`)) as Transfer;
  }
  async prioritise(id: number, priority: number): Promise<Transfer> {
    return (await this.#ask('PUT', `/transfers/${id}/priority`, { priority })) as Transfer;
  }
  async cancel(id: number): Promise<void> {
    await this.#ask('DELETE', `/transfers/${id}`);
  }

  async *send(request: SendRequest, signal: AbortSignal): AsyncGenerator<SendEvent> {
    yield* this.#stream<SendEvent>('POST', '/send', request, signal);
  }
  async inbox({ unread, limit }: { unread: boolean; limit: number }): Promise<InboxView> {
    return (await this.#ask('GET', `/inbox?unread=${unread}&limit=${limit}`)) as InboxView;
  }
  async outbox(limit: number): Promise<readonly OutboxItem[]> {
    return (await this.#ask('GET', `/outbox?limit=${limit}`)) as readonly OutboxItem[];
  }
  async *followInbox(signal: AbortSignal): AsyncGenerator<InboxItem> {
    yield* this.#stream<InboxItem>('GET', '/inbox/follow', undefined, signal);
  }
  async *acceptOffer(no: number, signal: AbortSignal): AsyncGenerator<AcceptEvent> {
    yield* this.#stream<AcceptEvent>('POST', '/inbox/accept', { no }, signal);
  }
  async refuseOffer(no: number): Promise<InboxItem> {
    return (await this.#ask('POST', '/inbox/refuse', { no })) as InboxItem;
  }
  async readItems(nos: readonly number[]): Promise<readonly InboxItem[]> {
    return (await this.#ask('POST', '/inbox/read', { nos })) as readonly InboxItem[];
  }
  async readAll(): Promise<number> {
    return ((await this.#ask('POST', '/inbox/read-all')) as { read: number }).read;
  }
  async removeItems(nos: readonly number[]): Promise<number> {
    return ((await this.#ask('POST', '/inbox/remove', { nos })) as { removed: number }).removed;
  }

  async *#stream<T extends object>(
    method: string,
    path: string,
    body: unknown,
    signal?: AbortSignal,
  ): AsyncGenerator<T> {
    const response = await this.#request(method, path, body, signal).catch((thrown: unknown) => {
      signal?.throwIfAborted();
      throw thrown;
    });
    try {
      for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
        const event = JSON.parse(line) as T & Partial<ErrorJson> & { readonly type?: string };
        if (event.type === 'failed') throw revive({ error: event.error ?? '', params: event.params ?? {} });
        yield event as T;
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      throw thrown instanceof KelanaError
        ? thrown
        : new KelanaError('NO_NODE', { path: this.#folder }, thrown);
    } finally {
      response.destroy();
    }
  }

  #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    return ask({ socket: this.#path, method, path, body }, this.#gone);
  }

  #request(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
    return call({ socket: this.#path, method, path, body, signal }, this.#gone);
  }

  readonly #gone = (why: string, thrown: unknown): KelanaError =>
    new KelanaError('NO_NODE', { path: this.#folder, why }, thrown);
}

function peerRow(row: Omit<PeerRow, 'error'> & { error: ErrorJson | null }): PeerRow {
  return { ...row, error: row.error === null ? null : revive(row.error) };
}

/** All that crosses the socket; the signal does as the end of the connection. */
function asked(query: Query, { timeoutMs, strategy, want, trace, ipfs }: GetHow): object {
  return { query, timeoutMs, strategy, want, trace, ipfs };
}
