/**
 * Every default of kelana: value, unit and the reason for it. Rooms import the value they need;
 * nothing else in the code is a magic number.
 */
const KiB = 1024;
const MiB = 1024 * KiB;

/** Ports of the parts; those of the two seeds. */
export const PORTS = {
  node: 5001,
  server: 8080,
  /** Of the servers that `up` starts: 4080 and 4081. */
  serverOverlay: 4080,
  balancer: 8000,
} as const;

export const SEARCH = {
  /** ms. A walk over 1,000 nodes at 10 ms a hop takes 20 s; past a minute a person has given up. */
  timeoutMs: 60_000,
  /** ms between looks at deadlines: a verdict is late by this much at most. */
  tickMs: 250,
  /** Own searches under way at once. */
  maxOwn: 256,
  /** ms a node remembers a query's id after its deadline, so that a late token is still recognised. */
  markGraceMs: 10_000,
  /** Queries a node remembers at once: about 300 B each, so 3 MB at most. The oldest makes way. */
  maxMarks: 10_000,
  /** Bytes of UTF-8 in a query: the longest file name of common file systems (255) with a path before it. */
  maxQueryBytes: 1024,
  /** ms; the longest time a query may ask nodes to remember it. */
  maxTimeoutMs: 600_000,
  /** Nodes named in order in an answer, so that a person can follow the walk; the counts are exact beyond that. */
  maxTrail: 64,
  /** Hits one node answers a query with; more would not be read. */
  maxHits: 16,
  /** Names of missing nodes carried back; the count is exact beyond that. */
  maxMissing: 32,
} as const;

export const OVERLAY = {
  /** Neighbours a node keeps at most (DESIGN.md: 6 to 64). */
  maxNeighbours: 64,
  /** Bytes of one link frame: 16 hits with names of 1 KiB and 16 addresses each, 64 steps and 32 names are 128 KiB. */
  maxFrameBytes: 160 * KiB,
  /** ms to dial, secure, and say hello. A WAN handshake is four round trips; 10 s allows 2 s each. */
  dialTimeoutMs: 10_000,
  /** ms between pings on an idle link; and a link that is silent for three is lost. */
  pingIntervalMs: 5_000,
  /** ms; first and longest wait between attempts at a configured peer. */
  redialMinMs: 250,
  redialMaxMs: 15_000,
  /** ms that a search right after the start waits for first links: a LAN dial takes 20, one across the world 1,000. */
  settleMs: 5_000,
  /** Connections that may be in their handshake; libp2p's 10 lets ten silent sockets shut a node. */
  maxPendingInbound: 512,
  /** New connections a second from one address; libp2p's 5 trips honest nodes behind one NAT. */
  inboundPerSecond: 200,
  /** ms an inbound connection may take to be secured. */
  upgradeTimeoutMs: 5_000,
  /** Connections in all: 64 neighbours, and as many again for transfers and newcomers, times two. */
  maxConnections: 256,
  /** Bytes queued towards a neighbour before the link counts as dead: 6 largest frames. */
  maxSendQueueBytes: MiB,
} as const;

export const TRANSFER = {
  /** Bytes of one block: the leaf size of the UnixFS DAG (DESIGN.md). */
  blockBytes: MiB,
  /** Links of one DAG-PB node; with 1 MiB leaves and CIDv1 this is the IPFS profile "unixfs-v1-2025". */
  maxLinks: 1024,
  /** Bytes of one encoded DAG-PB node: 1,024 links of at most 50 B and as many sizes of 6 B are 57 KiB. */
  maxNodeBytes: 64 * KiB,
  /** Blocks asked for ahead; 8 MiB covers 1 Gbit/s at 60 ms round trip. */
  window: 8,
  /** Bytes of one data frame. */
  frameBytes: 256 * KiB,
  /** ms without a byte before a provider counts as gone. */
  idleTimeoutMs: 20_000,
  /** ms for one whole block: 1 MiB in five minutes is 3.5 kB/s; who is slower holds a download, not helps it. */
  blockTimeoutMs: 300_000,
  /** Bytes: the largest file that is taken: 2 levels of 1024 links of 1 MiB. */
  maxFileBytes: 1024 * 1024 * MiB,
  /** Uploads served at once to one peer and in all; each holds at most one block in memory. */
  maxUploadsPerPeer: 8,
  maxUploads: 64,
} as const;

export const LIBRARY = {
  /** Files of one library; the index holds about 400 B each. */
  maxFiles: 1_000_000,
  /** Matches one query returns. */
  maxMatches: 16,
  /** ms between looks at the shared folder for changed files. */
  rescanMs: 2_000,
  /** Bytes read at once while hashing: one block. */
  readBytes: MiB,
  /** Files hashed at once: one reads while the other hashes; more would only compete for the disk. */
  hashLanes: 2,
  /** ms a file must have been left alone before it is hashed: a kernel tick (1 to 10) with room for slow writers. */
  settleMs: 50,
  /** ms until files that were still being written are looked at again. */
  retryMs: 100,
  /** A walk over the folders may take at most one part in this many of the time. */
  rescanShare: 10,
  /** Entries of a folder whose state is asked for at once; libuv has four threads for it. */
  statBatch: 64,
  /** Files kept open for readers, and ms after which an idle one is closed. */
  maxHandles: 32,
  handleIdleMs: 10_000,
  /** Rows written to the index in one transaction; the index is a cache, so a crash only costs hashing again. */
  indexBatch: 256,
  /** Bytes of UTF-8 in one file name (NAME_MAX of Linux) and in a path below the shared folder. */
  maxSegmentBytes: 255,
  maxPathBytes: 1024,
  /** Paths remembered as reported, so that an unreadable file is reported once. */
  maxReported: 1_000,
  /** `name (1)` to `name (999)` are tried before a download is refused. */
  maxNumbered: 999,
} as const;

export const MAILBOX = {
  /** Bytes of UTF-8 in one message. */
  maxTextBytes: 64 * KiB,
  /** Messages one GET returns at most, and when it does not say. */
  maxLimit: 1000,
  defaultLimit: 100,
  /** Bytes of a room, receiver or idempotency key. */
  maxLabelBytes: 256,
  /** ms a writer waits for another process's write lock before it fails. */
  busyTimeoutMs: 10_000,
  /** ms between looks for messages that another server took, for streams. */
  pollMs: 100,
  /** Room of a message that names none ("umum": general). */
  defaultRoom: 'umum',
  /** Messages, and bytes of their texts, that may wait for a commit; beyond that a server sheds with 503. */
  maxPending: 10_000,
  maxPendingBytes: 32 * MiB,
  /** Messages in one transaction: one fsync for all, and about 5 ms of inserts at most. */
  maxBatch: 500,
  /** Bytes of text one look at the store brings back (at least one message), so that a page never fills memory. */
  pageBytes: 256 * KiB,
  /** ms between attempts to open a store anew whose disk refused a write. */
  reopenMs: 1_000,
} as const;

export const SERVER = {
  /** ms an idle keep-alive connection is kept; above the balancer's, so that the balancer closes first. */
  keepAliveMs: 75_000,
  /** ms to receive a request's head. */
  headTimeoutMs: 10_000,
  /** ms a search behind GET /files may take. */
  searchTimeoutMs: 15_000,
  /** Streams of messages (SSE) open at once. */
  maxStreams: 1_000,
  /** Searches (GET /search, and GET /files of what is not here) running at once; each holds a walk in the overlay. */
  maxSearches: 64,
  /** Files going in or out at once; each holds about 2 MiB on its way. Others wait in line this many ms at most. */
  maxTransfers: 256,
  queueMs: 10_000,
  /** TCP connections at once: one descriptor each; above the balancer's so that the balancer is the one to refuse. */
  maxConnections: 12_000,
  /** ms a connection may be silent while a request or response is under way. */
  idleMs: 60_000,
  /** ms for the whole body of a message: 400 KB at a slow 3G's 100 kbit/s. */
  bodyTimeoutMs: 30_000,
  /** Bytes of a message's body: JSON may spend six bytes on one of its text. */
  maxBodyBytes: 6 * 64 * KiB + 4 * KiB,
  /** Bytes of an unread upload that are still taken in after a refusal, so that the client reads the answer. */
  maxLingerBytes: MiB,
  /** ms running requests get to finish when the server stops. */
  closeMs: 3_000,
  /** ms between the comments that keep an idle stream open through proxies; nginx cuts at 60 s. */
  heartbeatMs: 15_000,
  /** ms a reader of a stream may leave its socket full before it is closed; it resumes with Last-Event-ID. */
  slowReaderMs: 10_000,
  /** Newest messages kept in memory for streams, by count and bytes; a reader further behind reads the store. */
  maxRecent: 1_000,
  maxRecentBytes: MiB,
  /** Bytes of files that pass between two minor collections of garbage (src/server/sweep.ts). */
  sweepBytes: 16 * MiB,
  /** UTF-16 units of the text that a reply repeats. */
  replyChars: 200,
} as const;

export const BALANCER = {
  /** Bytes of a request's or response's head; nginx's default for large heads is 4 × 8 KiB. */
  maxHeadBytes: 32 * KiB,
  /** Header fields in one head; Apache's default is 100. */
  maxHeaders: 100,
  /** ms from the first byte of a head to its last; nginx waits 60 s, which lets slow drips pile up. */
  headTimeoutMs: 10_000,
  /** ms a client connection may idle between requests. */
  clientIdleMs: 60_000,
  /** ms a body may stall, either way. */
  bodyIdleMs: 30_000,
  /** ms to connect to a backend; a LAN connects in 1, a lost SYN is sent again after 1,000. */
  connectTimeoutMs: 3_000,
  /** ms a backend may take to send its response's head. */
  responseTimeoutMs: 60_000,
  /** ms an upstream connection is kept idle; below the server's keep-alive. */
  upstreamIdleMs: 30_000,
  /** Idle upstream connections kept per backend. */
  maxIdlePerBackend: 256,
  /** Client connections at once: two descriptors each, within the usual limit of 4,096 or more. */
  maxConnections: 10_000,
  /** ms between looks at a backend that is down: the first comes soon, for a blip, and the wait doubles. */
  recheckMinMs: 100,
  recheckMs: 500,
  /** Bytes of chunk extensions in one message, all dropped; llhttp allows the same 16 KiB. */
  maxExtensionBytes: 16 * KiB,
  /** 1xx responses before the final one; real servers send one or two. */
  maxInterim: 16,
  /** Bytes of a request's body kept so that it may be sent again (only with an Idempotency-Key). */
  maxReplayBytes: 64 * KiB,
  /** Bytes joined into one write; above this, copying costs more than the second buffer. */
  joinBytes: 16 * KiB,
  /** Bytes of the buffer an upstream connection reads into; what libuv offers a read. */
  readBytes: 64 * KiB,
  /** ms between looks at the deadlines above; the shortest of them is tens of times longer. */
  sweepMs: 100,
  /** ms a refused client is still read from, so that the answer is not lost to a reset (RFC 9112 section 9.6). */
  lingerMs: 1_000,
  /** ms running requests get when the balancer stops; the command promises 4 s in all. */
  closeMs: 3_000,
  /** Seconds a client should wait when no backend is up: they are looked at twice a second. */
  retryAfterSeconds: 1,
} as const;

export const CLIENTS = {
  /** What a bare run proposes, as the seed's script does. */
  clients: 10,
  requests: 10,
  /** Clients in one process; each holds a socket. */
  maxClients: 20_000,
  /** ms from a request's send to the end of its response; of a file, from its last byte sent. */
  timeoutMs: 30_000,
  /** ms to connect: a LAN needs 1, a lost SYN is sent again after 1,000 and 3,000. */
  connectTimeoutMs: 5_000,
  /** Connects under way at once, below the usual listen backlog of 511, so that none is dropped and sent again. */
  connectsAtOnce: 256,
  /**
   * ms before each repeat of a request whose connection broke, with the same Idempotency-Key. A balancer has another
   * server at once; a part that is started again is back within half a second.
   */
  retryWaitsMs: [25, 500],
  /** Requests up to which each one is logged when `--log-requests` does not say; five lines each. */
  logAllUpTo: 1_000,
  /** ms between looks at the progress. */
  progressMs: 250,
  /** Bytes of a file read at once; each client that sends holds one such piece. */
  readBytes: 128 * KiB,
  /** Bytes and header fields of a response's head, and bytes of chunk extensions; as the balancer's. */
  maxHeadBytes: 32 * KiB,
  maxHeaders: 100,
  maxExtensionBytes: 16 * KiB,
  /** Interim (1xx) responses before a final one; none is asked for, and a server that sends more is not answering. */
  maxInterim: 8,
  /** Significant digits of the HDR histogram: 3 is 0.1 %. */
  histogramDigits: 3,
  /** Bytes of a response body that is looked at; the rest is counted and dropped. */
  maxReplyBytes: 64 * KiB,
} as const;

export const PROMPT = {
  /** Bytes of one line of piped answers; twice the longest message, for text that is not all ASCII. */
  maxLineBytes: 128 * KiB,
  /** Lines typed or piped ahead of their questions that are kept. */
  maxAhead: 1_000,
} as const;

export const LOG = {
  /** Events a sink holds while it writes; beyond that it counts what it drops. */
  maxQueued: 50_000,
  /** ms between writes of what has gathered. */
  flushMs: 50,
  /** Characters of outside text in one log line. */
  maxTextChars: 500,
  /** Bytes a sink holds while it writes: 50,000 usual events of 300 B are 15 MB, one message may be 64 KiB. */
  maxQueuedBytes: 32 * MiB,
  /** Events and bytes in one write or transaction: some 5 ms of work, so that a slow disk holds up little. */
  maxBatch: 1_000,
  maxBatchBytes: MiB,
  /** ms before a sink that failed (disk full, folder gone) tries again. */
  retryMs: 1_000,
  /** ms a part waits at its end for its last events to be written; `up` allows 4 s for all of its stop. */
  stopMs: 2_000,
  /** ms a log writer waits for another process's SQLite lock; it waits in a thread of its own. */
  busyTimeoutMs: 10_000,
  /** Items of a list in one log line; the rest is counted. */
  maxListed: 8,
  /** Lines `kelana log` shows when neither --since nor --limit says how many: a few screens. */
  shownLines: 1_000,
  /** ms between looks for new events of `kelana log --follow`: soon enough to seem at once. */
  followMs: 200,
} as const;

export const UP = {
  /** ms; first and longest wait before a part that died is started again, and the run after which the wait starts anew. */
  restartMinMs: 250,
  restartMaxMs: 10_000,
  stableMs: 10_000,
  /** ms for all parts to stop after Ctrl+C before they are killed; the promise is 5 s in all. */
  stopMs: 4_000,
  /** ms for all parts to be ready. */
  readyMs: 30_000,
} as const;
