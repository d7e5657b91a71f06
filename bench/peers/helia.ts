/**
 * One side of Helia, driven by messages of its parent (bench/transfer/helia.ts): bitswap over TCP, TLS and yamux, blocks
 * in memory on both sides, the sender alone being asked: no routing and no gateways.
 */
import { createReadStream, createWriteStream } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

interface Cid {
  toString(): string;
}
interface Helia {
  readonly libp2p: {
    getMultiaddrs(): readonly { toString(): string }[];
    dial(address: unknown): Promise<unknown>;
  };
  start(): Promise<unknown>;
}
interface UnixFs {
  addByteStream(bytes: AsyncIterable<Uint8Array>): Promise<Cid>;
  cat(cid: Cid): AsyncIterable<Uint8Array>;
}

export type Order =
  | { readonly type: 'start' }
  | { readonly type: 'add'; readonly path: string }
  | { readonly type: 'dial'; readonly address: string }
  | { readonly type: 'get'; readonly cid: string; readonly path: string };

/** Its packages are in a folder of its own, and may not be installed: no types of theirs are used. */
async function load<T>(name: string): Promise<T> {
  return (await import(name)) as T;
}

type Make = (options?: object) => unknown;
const { createHeliaLight } = await load<{ createHeliaLight: (options: object) => Helia }>('helia');
const { withLibp2pLight } = await load<{ withLibp2pLight: (helia: Helia, options: object) => Helia }>(
  '@helia/libp2p',
);
const { withBitswap } = await load<{ withBitswap: (helia: Helia) => Helia }>('@helia/bitswap');
const { unixfs } = await load<{ unixfs: (helia: Helia) => UnixFs }>('@helia/unixfs');
const { tcp } = await load<{ tcp: Make }>('@libp2p/tcp');
const { tls } = await load<{ tls: Make }>('@libp2p/tls');
const { yamux } = await load<{ yamux: Make }>('@chainsafe/libp2p-yamux');
const { identify } = await load<{ identify: Make }>('@libp2p/identify');
const { CID } = await load<{ CID: { parse(text: string): Cid } }>('multiformats/cid');
const { multiaddr } = await load<{ multiaddr: (text: string) => unknown }>('@multiformats/multiaddr');

const libp2p = {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [tls()],
  streamMuxers: [yamux()],
  services: { identify: identify() },
};
let helia: Helia | undefined;

async function started(): Promise<Helia> {
  if (helia !== undefined) return helia;
  const made = withBitswap(withLibp2pLight(createHeliaLight({}), libp2p));
  await made.start();
  helia = made;
  return made;
}

async function obey(order: Order): Promise<object> {
  const node = await started();
  const files = unixfs(node);
  switch (order.type) {
    case 'start':
      return { address: String(node.libp2p.getMultiaddrs()[0]) };
    case 'add': {
      const cid = await files.addByteStream(createReadStream(order.path, { highWaterMark: 1024 * 1024 }));
      return { cid: cid.toString() };
    }
    case 'dial':
      await node.libp2p.dial(multiaddr(order.address));
      return {};
    default:
      await pipeline(Readable.from(files.cat(CID.parse(order.cid))), createWriteStream(order.path));
      return {};
  }
}

process.on('message', (order: Order) => {
  obey(order).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.stack : String(error) }),
  );
});
process.on('disconnect', () => process.exit());
