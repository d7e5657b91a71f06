import type { Emit } from '../core/events.ts';
import type { BlockReader, CarrierPort, LettersPort } from '../core/messages/ports.ts';
import type {
  BlockSourcePort,
  IpfsPort,
  ListsPort,
  OverlayPort,
  Provider,
  SharedBlocksPort,
  TrafficInfo,
} from '../core/ports.ts';
import type { Random } from '../core/random.ts';
import type { PartialReader } from '../core/transfer/ports.ts';
import type { PeerEntry } from './peers.ts';
import type { Announced } from './servers/announcer.ts';

export interface OverlayOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** Folder of the identity key and of the peers added at run time. */
  readonly dataFolder: string;
  readonly library: BlockSourcePort;
  /** Addresses to link to and to keep linked. */
  readonly peers: readonly string[];
  readonly emit: Emit;
  /** Milliseconds, monotonic. */
  readonly now: () => number;
  /** Not to be guessed by peers: numbers of tokens are drawn from it. */
  readonly random: Random;
  /** Names the port's option in errors. */
  readonly flag?: string;
  /** Neighbours this node looks for by itself; 0 keeps it to the addresses it was given. */
  readonly wantNeighbours?: number;
  /** Takes part in the DHT; true by default. */
  readonly dht?: boolean;
  /** log2 of the print groups to begin with; by default those of its first neighbours. */
  readonly bits?: number;
  /** ms that the size of the network must have changed before the groups do. */
  readonly resizeAfterMs?: number;
  /** Ask a second, independent member of each group before absent is said; true by default. */
  readonly audit?: boolean;
  /** Connections of their own for blocks, beside those of libp2p; true by default. */
  readonly lanes?: boolean;
  /** Bytes a second that file blocks may take now, out and in; null, and where this is left out: no limit. */
  readonly uploadLimit?: () => number | null;
  readonly downloadLimit?: () => number | null;
  /** Takes messages and offers; without it this node has no inbox. */
  readonly letters?: LettersPort;
  /** Files that are open to one peer alone, because they are being sent to it. */
  visible?(peer: string, cid: string): BlockReader | undefined;
  /** Files that are still being fetched: those who fetch the same get what is there. */
  partial?(cid: string): PartialReader | undefined;
  /** A neighbour linked, at these addresses. */
  linked?(provider: Provider): void;
  /** Someone else fetches this, and gives what it has by then. */
  fetcher?(cid: string, provider: Provider): void;
  /** Served to IPFS nodes by bitswap; by default nothing is. */
  readonly ipfsBlocks?: SharedBlocksPort;
}

export interface Overlay extends OverlayPort, ListsPort {
  readonly port: number;
  /** Messages and offers to other nodes. */
  readonly carrier: CarrierPort;
  /** Files of IPFS nodes. */
  readonly ipfs: IpfsPort;
  /** Multiaddrs with the peer id, as others can dial this node. */
  addresses(): readonly string[];
  /** Counts a lie that was proved: bytes of another hash, or a breach of the protocol. */
  liar(peer: string, why: string): void;
  addPeer(address: string, signal: AbortSignal): Promise<PeerEntry>;
  removePeer(address: string): Promise<boolean>;
  peers(): readonly PeerEntry[];
  /** File blocks sent and asked for. */
  traffic(): { readonly up: TrafficInfo; readonly down: TrafficInfo };
  /** Tells who has the key of the group where this server takes HTTP; once. */
  announce(server: Announced): Promise<void>;
  /** Resolves once every known address was tried, so that a search right after the start has somebody to ask. */
  settled(signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}
