/** Many clients that hold connections: idle after one request, or dripping a head or a body byte by byte. */
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Held {
  /** Connections that are open. */
  readonly open: number;
  close(): void;
}

/** Connected at once; more would wait for the listener's queue. */
const TOGETHER = 200;
/** ms for what is freed after the last connection to be freed. */
const SETTLE_MS = 3_000;
/** Each client sends something this often, each at a moment of its own, as clients do that know nothing of each other. */
export const DRIP_MS = 500;
const LOOK_MS = 1;

export async function hold(port: number, count: number, kind: 'idle' | 'slow'): Promise<Held> {
  const sockets: Socket[] = [];
  for (let begun = 0; begun < count; begun += TOGETHER) {
    const group = Array.from({ length: Math.min(TOGETHER, count - begun) }, (_, at) =>
      open(port, kind, begun + at),
    );
    for (const socket of await Promise.all(group)) if (socket !== null) sockets.push(socket);
  }
  if (kind === 'idle') await sleep(SETTLE_MS);
  const timer = kind === 'slow' ? setInterval(dripping(port, sockets), LOOK_MS) : undefined;
  return {
    get open() {
      return sockets.filter((socket) => !socket.destroyed && socket.readyState === 'open').length;
    },
    close() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
    },
  };
}

const HEAD = 'GET /small HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench\r\n';
const UPLOAD = 'POST /upload HTTP/1.1\r\nHost: bench\r\nContent-Length: 100000\r\n\r\n';

/** Resolves when it is connected, and an idle one when it has its answer. */
function open(port: number, kind: 'idle' | 'slow', index: number): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.on('error', () => resolve(null));
    // Refused where there is no place for it.
    socket.on('close', () => resolve(null));
    socket.on('data', () => resolve(socket));
    socket.on('connect', () => {
      if (kind === 'idle') socket.write(`${HEAD}\r\n`);
      else {
        // Half of them never end their head, half never their body.
        socket.write(index % 2 === 0 ? HEAD : UPLOAD);
        resolve(socket);
      }
    });
  });
}

/** Lets those drip whose moment has come since the last look. Those that are refused come again, as those of an attacker do. */
function dripping(port: number, sockets: Socket[]): () => void {
  const began = performance.now();
  let last = 0;
  return () => {
    const due = Math.floor(((performance.now() - began) / DRIP_MS) * sockets.length);
    // Where this process was held up for long, nobody drips twice at once.
    for (last = Math.max(last, due - sockets.length); last < due; last += 1) {
      const index = last % sockets.length;
      const socket = sockets[index];
      if (socket === undefined || socket.destroyed)
        void open(port, 'slow', index).then((again) => again !== null && (sockets[index] = again));
      else socket.write(index % 2 === 0 ? 'X: 1\r\n' : 'x');
    }
  };
}
