import { request, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { ERRORS, KelanaError, reason, type ErrorCode, type ErrorParams } from '../core/errors.ts';
import type { Holding, Query, SearchEvent, SearchOptions } from '../core/ports.ts';
import type { GetEvent } from './operations.ts';
import type { NodeStatus, PeerRow, ShareEvent, ShareRow, UnshareRow } from './server.ts';

/** ms for a short answer; streams (find, get) have the search's own deadline. */
const ANSWER_MS = 15_000;
/** Bytes of a short answer: the list of a library of a million files is asked for in one piece. */
const MAX_ANSWER_BYTES = 512 * 1024 * 1024;

/** A running node, spoken to over its Unix socket. All calls fail with NO_NODE when it is gone. */
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

  async *search(query: Query, options: SearchOptions): AsyncGenerator<SearchEvent> {
    for await (const event of this.#stream('POST', '/find', asked(query, options), options.signal))
      yield event as SearchEvent;
  }
  async *get(query: Query, options: SearchOptions): AsyncGenerator<GetEvent> {
    for await (const event of this.#stream('POST', '/get', asked(query, options), options.signal))
      yield event as GetEvent;
  }

  async *#stream(
    method: string,
    path: string,
    body: unknown,
    signal?: AbortSignal,
  ): AsyncGenerator<GetEvent | ShareEvent> {
    const response = await this.#request(method, path, body, signal);
    try {
      for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
        const event = JSON.parse(line) as GetEvent | ShareEvent | ({ type: 'failed' } & ErrorJson);
        if (event.type !== 'failed') yield event;
        else throw revive(event as unknown as ErrorJson);
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

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await this.#request(method, path, body, AbortSignal.timeout(ANSWER_MS));
    return JSON.parse(await textOf(response)) as unknown;
  }

  #request(method: string, path: string, body: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const payload = body === undefined ? undefined : JSON.stringify(body);
      const headers =
        payload === undefined
          ? {}
          : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
      const call = request(
        { socketPath: this.#path, method, path, headers, ...(signal === undefined ? {} : { signal }) },
        (response) => {
          if ((response.statusCode ?? 500) < 400) resolve(response);
          else textOf(response).then((text) => reject(revive(JSON.parse(text) as ErrorJson)), reject);
        },
      );
      call.once('error', (thrown) =>
        reject(new KelanaError('NO_NODE', { path: this.#folder, why: reason(thrown) }, thrown)),
      );
      call.end(payload);
    });
  }
}

interface ErrorJson {
  readonly error: string;
  readonly params: ErrorParams;
}

function revive({ error, params }: ErrorJson): KelanaError {
  return Object.hasOwn(ERRORS, error)
    ? new KelanaError(error as ErrorCode, params)
    : new KelanaError('INTERNAL', { detail: error });
}

function peerRow(row: Omit<PeerRow, 'error'> & { error: ErrorJson | null }): PeerRow {
  return { ...row, error: row.error === null ? null : revive(row.error) };
}

/** All that crosses the socket; the signal does as the end of the connection. */
function asked(query: Query, { timeoutMs, strategy, want, trace }: SearchOptions): object {
  return { query, timeoutMs, strategy, want, trace };
}

async function textOf(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of response as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > MAX_ANSWER_BYTES) throw new KelanaError('INTERNAL', { detail: 'answer too large' });
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}
