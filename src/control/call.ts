import { request, type IncomingMessage } from 'node:http';
import { ERRORS, KelanaError, reason, type ErrorCode, type ErrorParams } from '../core/errors.ts';

/** ms for a short answer; streams (find, get) have the search's own deadline. */
const ANSWER_MS = 15_000;
/** Bytes of a short answer: the list of a library of a million files is asked for in one piece. */
const MAX_ANSWER_BYTES = 512 * 1024 * 1024;

/** An error as it crosses the socket. */
export interface ErrorJson {
  readonly error: string;
  readonly params: ErrorParams;
}

export interface Call {
  /** Path of the Unix socket. */
  readonly socket: string;
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

/** What to throw where nobody answers. */
export type Gone = (why: string, thrown: unknown) => KelanaError;

/** Resolves to the answer's JSON, within `ms`. @throws KelanaError as the other side says, LATE, or `gone` */
export async function ask(asked: Call, gone: Gone, ms = ANSWER_MS): Promise<unknown> {
  const signal = AbortSignal.timeout(ms);
  try {
    return JSON.parse(await textOf(await call({ ...asked, signal }, gone))) as unknown;
  } catch (thrown) {
    // Somebody is there: that nothing runs would be untrue.
    throw signal.aborted ? new KelanaError('LATE', { seconds: ms / 1000 }, thrown) : thrown;
  }
}

/** Resolves once the answer begins. @throws KelanaError as the other side says, or `gone` */
export function call({ socket, method, path, body, signal }: Call, gone: Gone): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const payload = body === undefined ? undefined : JSON.stringify(body);
    const headers =
      payload === undefined
        ? {}
        : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
    const sent = request(
      { socketPath: socket, method, path, headers, ...(signal === undefined ? {} : { signal }) },
      (response) => {
        if ((response.statusCode ?? 500) < 400) resolve(response);
        else textOf(response).then((text) => reject(revive(JSON.parse(text) as ErrorJson)), reject);
      },
    );
    sent.once('error', (thrown) => reject(gone(reason(thrown), thrown)));
    sent.end(payload);
  });
}

export function revive({ error, params }: ErrorJson): KelanaError {
  return Object.hasOwn(ERRORS, error)
    ? new KelanaError(error as ErrorCode, params)
    : new KelanaError('INTERNAL', { detail: error });
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
