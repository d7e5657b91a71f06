import { constants, performServerHandshake, type ServerHttp2Session } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { BALANCER, EDGE } from '../core/config.ts';
import { unsent, type ClientFacts, type Connection } from './connection.ts';
import { H2Guard } from './h2-guard.ts';
import { H2Stream } from './h2-stream.ts';
import type { Shared } from './shared.ts';

const SETTINGS = {
  settings: {
    enablePush: false,
    maxConcurrentStreams: EDGE.h2Streams,
    initialWindowSize: EDGE.h2WindowBytes,
    maxHeaderListSize: BALANCER.maxHeadBytes,
  },
  maxHeaderListPairs: BALANCER.maxHeaders + 4,
  maxSettings: 16,
  maxSessionInvalidFrames: 50,
  maxSessionRejectedStreams: 50,
  maxOutstandingPings: 4,
  maxOutstandingSettings: 4,
  maxSessionMemory: EDGE.h2SessionMiB,
  // nghttp2's own count of RST_STREAM; ours, with the same figures, also sees the streams that we had to cut.
  streamResetBurst: EDGE.h2Cuts.burst,
  streamResetRate: EDGE.h2Cuts.perSecond,
  // A backend's answer is passed on as it is, where it repeats a field as well.
  strictSingleValueFields: false,
};

/** One client's HTTP/2 connection: each stream is an exchange of its own, as each request of HTTP/1.1 is. */
export class H2Connection implements Connection {
  readonly #session: ServerHttp2Session;
  readonly #facts: ClientFacts;
  readonly #shared: Shared;
  readonly #guard = new H2Guard();
  readonly #streams = new Set<H2Stream>();
  #idleSince: number;
  #closing = false;
  /** Since when each look at the connection of a replaced process has found a stream. */
  #busySince: number | null = null;
  /** When the answers were written that no request has followed yet; at most as many as there are streams. */
  readonly #answers: number[] = [];
  /** What was unsent when last looked at. */
  #unsent = 0;
  /** When a look found that the session is over. */
  #overSince: number | null = null;

  constructor(socket: TLSSocket, facts: ClientFacts, shared: Shared, gone: () => void) {
    this.#facts = facts;
    this.#shared = shared;
    this.#idleSince = shared.clock();
    const session = performServerHandshake(socket, SETTINGS);
    this.#session = session;
    session.setLocalWindowSize(EDGE.h2ConnectionWindowBytes);
    session.on('stream', (stream, _headers, flags, pairs) => {
      this.#guard.useful(BALANCER.maxHeadBytes);
      const ended = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      if (this.#streams.size >= EDGE.h2Streams) {
        stream.on('error', () => {});
        stream.close(constants.NGHTTP2_REFUSED_STREAM);
        if (!ended) this.#guard.unwanted();
        this.#judge(this.#guard.cut(shared.clock()));
        return;
      }
      const own = new H2Stream(stream, pairs, ended, facts, shared, {
        took: (bytes) => this.#guard.body(bytes),
        answered: () => this.#answered(),
        gone: (whole, open) => {
          this.#streams.delete(own);
          if (open) this.#guard.unwanted();
          this.#idleSince = shared.clock();
          if (!whole) this.#judge(this.#guard.cut(this.#idleSince));
        },
      });
      this.#streams.add(own);
      this.#answers.pop();
      own.start();
    });
    session.on('ping', () => this.#judge(this.#guard.ping(shared.clock())));
    session.on('remoteSettings', () => this.#judge(this.#guard.settings(shared.clock())));
    // What matters follows as `close`: a client that breaks the rules hurts itself only.
    session.on('error', () => {});
    // Not the session's own `close`: that waits for writes which may never end.
    facts.wire.on('close', gone);
    // Both sides of a TCP connection end by themselves here (tls-in.ts); nobody reads answers who can send no window.
    socket.on('end', () => session.destroy());
  }

  check(now: number): void {
    if (this.#session.destroyed) {
      // What it wrote last has a moment to leave; of a client that is gone, or does not read, nothing else ends it.
      if (now - (this.#overSince ??= now) > BALANCER.lingerMs) this.#facts.wire.destroy();
      return;
    }
    let waiting = 0;
    for (const stream of this.#streams) {
      stream.check(now);
      waiting += stream.waiting;
    }
    const { bytesRead, bytesWritten } = this.#facts.wire;
    this.#judge(this.#guard.check(now, bytesRead, bytesWritten, waiting));
    if (this.#shared.stopping) this.#leave(now);
    if (this.#streams.size > 0 || this.#leaves(now)) return;
    if (
      this.#closing
        ? now - this.#idleSince > BALANCER.lingerMs
        : now - this.#idleSince > this.#shared.balance.timeouts.idleMs
    )
      this.#session.destroy();
  }

  /**
   * Another process takes over. A client that sends a stream just now, and does not repeat what a GOAWAY refuses, would
   * lose it (node:http2 has no first GOAWAY of two, as RFC 9113 section 6.8 has). So it leaves together with the end of
   * an answer while nothing else runs, and no other answer was just given that the client may ask more because of. A
   * connection that is always busy gets it after a while; one that is idle lives as long as it would have.
   */
  #answered(): void {
    const now = this.#shared.clock();
    while (now - (this.#answers[0] ?? now) > EDGE.h2SettleMs) this.#answers.shift();
    if (this.#shared.stopping && this.#streams.size === 1 && this.#answers.length === 0) this.stop();
    this.#answers.push(now);
  }

  #leave(now: number): void {
    if (this.#streams.size === 0) this.#busySince = null;
    else if (now - (this.#busySince ??= now) > EDGE.h2LeaveMs) this.stop();
  }

  /** Says GOAWAY: streams that run end first, and the client sends others elsewhere (RFC 9113 section 6.8). */
  stop(): void {
    if (this.#closing) return;
    this.#closing = true;
    this.#idleSince = this.#shared.clock();
    this.#guard.leaving();
    this.#session.close();
  }

  destroy(): void {
    this.#session.destroy();
    this.#facts.wire.destroy();
  }

  /** Something that was written has not left yet; ends the connection where it stands still. */
  #leaves(now: number): boolean {
    const left = unsent(this.#facts.wire);
    if (left !== this.#unsent) this.#idleSince = now;
    this.#unsent = left;
    if (left > 0 && now - this.#idleSince > this.#shared.balance.timeouts.bodyMs) this.destroy();
    return left > 0;
  }

  #judge(why: string | null): void {
    if (why === null || this.#session.destroyed) return;
    const { who, emit } = this.#shared;
    emit({ type: 'error', who, code: 'HTTP2_FLOOD', detail: `${this.#facts.address}: ${why}` });
    this.#session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }
}
