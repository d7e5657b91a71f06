import { platform } from 'node:os';
import { Socket, type OnReadOpts, type SocketConstructorOpts } from 'node:net';
import { BALANCER } from '../core/config.ts';

/**
 * Where sockets read into. One buffer for all of them: each read is handed on and done with before the next one
 * begins. Windows begins reads before there are bytes, so there each socket has its own.
 */
const shared = platform() === 'win32' ? null : Buffer.allocUnsafeSlow(BALANCER.readBytes);

/** Told of a read: the first `count` of `bytes`, which are lent until it returns. */
export type Received = (bytes: Uint8Array, count: number) => void;

/** For `connect`. */
export function readingInto(received: Received): OnReadOpts {
  return {
    buffer: shared ?? Buffer.allocUnsafeSlow(BALANCER.readBytes),
    callback: (count, bytes) => {
      received(bytes, count);
      return true;
    },
  };
}

/** What node:net reads through; not part of its types, and so looked at before it is relied on. */
interface Handle {
  /** Called for each read, and for what ends reading. */
  onread?: unknown;
  /** Bytes read so far. */
  readonly bytesRead?: number;
}

type OnRead = (this: Handle, bytes: unknown) => unknown;

/**
 * Takes reads of a connected socket, which was given `readingInto`, before node:net does, whose way to that callback
 * costs as much as half of what is done to a request here. How much was read is told by the handle's own count. What
 * is no read, and every socket whose handle does not look as expected, goes the usual way.
 */
export function readDirectly(socket: Socket, received: Received): void {
  const { _handle: handle } = socket as unknown as { _handle?: Handle | null };
  if (shared === null || socket.constructor !== Socket || handle?.constructor.name !== 'TCP') return;
  const usual = handle.onread as OnRead | undefined;
  const before = handle.bytesRead;
  if (typeof usual !== 'function' || typeof before !== 'number') return;
  const buffer = shared;
  let total = before;
  handle.onread = function (this: Handle, bytes: unknown): unknown {
    const now = this.bytesRead ?? total;
    const count = now - total;
    total = now;
    if (!(count > 0 && count <= BALANCER.readBytes)) return usual.call(this, bytes);
    received(buffer, count);
    return undefined;
  };
}

/** What node:net gives the socket it makes of an accepted connection; not part of its types. */
interface Accepted {
  _handle?: unknown;
  _server?: unknown;
  server?: unknown;
}

/**
 * Reads from a socket that was just accepted, and gives the socket to use from then on: a listener has no option like
 * `onread` of `connect`, without which each read costs a buffer and its collection; so the connection is moved to a socket that
 * has it. What was read from already, or is encrypted, goes on as it is.
 */
export function reading(socket: Socket, received: Received): Socket {
  const from = socket as Socket & Accepted;
  const plain =
    socket.constructor === Socket &&
    socket.bytesRead === 0 &&
    socket.readableFlowing === null &&
    !socket.destroyed;
  if (!plain || from._handle === undefined || from._handle === null) {
    socket.on('data', (bytes: Buffer) => received(bytes, bytes.length));
    return socket;
  }
  const options = { handle: from._handle, allowHalfOpen: true, onread: readingInto(received) };
  const moved: Socket & Accepted = new Socket(options as unknown as SocketConstructorOpts);
  // The listener counts its connections by these; the first socket no longer stands for one.
  moved._server = from._server;
  moved.server = from.server;
  from._server = null;
  readDirectly(moved, received);
  return moved;
}
