import { Buffer } from 'node:buffer';
import { Socket } from 'node:net';
import { BALANCER } from '../core/config.ts';
import { errorOf } from './system-error.ts';

/** What a plain TCP socket of node:net writes through; not part of its types, and so looked at before it is relied on. */
interface Handle {
  /** 0, or a negative error, or the request of a write that the system did not take whole at once. */
  writeLatin1String?: (request: null, text: string) => number | Pending;
}
interface Pending {
  oncomplete?: (status: number) => void;
  /** Where it was complete before `oncomplete` was there. */
  writeStatus?: number | null;
}

/** Whether this Node writes as above; 'ask' until its own first write was seen. Before Node 26 it does not. */
let way: 'ask' | 'direct' | 'usual' = 'ask';

/**
 * Where lent bytes are copied to: used again and again, since new buffers for each part of a body keep the collector
 * busy. Where all are in use, a part gets one of its own.
 */
const spare: Buffer[] = [];
let made = 0;

/**
 * Writes short texts to a socket. A write through node:stream costs more than all that is done to a request here, and
 * nearly always the system takes a short text at once; so it is offered the text directly while nothing waits before
 * it. All else, and all sockets that are not plain TCP of a Node that is known, are written to as usual.
 */
export class Writer {
  readonly #socket: Socket;
  readonly #handle: Handle | null;
  readonly #drained: () => void;
  #pending = false;
  /** `drained` will be called for what node:stream holds. */
  #asked = false;
  /** Something may have been written through node:stream, which may hold a part of it. */
  #queued = true;

  /** @param drained there is room again after `write` said false; the socket's own `drain` tells the rest */
  constructor(socket: Socket, drained: () => void) {
    this.#socket = socket;
    this.#handle = socket.constructor === Socket ? handleOf(socket) : null;
    this.#drained = drained;
  }

  /** Everything written has gone to the system. */
  get flushed(): boolean {
    if (this.#queued) this.#queued = this.#socket.writableLength > 0;
    return !this.#pending && !this.#queued;
  }

  /** Whether all has gone to the system; where not, `drained` is called once it has, or when to ask again. */
  settled(): boolean {
    if (this.flushed) return true;
    if (this.#pending || this.#asked || !this.#socket.writable) return false;
    this.#asked = true;
    // Called after all that was written before it.
    this.#socket.write('', () => {
      this.#asked = false;
      if (!this.#socket.destroyed) this.#drained();
    });
    return false;
  }

  /** The same where it costs nothing to know: TLS writes later than it is told to, though nothing is in the way. */
  taken(): boolean {
    return this.#handle === null || this.settled();
  }

  /** The socket, for what is no short text. Before each write: the next text may have to wait for it. */
  get usual(): Socket {
    this.#queued = true;
    return this.#socket;
  }

  /** Writes text as latin1. False where the socket asks to wait. */
  write(text: string): boolean {
    const handle = this.#handle;
    if (way === 'ask' && handle !== null) look(handle);
    if (way !== 'direct' || handle === null || !this.flushed) return this.usual.write(text, 'latin1');
    const socket = this.#socket;
    const result = handle.writeLatin1String?.(null, text) ?? 0;
    if (result === 0) return true;
    if (typeof result === 'number') socket.destroy(errorOf(result));
    else this.#wait(result);
    return false;
  }

  /** Writes a copy of bytes. False where the socket asks to wait for its `drain`. */
  lent(bytes: Uint8Array): boolean {
    const copy =
      bytes.length >= BALANCER.joinBytes && bytes.length <= BALANCER.copyBytes ? spareCopy() : undefined;
    if (copy === undefined) return this.usual.write(Buffer.from(bytes));
    copy.set(bytes);
    return this.usual.write(copy.subarray(0, bytes.length), () => spare.push(copy));
  }

  /** The system took a part; the request holds the rest. */
  #wait(request: Pending): void {
    this.#pending = true;
    request.oncomplete = (status) => {
      this.#pending = false;
      if (this.#socket.destroyed) return;
      if (status < 0) this.#socket.destroy(errorOf(status));
      else this.#drained();
    };
    const { writeStatus } = request;
    if (typeof writeStatus !== 'number') return;
    request.writeStatus = null;
    request.oncomplete(writeStatus);
  }
}

function spareCopy(): Buffer | undefined {
  const copy = spare.pop();
  if (copy !== undefined || made === BALANCER.maxCopies) return copy;
  made += 1;
  return Buffer.allocUnsafeSlow(BALANCER.copyBytes);
}

function handleOf(socket: Socket): Handle | null {
  const { _handle: handle } = socket as unknown as { _handle?: Handle | null };
  if (handle === null || handle === undefined || handle.constructor.name !== 'TCP') return null;
  return typeof handle.writeLatin1String === 'function' ? handle : null;
}

/** Looks at how node:net makes its next write on this handle. */
function look(handle: Handle): void {
  if (Object.hasOwn(handle, 'writeLatin1String')) return;
  const write = handle.writeLatin1String;
  Object.defineProperty(handle, 'writeLatin1String', {
    configurable: true,
    value(this: Handle, request: null, text: string): number | Pending {
      Reflect.deleteProperty(handle, 'writeLatin1String');
      way = request === null ? 'direct' : 'usual';
      return write?.call(this, request, text) ?? 0;
    },
  });
}
