import { once } from 'node:events';
import type { TestContext } from 'node:test';
import type { TLSSocket } from 'node:tls';
import { tlsClient } from './balancer.edge.kit.ts';
import { eventually } from './balancer.kit.ts';

/** A client that writes HTTP/2 frames by itself (RFC 9113 section 4.1), for what no library sends. */

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const;
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';

export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** Fields as HPACK literals without indexing, without Huffman (RFC 7541 section 6.2.2); names and values below 127 bytes. */
export function fields(...pairs: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(
    pairs.flatMap(([name, value]) => [
      Buffer.from([0, name.length]),
      Buffer.from(name, 'latin1'),
      Buffer.from([value.length]),
      Buffer.from(value, 'latin1'),
    ]),
  );
}

export const GET = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'kelana.test'],
  [':path', '/'],
] as const;

export class RawH2 {
  readonly socket: TLSSocket;
  readonly frames: { type: number; flags: number; stream: number; payload: Buffer }[] = [];
  closed = false;
  #rest = Buffer.alloc(0);

  constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('data', (bytes: Buffer) => {
      this.#rest = Buffer.concat([this.#rest, bytes]);
      while (this.#rest.length >= 9) {
        const end = 9 + this.#rest.readUIntBE(0, 3);
        if (this.#rest.length < end) break;
        const [type, flags, stream] = [
          this.#rest.readUInt8(3),
          this.#rest.readUInt8(4),
          this.#rest.readUInt32BE(5),
        ];
        this.frames.push({ type, flags, stream, payload: this.#rest.subarray(9, end) });
        this.#rest = this.#rest.subarray(end);
      }
    });
    this.send(Buffer.from(PREFACE), frame(TYPE.settings, 0, 0));
  }

  send(...parts: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  /** Sends again and again until the connection is closed, or so many bytes have gone; with the speed of the other side. */
  async flood(make: () => Buffer, most: number): Promise<number> {
    let sent = 0;
    while (!this.closed && !this.socket.destroyed && sent < most) {
      const bytes = make();
      sent += bytes.length;
      if (!this.socket.write(bytes))
        await Promise.race([once(this.socket, 'drain'), once(this.socket, 'close')]).catch(() => {});
      // The other side is in this process: it has to come to its turn.
      await new Promise((resolve) => {
        setImmediate(resolve);
      });
    }
    return sent;
  }

  got(type: number, stream: number): boolean {
    return this.frames.some((one) => one.type === type && one.stream === stream);
  }

  /** The error code of the GOAWAY, or null. */
  get goaway(): number | null {
    return this.frames.find(({ type }) => type === TYPE.goaway)?.payload.readUInt32BE(4) ?? null;
  }

  async ends(): Promise<void> {
    await eventually(() => this.closed, 'the end of the connection');
  }
}

export async function rawH2(t: TestContext, port: number, ca: string): Promise<RawH2> {
  return new RawH2(await tlsClient(t, port, { ca, ALPNProtocols: ['h2'] }));
}
