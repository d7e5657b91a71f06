import { BALANCER, EDGE } from '../core/config.ts';
import { Bucket } from '../core/balance/rate.ts';

/**
 * Tells when an HTTP/2 connection costs more than it asks for. nghttp2 bounds single frames and what waits in memory;
 * this counts what is legal and useless over time: bytes that are neither body nor request (PING, SETTINGS, PRIORITY,
 * WINDOW_UPDATE, CONTINUATION and empty DATA floods, whatever their number), and streams that are cut off before their
 * answer, by the client (CVE-2023-44487) or by what the client makes us refuse (CVE-2025-8671).
 */
export class H2Guard {
  readonly #cuts = new Bucket();
  readonly #overhead = new Bucket();
  readonly #pings = new Bucket();
  readonly #settings = new Bucket();
  #credit = 0;
  #read = 0;
  #written = 0;
  #waiting = 0;
  /** Bytes that may still come of what nobody wants any more. */
  #late = 0;

  /** A request was read, or so many bytes of a body given on: what they took on the wire is no overhead. */
  useful(bytes: number): void {
    this.#credit += bytes;
  }

  /** A piece of a body was given on: at most one frame, with its part of the records of TLS. */
  body(bytes: number): void {
    this.#credit += bytes + Math.min(bytes, EDGE.h2FrameBytes) + Math.floor(bytes / 32);
  }

  /** A stream ended before its body: what its client had window for and sent before it heard of that is dropped. */
  unwanted(): void {
    this.#late = Math.max(
      this.#late,
      Math.min(this.#late + EDGE.h2WindowBytes, EDGE.h2ConnectionWindowBytes),
    );
  }

  /** We said GOAWAY: all that our settings let a client have on its way before it hears of that is dropped, unseen. */
  leaving(): void {
    this.#late = EDGE.h2ConnectionWindowBytes + EDGE.h2Streams * BALANCER.maxHeadBytes;
  }

  /** Why the connection is to end, or null. */
  cut(now: number): string | null {
    return this.#cuts.take(EDGE.h2Cuts, now) > 0 ? 'too many streams were cut off' : null;
  }

  ping(now: number): string | null {
    return this.#pings.take(EDGE.h2Pings, now) > 0 ? 'too many PING frames' : null;
  }

  settings(now: number): string | null {
    return this.#settings.take(EDGE.h2Settings, now) > 0 ? 'too many SETTINGS frames' : null;
  }

  /** `read` and `written`: bytes of the TCP connection since it began; `waiting`: of bodies, in their streams now. */
  check(now: number, read: number, written: number, waiting: number): string | null {
    // Each frame sent may be answered by two WINDOW_UPDATEs: less than 1 in 64 of what was sent.
    const paid = this.#credit + waiting - this.#waiting + Math.floor((written - this.#written) / 64);
    const unpaid = Math.max(0, read - this.#read - paid);
    const late = Math.min(unpaid, this.#late);
    const overhead = unpaid - late;
    this.#late -= late;
    this.#read = read;
    this.#written = written;
    this.#waiting = waiting;
    this.#credit = 0;
    if (overhead === 0) return null;
    return this.#overhead.take(EDGE.h2Overhead, now, overhead) > 0 ? 'too much that is no request' : null;
  }
}
