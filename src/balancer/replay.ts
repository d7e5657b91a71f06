import { BALANCER } from '../core/config.ts';
import { tellsKey } from '../core/http/forward.ts';
import type { RequestHead } from '../core/http/request.ts';

/** Methods whose effect is the same however often they are carried out (RFC 9110 section 9.2.2). */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * Decides whether a request may go to another connection after it, or part of it, was written to one that broke
 * before any byte of a response:
 * - nothing was written: always;
 * - an idempotent method, and no byte of a body was written: yes;
 * - the server is told an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header), and its body so far is still
 *   here: yes, the server recognises the repetition;
 * - anything else may have been acted on: never. The client decides.
 */
export class Replay {
  readonly #idempotent: boolean;
  #kept: Buffer[] | null;
  #keptBytes = 0;
  #wroteBody = false;

  constructor(request: RequestHead) {
    this.#idempotent = IDEMPOTENT.has(request.method);
    this.#kept = tellsKey(request) && request.length <= BALANCER.maxReplayBytes ? [] : null;
  }

  /** @param touched something was written to a backend */
  allowed(touched: boolean): boolean {
    if (this.#kept !== null) return true;
    return !this.#wroteBody && (this.#idempotent || !touched);
  }

  /** What of the body must be written again. */
  get body(): readonly Buffer[] {
    return this.#kept ?? [];
  }

  wroteBody(bytes: Uint8Array): void {
    this.#wroteBody = true;
    if (this.#kept === null) return;
    this.#keptBytes += bytes.length;
    if (this.#keptBytes > BALANCER.maxReplayBytes) this.#kept = null;
    else this.#kept.push(Buffer.from(bytes));
  }
}
