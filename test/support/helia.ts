import { noise } from '@chainsafe/libp2p-noise';
import { yamux } from '@chainsafe/libp2p-yamux';
import { withBitswap } from '@helia/bitswap';
import { withLibp2pLight } from '@helia/libp2p';
import { unixfs, type UnixFS } from '@helia/unixfs';
import { identify } from '@libp2p/identify';
import type { Libp2p } from '@libp2p/interface';
import { tcp } from '@libp2p/tcp';
import { tls } from '@libp2p/tls';
import { multiaddr } from '@multiformats/multiaddr';
import { createHeliaLight } from 'helia';
import { CID } from 'multiformats/cid';

/** A real Helia node (npm) on 127.0.0.1: its bitswap and UnixFS, over plain libp2p with TCP, and no public network. */
export interface HeliaNode extends AsyncDisposable {
  readonly libp2p: Libp2p;
  readonly fs: UnixFS;
  /** Multiaddr with the peer id. */
  readonly address: string;
  dial(address: string): Promise<void>;
  /** The whole file of a CID, from whom it is connected to. */
  read(cid: string, ms?: number): Promise<Uint8Array>;
}

export interface HeliaOptions {
  /** Default `tls`. */
  readonly encrypter?: 'tls' | 'noise';
}

export async function startHelia({ encrypter = 'tls' }: HeliaOptions = {}): Promise<HeliaNode> {
  const helia = withBitswap(
    withLibp2pLight(createHeliaLight(), {
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [encrypter === 'tls' ? tls() : noise()],
      streamMuxers: [yamux()],
      services: { identify: identify() },
    }),
  );
  await helia.start();
  const { libp2p } = helia;
  const fs = unixfs(helia);
  return {
    libp2p,
    fs,
    address: String(libp2p.getMultiaddrs()[0]),
    dial: async (address) => {
      await libp2p.dial(multiaddr(address));
    },
    read: async (cid, ms = 10_000) => {
      const parts: Uint8Array[] = [];
      for await (const part of fs.cat(CID.parse(cid), { signal: AbortSignal.timeout(ms) })) parts.push(part);
      return Buffer.concat(parts);
    },
    [Symbol.asyncDispose]: async () => {
      await helia.stop();
    },
  };
}
