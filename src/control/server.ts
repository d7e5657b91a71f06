import type { KelanaError } from '../core/errors.ts';
import type {
  GetHow,
  Holding,
  LimitsInfo,
  NeighbourInfo,
  PrintsInfo,
  Query,
  SearchEvent,
  SearchOptions,
} from '../core/ports.ts';
import type { QueuePort } from '../core/transfer/ports.ts';
import type { ListEvent } from './listing.ts';
import type { MailControls } from './mail.ts';
import type { GetEvent } from './operations.ts';
import { serveSocket } from './serve-socket.ts';

export interface PeerRow {
  readonly address: string;
  readonly state: string;
  readonly peer: string | null;
  readonly label: string;
  readonly error: KelanaError | null;
}

/** What commands may ask of a running node. */
export interface NodeControls {
  status(): NodeStatus;
  search(query: Query, options: SearchOptions): AsyncIterable<SearchEvent>;
  get(query: Query, options: GetHow): AsyncIterable<GetEvent>;
  /** Null on a node that lives only for one command. */
  readonly transfers: QueuePort | null;
  files(): readonly Holding[];
  folders(): readonly Holding[];
  /** What another node shares. */
  list(node: string, signal: AbortSignal): AsyncIterable<ListEvent>;
  shares(): readonly ShareRow[];
  /** `path` is absolute; the scan goes on where the reader leaves. */
  share(path: string, signal: AbortSignal): AsyncIterable<ShareEvent>;
  unshare(path: string): Promise<UnshareRow>;
  peers(): readonly PeerRow[];
  addPeer(address: string, signal: AbortSignal): Promise<PeerRow>;
  removePeer(address: string): Promise<boolean>;
  limits(): LimitsInfo;
  /** @throws KelanaError BAD_VALUE; CANNOT_WRITE where it cannot be saved: then it holds until the next start */
  setLimits(change: LimitsChange): Promise<LimitsInfo>;
  /** The inbox and outbox; a node that lives for one command has none. */
  readonly mail?: MailControls;
}

/** Texts of limits; a direction that is left out keeps its own. */
export interface LimitsChange {
  readonly up?: string;
  readonly down?: string;
  /** Keep it in the data folder, for later starts. */
  readonly save?: boolean;
}

/** How far a scan has come: files looked at, and of these hashed. */
export interface ScanRow {
  readonly looked: number;
  readonly hashed: number;
  readonly hashedBytes: number;
  /** Files that can be found by now. */
  readonly files: number;
  readonly ms: number;
}

export interface ShareRow {
  /** Absolute. */
  readonly path: string;
  /** Not there at the last look. */
  readonly missing: boolean;
  /** Kept by `kelana share`; else by `--share` of the node. */
  readonly kept: boolean;
  readonly files: number;
  readonly bytes: number;
  /** Of the folder, or of the file that was shared alone; null where it has none (yet). */
  readonly cid: string | null;
}

/** What `share` reports while it scans; the last event is `shared` or `failed`. */
export type ShareEvent =
  | ({ readonly type: 'scan' } & ScanRow)
  | ({ readonly type: 'shared' } & ShareRow)
  | { readonly type: 'failed'; readonly error: KelanaError };

export interface UnshareRow {
  readonly path: string;
  readonly removed: boolean;
  /** The node's own `--share` names it: it comes back when the node starts again. */
  readonly returns: boolean;
}

export interface NodeStatus {
  readonly label: string;
  readonly peerId: string;
  readonly addresses: readonly string[];
  readonly neighbours: readonly NeighbourInfo[];
  readonly prints: PrintsInfo;
  readonly limits: LimitsInfo;
  readonly files: number;
  readonly bytes: number;
  readonly scanning: boolean;
  /** Of the scan that runs, or null. */
  readonly scan: ScanRow | null;
  readonly pid: number;
  readonly uptimeSeconds: number;
  readonly memoryBytes: number;
}

/**
 * Serves the commands of this machine's user over a Unix socket (0600). Resolves to the way to stop it. What answers is
 * loaded by the first command: it takes 5 MiB, and most nodes of a network are never asked anything by a person.
 */
export function serveControl(path: string, controls: NodeControls): Promise<() => Promise<void>> {
  return serveSocket(path, () => import('./routes.ts').then(({ openRoutes }) => openRoutes(controls)));
}
