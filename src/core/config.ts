/**
 * Every default of kelana: value, unit and the reason for it. Rooms import the value they need;
 * nothing else in the code is a magic number.
 * One file, long as it is: a person who asks what a limit is, and why, looks in one place.
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
  /** Searches of others that get a line in the log a second, and ten times as many at once. */
  logPerSecond: 100,
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
  /** Files that one node answers a query with: three screens; their names of 1 KiB at most still fit one frame. */
  maxHits: 64,
  /** Hits that end a search when nobody says how many: a screen of them. `get` needs one. */
  want: 20,
  /** ms that hits are gathered before the first is shown, so that holders of one file come as one hit. */
  gatherMs: 10,
  /** Hits that may be asked for: each is held until the verdict, some 500 B. */
  maxWant: 1_000,
  /** Words of a query; and extensions of a type filter (all six sets of core/search/filters.ts have 103) and bytes of each. */
  maxWords: 32,
  maxTypes: 128,
  maxTypeBytes: 32,
  /** Words of a path: 1,024 bytes hold no more, so that none is ever left out; and characters of a word. */
  maxPathWords: 512,
  maxWordChars: 64,
  /** `?` and `[…]` of a pattern, and characters of a set: 100,000 names then take a second at the very worst. */
  maxWildcards: 16,
  maxSetChars: 64,
  /** Hops of a flood at most, and when nobody says; 8 reaches all but a few nodes of 10,000 (Lv et al. 2002). */
  maxTtl: 32,
  floodTtl: 8,
  /** Hops of the first ring, and how much further each next one goes. */
  ringFirst: 1,
  ringStep: 2,
  /** ms that a flood is given for each hop, out and back, before the next ring or the end. */
  floodHopMs: 200,
  /** Random walkers at once, and hops between their checks with the origin (Lv et al. 2002: 16 to 64, and 4). */
  walkers: 32,
  maxWalkers: 256,
  checkEvery: 4,
  /**
   * Hops after which a walker gives up, at most, and by the size of the network: all walkers together make so many hops
   * a node. One copy among 10,000 nodes takes 4.2 a node in the mean (SEARCH.md).
   */
  maxWalkerHops: 8_192,
  walkerHopsPerNode: 20,
  /** ms a walker or token waits for its origin's word before it ends. */
  checkTimeoutMs: 5_000,
  /** log2 of the groups at most: 4,096 groups serve 40 million nodes. */
  maxGroupBits: 12,
  /** Nodes below which everybody holds all prints (g = 1), and the factor of g = 0.64·√N (SEARCH.md: upkeep and hops even). */
  oneGroupBelow: 64,
  groupFactor: 0.64,
  /** Tokens of one query at once: max(8, g / 16), 256 at 4,096 groups. */
  maxTokens: 256,
  tokensLeast: 8,
  tokensShare: 16,
  /** Groups a token asks before it comes home, where there are several: then its origin can end or split the rest. */
  leash: 4,
  /** Each round of homecomings has so many times as many tokens as the one before. */
  tokenGrowth: 4,
  /** Neighbours in groups not asked yet from which a token goes to one of them; with fewer it goes to any contact. */
  spread: 3,
  /** Neighbours with which a node always prefers them: no hub is behind all of so many. */
  wellLinked: 6,
  /** Addresses that a frame gives of its origin: one of the LAN, one of the world, one of each for IPv6. */
  homeAddresses: 4,
  /**
   * What others say of how many members they asked is taken up to so many times what this node's own group has, and so
   * many more: groups are of unlike size. A whole walk's count: up to so many times the nodes there are, by estimate, or
   * so many where this node may know too few of them to tell.
   */
  groupSpread: 4,
  groupSlack: 16,
  leastCount: 1_000,
  /** Members of a group that are tried before the group counts as failed. */
  memberTries: 3,
  /** Tokens sent for the same groups before their silence counts as lost. */
  tokenAttempts: 3,
  /** ms without word of a token, beside so much for each group on its leash, before its groups are asked anew. */
  tokenSilenceMs: 1_000,
  tokenHopMs: 500,
  /** ms for which a peer that could not be reached is not asked again. */
  downMs: 10_000,
  /** Peers whose hits proved false that a walk carries with it; and walks begun anew for that reason. */
  maxLiars: 8,
  maxRestarts: 3,
  /** Proofs of holding under way at once, and hits waiting for theirs. */
  provesAtOnce: 8,
  maxOffers: 256,
  /**
   * Nodes of a file, 57 KiB each, that may pass by in a search until the one comes that was drawn, where its holder gives all
   * or none: files of 128 GiB. One at a time is in memory.
   */
  maxPassedNodes: 129,
  /** ms a holder may take to confirm what its prints say. */
  confirmTimeoutMs: 5_000,
  /**
   * ms after which a holder counts as slow, so that another is asked beside it; a dial across the world takes some 800.
   * And so many may be open at once, slow ones included; of one source while others wait: confirmAtOnce.
   */
  confirmPatienceMs: 500,
  confirmOpen: 32,
  /** ms in which it shows a block of the file, 1 MiB at most: 70 kB/s. */
  proveTimeoutMs: 15_000,
  /**
   * ms for which a node without neighbours remembers those it had: until then it is cut off for all it knows, and says
   * `incomplete`. And so many of them.
   */
  formerMs: 3_600_000,
  maxFormer: 64,
  /** Holders asked at once, and candidates that a member names at most. */
  confirmAtOnce: 8,
  maxCandidates: 32,
  /** ms: prints count as synced that were whole at most this long before the query's start (SEARCH.md). */
  syncBoundMs: 30_000,
  /** ms that `auto` gives the DHT before it goes on; a look-up among 1 M nodes is some 5 round trips. */
  dhtStageMs: 5_000,
  /** ms that a search right after the start waits for the first exchange of prints: some round trips across the world. */
  settlePrintsMs: 1_000,
  /** Estimated nodes up to which `auto` walks where prints gave no answer: 2·edges frames, some 10 s at 1 ms each. */
  walkUpTo: 1_000,
  /** Names of missing nodes carried back; the count is exact beyond that. */
  maxMissing: 32,
} as const;

/** The prints of a library (core/search/prints.ts). */
export const PRINTS = {
  /** Files of one segment when it is written: some 4.5 kB, which is what a change of one file sends. */
  segmentFiles: 256,
  maxSegments: 256,
  /** Files and bytes of the prints of one node; who has more is asked whatever the query is. */
  maxFiles: 65_536,
  maxBytes: 2 * MiB,
  /** Files and words of one segment that are read: far above what is written, far below what would hurt. */
  maxSegmentFiles: 4_096,
  maxSegmentWords: 65_536,
  /** Bytes of one segment in a frame; 320 files of 200 words each come to that, and it fits OVERLAY.maxFrameBytes. */
  maxSegmentBytes: 128 * KiB,
  /** ms between looks at what is due; as SEARCH.tickMs. */
  tickMs: 250,
  /**
   * ms between status frames on a link at most; and how old a proof may become where links are many in a row: those
   * nodes send statuses oftener, once a second at most. The middle of a row sees fewer links and is slower, so that
   * its ends come to twice this, which is still below SEARCH.syncBoundMs.
   */
  syncMs: 5_000,
  proofMs: 12_000,
  leastSyncMs: 1_000,
  /** ms that a table must be quiet before what changed is compared again: a few round trips on a LAN. */
  settleMs: 100,
  /** ms between exchanges with a member that is no neighbour: a partition of the links heals in that time. */
  healMs: 30_000,
  /** ms after which the owner signs its record anew; and after two, a record counts as old and is passed on no more. */
  refreshMs: 120_000,
  fadeMs: 240_000,
  /** ms without a new record after which a member counts as gone: three refreshes, and 40 s for slow links. */
  expireMs: 400_000,
  /**
   * ms: proofs older than this are none. It must stay below fadeMs - refreshMs (core/search/levels.ts), and searches
   * need less than SEARCH.syncBoundMs.
   */
  staleMs: 90_000,
  /** ms a fresh link may take for its first exchange before a node that was synced counts as synced no more. */
  graceMs: 3_000,
  /** ms the size of the network must be off 2 times before groups change; 4 times: a 60th of it (SEARCH.md). */
  resizeAfterMs: 600_000,
  /** Links that a proof reaches over, with one group and with several: random graphs of degree 4 and 4,096 nodes need 9. */
  maxLevels: 64,
  maxLevelsGrouped: 16,
  /** Records in a table: 26 times the 156 of a group of 10,000 nodes. Sybils cannot push out who was there before. */
  maxMembers: 4_096,
  /** Records of owners that one peer brought first: what it makes up leaves room for what others bring. */
  maxOfOne: 3_072,
  /**
   * Of the members that this node has not met, so many are tried of each neighbour that brought some, these at once at
   * most, and one in so many ms after the first few; the others count as often as those were reached. Before that so
   * many are believed, which is one group of all.
   */
  tries: 8,
  triesLeast: 3,
  triesAtOnce: 4,
  tryMs: 1_000,
  tryTimeoutMs: 5_000,
  believedUntried: 64,
  /** ms for which a member that was never met and could not be reached is not asked, and counts as missing. */
  awayMs: 60_000,
  /** Bytes of segments in a table, those under way included: 63 libraries of 65,536 files fit. */
  maxTableBytes: 256 * MiB,
  /** Owners whose last number is remembered after their record was dropped, so that no replay brings it back; 60 B each. */
  maxForgotten: 8_192,
  /** Peers known but not linked, about 500 B each; and of each group at most, three of each half. */
  maxContacts: 4_096,
  contactsPerGroup: 6,
  /** Failures in a row after which a contact is dropped. */
  maxContactFailures: 3,
  /** Signatures checked for one peer in a second: some 0.1 ms each, so 2 % of a core. */
  verifiesPerSecond: 200,
  /** Status frames read from one peer in a second; honest ones send some 2. */
  statusesPerSecond: 50,
  /** Bytes a second that one peer may have answered, and at once: half of what OVERLAY.maxSendQueueBytes allows. */
  answerBytesPerSecond: 2 * MiB,
  answerBurstBytes: 512 * KiB,
  /** Segments asked of one peer at once: a round trip each 8 × 5 kB, and within the burst above when they are large. */
  wantsAtOnce: 4,
  /** ms until a segment that did not come is asked of another peer; and until its record is given up. */
  wantTimeoutMs: 2_000,
  pendingMs: 30_000,
  /** Records whose segments are under way at once. */
  maxPending: 1_024,
  /** Peers that are no neighbours whose work is counted at once: one exchange each healMs, and as many that ask us. */
  maxStrangers: 64,
  /**
   * ms during which a neighbour that shares the group may fail to agree and bring nothing before it is reported: twelve
   * statuses. Until it is dropped no miss is proved here.
   */
  disagreeMs: 60_000,
  /** ms without a status after which the link to a neighbour of the group is of no use: honest ones send four. */
  muteMs: 20_000,
  /** Bytes of headers or segments that fill one frame. */
  frameBytes: 24 * KiB,
} as const;

export const OVERLAY = {
  /** Neighbours a node keeps at most (DESIGN.md: 6 to 64). */
  maxNeighbours: 64,
  /** ms that a link may take to pass on what was sent before its end; and from the last word to neighbours to the stop. */
  closeMs: 500,
  leaveMs: 50,
  /** The fewest neighbours that a node is content with (DESIGN.md: 6 to 64). */
  minNeighbours: 6,
  /** Frames a second that a neighbour may send, and twice as many at once: ten times what 100 searches a second need. */
  linkFramesPerSecond: 5_000,
  /**
   * Questions taken from a neighbour a second, and twice as many at once; more are left unread. So what is passed on for
   * two flooders stays below what gets a neighbour dropped. Floods and walkers, which others multiply and whose loss
   * denies nothing, are taken less: a core passes on some 5,000 floods a second.
   */
  linkQuestionsPerSecond: 2_000,
  linkFloodsPerSecond: 500,
  /** Bytes of one link frame: 64 hits of one holder with names of 1 KiB, and 32 candidates of 4.5 KiB, are 224 KiB. */
  maxFrameBytes: 256 * KiB,
  /** ms to dial, secure, and say hello. A WAN handshake is four round trips; 10 s allows 2 s each. */
  dialTimeoutMs: 10_000,
  /** ms within which each side of a link lets the other hear something; and one that is silent for three is lost. */
  pingIntervalMs: 5_000,
  /** ms between pings of the muxer, by which it knows the round trip; TCP connections without a byte end after 120 s. */
  muxerPingMs: 90_000,
  /** ms; first and longest time for which a neighbour that says nothing of prints is not linked again. */
  muteMinMs: 60_000,
  muteMaxMs: 3_600_000,
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
  /** Contacts in one `peers` frame: 16 of 100 B say enough at once. */
  maxContactsSent: 16,
  /** Bytes queued towards a neighbour before the link counts as dead: 4 largest frames. */
  maxSendQueueBytes: MiB,
  /** Neighbours a node looks for by itself: the mean of SEARCH.md, where a random graph is connected up to millions. */
  wantNeighbours: 12,
  /** ms between `peers` frames, each to one neighbour: 12 neighbours hear of others once a minute. */
  exchangeMs: 5_000,
  /** ms between looks at whom to link to while neighbours are missing, and once there are enough. */
  chooseMs: 1_000,
  chooseIdleMs: 60_000,
  /** `peers` frames taken from one neighbour in a minute: honest ones send 12 and one at the start. */
  maxPeersPerMinute: 30,
  /** Dials to chosen peers at once: enough for 12 links in a second, and no burst. */
  chooseDials: 2,
  /** ms; first and longest wait before a chosen peer is dialled again that did not take the link. */
  chooseBackOffMinMs: 5_000,
  chooseBackOffMaxMs: 300_000,
  /** Streams to and from peers that are no neighbours, at once: a search of 4,096 groups forks into 256 tokens, half in flight. */
  maxGuests: 128,
  /** ms a stream to a guest may lie idle: the next search of a burst finds it open. */
  guestIdleMs: 30_000,
  /**
   * Dials a minute to one address, and to one host, on behalf of searches: frames name where their origin is, and a
   * liar names who is to be flooded. Many nodes may share a host, but not an address.
   */
  guestDialsPerAddress: 6,
  guestDialsPerHost: 300,
  /** ms a frame to a guest may wait for its stream: who is slower than three WAN handshakes is asked in vain. */
  askTimeoutMs: 3_000,
  /** Frames and bytes that wait for one guest's stream, and bytes that may lie unsent once it is open. */
  maxGuestFrames: 64,
  maxGuestBytes: 64 * KiB,
  maxGuestQueueBytes: 256 * KiB,
  /** Guests dialled at once, and in line for it. */
  maxGuestDials: 32,
  maxGuestLine: 256,
  /** ms during which a guest that was not reached is not dialled again at the same addresses; and how many are remembered. */
  guestFailMs: 5_000,
  maxGuestFails: 512,
  /** Frames and bytes a second that one guest may send; a whole search needs some tens. */
  guestFramesPerSecond: 500,
  guestBytesPerSecond: 2 * MiB,
  /** ms after which a connection that carries no stream is closed, and how many such are kept at most. */
  idleConnectionMs: 30_000,
  maxIdleConnections: 32,
  /** Peers whose addresses are remembered, and bytes of that: some 500 B each. */
  maxKnownPeers: 10_000,
  maxKnownBytes: 8 * MiB,
  /** Bytes remembered of one peer: addresses, protocols, a signed record; 2 KiB are usual. */
  maxKnownPeerBytes: 16 * KiB,
  /** Lies in `lieWindowMs` that get a peer dropped and refused for `banMs`: one may be a race, three are not. */
  maxLies: 3,
  lieWindowMs: 600_000,
  banMs: 3_600_000,
  /** Peers whose lies are remembered; about 200 B each. */
  maxScored: 1_024,
} as const;

export const DHT = {
  /** Nodes that keep one record, and how many are asked at once (Maymounkov and Mazières 2002; SEARCH.md). */
  k: 20,
  alpha: 3,
  /** Bits of the table's prefix tree: 2^8 buckets of 20 know a node's 20 nearest exactly up to 5,000 nodes. */
  prefixBits: 8,
  /** ms after the first node is known at which a node looks for its own surroundings, and between the looks that follow. */
  lookAroundMs: [2_000, 60_000],
  lookAgainMs: 900_000,
  /** ms for one such look: some 40 dials, three at once. */
  lookMs: 60_000,
  /** ms to reach one node and hear its answer. */
  requestMs: 3_000,
  /** ms for a whole look-up, and for publishing one key. */
  findMs: 10_000,
  provideMs: 30_000,
  /** Providers one look-up names at most. */
  maxProviders: 20,
  /** ms between publishings of a record, and after which one expires: one publishing may fail. */
  republishMs: 12 * 3_600_000,
  validityMs: 24 * 3_600_000,
  /** ms between looks for expired records. */
  cleanUpMs: 3_600_000,
  /** Keys of this node: the names and CIDs of its 5,000 newest files. */
  maxKeys: 10_000,
  /** Keys published at once after the start or a change, then a minute; each costs some 40 messages. */
  provideBurst: 60,
  providesPerMinute: 30,
  /** Keys published side by side. */
  providesAtOnce: 2,
  /** ms before a key is tried again that no node took. */
  provideRetryMs: 60_000,
  /** Records kept for others, about 300 B each in memory, and bytes of their keys and values. */
  maxRecords: 50_000,
  maxRecordBytes: 16 * MiB,
  /** Peers named by strangers that are taken into the address book a second, and at once: one answer names 20. */
  discoveredPerSecond: 50,
  discoveredBurst: 400,
  /** Newcomers of the table that wait to be looked at. */
  maxTableQueue: 256,
  /**
   * Dials that kad-dht may make by itself, at once and then a minute: to refresh its table every five minutes, to see
   * whether old entries live. A dial costs both ends together some 30 ms of a core, and a refresh would make twenty.
   */
  ownDialsBurst: 20,
  ownDialsPerMinute: 4,
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
  /** Bytes written to a socket at once: what fits a core's cache is encrypted a third faster than a whole block. */
  frameBytes: 64 * KiB,
  /** Bytes of a large block that are read at once and written as one frame, and how many such pieces an upload holds. */
  pieceBytes: 256 * KiB,
  piecesAhead: 3,
  /**
   * Questions that wait for others, so that several go in one write: at most one for so many that are on their way, and
   * none while fewer than this are.
   */
  asksTogether: 3,
  asksAhead: 8,
  /** Requests of one asker that may wait at a provider at once; 4,096 files of 4 KiB are 0.2 s at the speed of the wire. */
  maxAsked: 4096,
  /** Blocks of one upload that are read ahead of the socket, a MiB each: one is read while one is encrypted. */
  readAhead: 3,
  /** ms that a lane without requests stays open: the next file of a person who looks around begins at once. */
  laneIdleMs: 30_000,
  /**
   * Bytes of files of one block that searches were just shown, kept for the download that follows; and ms, as a download
   * begins within a few of them. Small: a search of many files is shown a block of each.
   */
  shownBytes: MiB,
  shownMs: 2_000,
  /** ms to dial and secure a lane before a stream of libp2p is used in its place. */
  laneTimeoutMs: 3_000,
  /** ms without a byte before a provider counts as gone. */
  idleTimeoutMs: 20_000,
  /** Bytes a second at which whatever is no block has to come, after as many ms: it is waited for by all that follows. */
  leastAnswerBytesPerSecond: 4 * KiB,
  /** Bytes: the largest file that is taken: 2 levels of 1024 links of 1 MiB. */
  maxFileBytes: 1024 * 1024 * MiB,
  /** Uploads served at once to one peer and in all; each holds at most one block in memory. */
  maxUploadsPerPeer: 8,
  maxUploads: 64,
  /** ms without a request to answer after which an upload makes way, where others want its place: longer than a round trip. */
  placeIdleMs: 2_000,
} as const;

export const LIMITS = {
  /**
   * Bytes a second that a limit allows at least: the debt that a turn of a whole block leaves is paid in 17 s, before
   * anybody who waits meanwhile gives up (TRANSFER.idleTimeoutMs). And at most: beyond any wire, still exact as a number.
   */
  leastBytesPerSecond: 64_000,
  mostBytesPerSecond: 1e12,
  /** Rules of one schedule, and characters of its text: a rule for every hour of a day, with days and rates. */
  maxRules: 24,
  maxTextChars: 1_024,
  /**
   * ms of a rate that may be used at once after silence. Over ten seconds that is 0.5 % too much at most.
   */
  burstMs: 50,
  /** The same where somebody waited all the while for a loop that was late: on a busy machine by 100 ms and more. */
  lateMs: 250,
  /** ms of a rate that one turn takes, so that many peers follow each other closely; and bytes at least. */
  turnMs: 20,
  leastTurnBytes: 4 * KiB,
  /** Peers whose share is kept: twice OVERLAY.maxConnections; about 200 B each. */
  maxPeers: 512,
  /** Turns that one peer may wait for at once: eight times its uploads. */
  maxWaits: 64,
  /** Bytes a peer may be behind the others and still make up for: one frame, which passes while it asks again. */
  maxBehindBytes: 256 * KiB,
  /** ms until a limit that changed is noticed by who waits. */
  recheckMs: 250,
  /** ms over which the shown rate is the mean, and ms of one of its steps. */
  meterMs: 5_000,
  meterStepMs: 250,
} as const;

/** Files on their way to the disk (src/library/incoming.ts, writer.ts). */
export const INCOMING = {
  /** Slots of `TRANSFER.blockBytes` in a node: what all its downloads together hold in memory at most. */
  slots: 16,
  /** ms without work after which the thread ends and the slots are given back: a start costs some 40 ms. */
  idleMs: 30_000,
  /** ms for one piece of work of the disk: a busy disk answers within seconds, one that hangs never. */
  diskTimeoutMs: 60_000,
  /** Blocks hashed anew in one piece of work after a restart, so that new blocks of others wait 10 ms at most. */
  checkBlocks: 8,
  /** Bytes at the end of a block that nobody claimed which are looked at first: zeros are most likely a hole. */
  tailBytes: 4 * KiB,
  /** Small files in one piece of work: some 10 ms. */
  batchFiles: 256,
  /** Files of one folder: as many as a library may have. */
  maxFolderFiles: 1_000_000,
  /** ms that a download is kept which nobody goes on with: 30 days, a long holiday. */
  keepMs: 30 * 24 * 3_600_000,
  /** Attempts to take a part that two processes want at the same moment, and ms between them at most, by chance. */
  claimTries: 5,
  claimWaitMs: 50,
} as const;

/** A download from many providers at once (core/transfer/plan.ts, transfers/swarm.ts). */
export const SWARM = {
  /** Files begun on the disk while a search is shown them, and ms that one is kept: a proof takes a few of them. */
  maxExpected: 4,
  expectedMs: 2_000,
  /** Blocks on their way from one provider: 16 MiB cover 1 GB/s at 16 ms, and 1 Gbit/s at 130 ms. */
  maxAsked: 2 * TRANSFER.window,
  /** Blocks on their way in all, each with its memory: 24 MiB beside the 100 of an idle node. */
  maxOutstanding: 3 * TRANSFER.window,
  /** The same from one provider at least: one on the wire, and one that follows it without a pause. */
  minAsked: 2,
  /** Blocks asked of a provider whose rate is not known; one more with each block that comes, as in slow start. */
  firstAsked: 4,
  /** ms of work that a provider should have before it, at its measured rate: longer than any pause of ours. */
  aheadMs: 1_000,
  /** The same before one that has all, where others have parts and get more each moment. */
  briefMs: 500,
  /** ms over which a provider's rate is measured; older work counts less and less. */
  rateMs: 2_000,
  /** ms for a block while nothing was measured at all: 10 MB/s, a slow LAN. */
  guessMs: 100,
  /** In the end game a block is asked again where that should bring it in this part of the time. */
  againShare: 0.66,
  /** ms, and times the typical block time of the others, after which a provider that sends nothing gets no more work. */
  lagMs: 2_000,
  lagFactor: 8,
  /** Such pauses after which it is replaced, where others have what it has; and ms of one that are enough at once. */
  maxLags: 3,
  silentMs: 15_000,
  /** ms that a provider that said busy is left alone, first and at most; doubled each time. */
  busyMs: 1_000,
  maxBusyMs: 30_000,
  /** Blocks that a provider could not read before it is given up. */
  maxFailed: 3,
  /** ms between looks at who is late and who is idle. */
  tickMs: 100,
  /** Providers that are open at once, each with a connection; and that are known, each some 500 B. */
  maxOpen: 16,
  maxKnown: 256,
  /** ms after which a second provider is asked for the manifest too. */
  hedgeMs: 500,
  /** ms between questions what a provider that has only a part has by now; and bytes of the answers to that in a second. */
  haveMs: 500,
  haveBytesPerSecond: 16 * KiB,
  /** Times a provider that was lost is opened again after it had given blocks, and where it never gave any. */
  reopenTries: 3,
  reopenFruitless: 1,
  /** ms before that, first; doubled each time. */
  reopenMs: 500,
  /** Bytes of a file for which more providers are looked for while it comes: smaller ones are here before the answer. */
  searchFromBytes: 16 * MiB,
  /** ms of such a search, and between two. */
  searchMs: 20_000,
  searchEveryMs: 30_000,
  /** Times that the last holder is looked for again whose file was renamed or touched, which it has to read again; and ms before the first, doubled each time. */
  changedTries: 2,
  changedMs: 1_000,
  /** ms without a new block, while nobody has what is missing, before a download is given up for now. */
  starvedMs: 60_000,
} as const;

/** Those who fetch the same file at once, and give each other what they have (decision 019). */
export const TOGETHER = {
  /** Bytes of a file, or of a whole folder, from which others are asked for: smaller ones are here before the answer. */
  fromBytes: 16 * MiB,
  /** Peers named in one answer, and addresses of each: a download has 16 open providers at most. */
  told: 8,
  addresses: 4,
  /** ms between two questions to one provider, who else fetches it. */
  askMs: 5_000,
  /** ms after its last question that a peer counts as fetching: two questions may come late. */
  keepMs: 15_000,
  /** Peers that one download takes over from what others say, a dial each; and open at once of `SWARM.maxOpen`. */
  maxTaken: 32,
  maxOpen: 8,
  /** Files whose fetchers are kept, and fetchers of one: 4 MiB at most in all. */
  maxFiles: 128,
  maxPeers: 32,
} as const;

/** Downloads that go on by themselves, across restarts (transfers/queue.ts). */
export const QUEUE = {
  /** Downloads at once: one is often waiting for its provider; more than a few only compete for disk and memory. */
  concurrent: 3,
  /** Transfers that are kept, finished ones included; some 1 kB each. */
  maxTransfers: 10_000,
  /** Finished ones that are remembered: a few screens of `kelana transfers`. */
  maxFinished: 200,
  /** Providers kept with a transfer; a search finds the others. */
  maxProviders: 16,
  /** ms before a download is tried again, first and at most; doubled each time without a new block. */
  retryMs: 5_000,
  maxRetryMs: 600_000,
  /** Part of that by which it varies, so that not all who lost a node come back at once. */
  retryJitter: 0.2,
  /** ms between two commits of the bytes that came, for a person to see after a crash; one waits for the disk. */
  saveMs: 2_000,
  /** ms without a new block after which it ends as failed: two weeks, longer than most holidays. */
  giveUpMs: 14 * 24 * 3_600_000,
  /** Priority of a transfer when nobody says, and the highest; higher ones first, 0 the last. */
  priority: 50,
  maxPriority: 100,
} as const;

/** IPFS neighbours: bitswap, and UnixFS as others lay it out (decision 023). */
export const BITSWAP = {
  /** Bytes of one block: what other implementations take and give (specs.ipfs.tech, bitswap: "blocks up to 2 MiB"). */
  maxBlockBytes: 2 * MiB,
  /** Bytes of one message from a peer that is asked for blocks: the specification's 4 MiB and its framing. */
  maxMessageBytes: 4 * MiB + 4 * KiB,
  /** Bytes of one message from anybody else: 1,024 wants are 50 KiB. */
  maxWantBytes: 256 * KiB,
  /** Wants (and presences) in one message: four whole nodes of 1,024 links, and as many cancels. */
  maxMessageWants: 8_192,
  /** Blocks in one message of 4 MiB; small files are some 1 KiB each. */
  maxMessageBlocks: 4_096,
  /** Bytes of a binary CID; sha2-256 needs 36, sha2-512 68. */
  maxCidBytes: 128,
  /** Streams a peer may have open to say something, and all peers together: each holds one message of `maxWantBytes`. */
  streamsPerPeer: 8,
  maxStreams: 64,
  /** ms without a whole message after which such a stream is closed; the peer opens another. */
  streamIdleMs: 60_000,
  /** Wants taken from one peer a second, and at once: 20 times what 100 MB/s of 1 MiB blocks need; beyond, it floods. */
  wantsPerSecond: 2_000,
  wantsBurst: 16_384,
  /** Bytes a second and at once from one peer of which nothing was asked: wants only. */
  bytesPerSecond: MiB,
  bytesBurst: 4 * MiB,
  /** Blocks that wait to be sent to one peer (a whole node of links), and to all: about 300 B each. */
  maxQueuedPerPeer: 1_024,
  maxQueued: 16_384,
  /** Answers without a block that wait for one peer; 50 B each. */
  maxPresences: 4_096,
  /** Bytes of a block that is sent at once where only its presence was asked; as others do. */
  haveAsBlockBytes: 1_024,
  /** Messages with blocks on their way at once, each to another peer and some 2 MiB; other peers wait for their turn. */
  maxServed: 16,
  /** Bytes of small blocks that are sent as one message. */
  batchBytes: 256 * KiB,
  /** ms that a peer is given no blocks after it took too long to read one. */
  slowMs: 60_000,
  /** Peers of which anything is remembered; as OVERLAY.maxConnections. */
  maxPeers: 256,
  /** ms that a peer may take to read a block: 1 MiB in 30 s is 35 kB/s, and others wait. */
  sendTimeoutMs: 30_000,
  /** ms an idle connection is kept by a node that serves bitswap: other nodes ask only whom they are connected to. */
  idleConnectionMs: 600_000,
  /** Blocks of shared files that can be found by their hash: 2 TiB, and 32 MiB of memory. */
  maxIndexed: 2 * 1024 * 1024,
  /** ms until a peer must have said whether it has a file, and until the next block of it must have come. */
  rootTimeoutMs: 10_000,
  blockTimeoutMs: 20_000,
  /** ms to learn which protocols a peer speaks, once it is connected. */
  identifyTimeoutMs: 5_000,
  /** Bytes and blocks asked for ahead. Other nodes answer 256 KiB blocks; 8 MiB as TRANSFER.window. */
  windowBytes: 8 * MiB,
  windowBlocks: 32,
  /** Hashes of blocks that came or were given up lately, so that a late second copy is no lie. */
  maxRecent: 2_048,
  /** Bytes of such second copies that a peer may send in one download. */
  maxRepeatedBytes: 32 * MiB,
  /** Levels of a UnixFS file: balanced trees of 174 links need 4 for 1 TiB, trickle trees some 10. */
  maxDepth: 32,
  /** Links of one node: usual are 174 and 1,024. */
  maxLinks: 16_384,
  /** Links known and not fetched yet, about 150 B each; nodes beyond are opened when the file comes to them. */
  maxAhead: 32_768,
  /** IPFS nodes asked for one file. */
  maxAsked: 16,
} as const;

/** Folders as UnixFS directories (decision 021). */
export const FOLDER = {
  /** Slots of a HAMT node, and bytes of a flat node above which a folder becomes one: the profile "unixfs-v1-2025". */
  fanout: 256,
  shardBytes: 256 * KiB,
  /** Files and folders in one folder with all below it: 100,000 with room; each costs a receiver some 300 B. */
  maxEntries: 250_000,
  /** Bytes of one node of a folder: other tools estimate the size of a flat one, and may be above `shardBytes`. */
  maxNodeBytes: 512 * KiB,
  /** Bytes of all nodes of a folder and those below it, a repeated one each time: 250,000 names of 200 B. */
  maxBytes: 64 * MiB,
  /** Levels of shards: 64 bits of the hash are used up after 8. */
  maxShardDepth: 16,
} as const;

export const LIBRARY = {
  /** Bytes of hashes of nodes that are kept, so that nobody can have them made anew and anew: of files of 32 TiB in all. */
  manifestBytes: MiB,
  /** Files of one library; the index holds about 400 B each. */
  maxFiles: 1_000_000,
  /** Matches one query returns; as SEARCH.maxHits. */
  maxMatches: 64,
  /** Matches that are ranked: some 5 ms of work; a query that matches more files is too wide to rank. */
  maxRanked: 4_096,
  /** ms after which a change is told, outside a scan and during one; the end of a scan tells it at once. */
  changeMs: 20,
  changeScanMs: 1_000,
  /** ms between looks at all of a folder whose changes nobody tells of: a network share, or no watches left. */
  rescanMs: 2_000,
  /** ms between looks at all of a watched folder, for what a full queue of the kernel may have lost: a thousandth of the time. */
  rescanWatchedMs: 600_000,
  /** ms after a change is told until it is looked at: what belongs together comes together, and files settle. */
  watchMs: 100,
  /** ms until a file that was written to while it was hashed is looked at again: a second of writing more, as a rule. */
  changingMs: 1_000,
  /** Folders watched; each costs some 2 KiB here and 1 KiB in the kernel, whose own limit is often lower. */
  maxWatches: 65_536,
  /** Changed names that wait; beyond that a look at everything is cheaper. */
  maxChanges: 10_000,
  /** Bytes of a `.kelanaignore`, and lines that count: each is a pattern to be held against every name. */
  maxIgnoreBytes: 64 * KiB,
  maxIgnoreLines: 1_000,
  /** Bytes hashed at once when a block is one: one block. */
  readBytes: MiB,
  /** Bytes read at once while hashing: they are still in the processor's cache when they are hashed. */
  hashBytes: 128 * KiB,
  /** Threads that hash, and ms after which an idle one ends. One leaves the other of two cores to the node: see decision 021. */
  hashThreads: 1,
  hashIdleMs: 2_000,
  /** Files of `hashBytes` at most that the node's own thread hashes in a second: 10 ms of work, while a thread takes 50 to start. */
  hashHere: 32,
  /** Files and bytes of one message to a thread: below a millisecond of work for small ones. */
  hashBatch: 64,
  hashBatchBytes: 4 * MiB,
  /** Files that wait for a thread, so that a walk does not run ahead of them without bound. */
  hashQueue: 1_024,
  /** Blocks between two looks whether a file that is being hashed still is what it was: 32 MiB of work lost at most. */
  hashCheckBlocks: 32,
  /** ms between reports of a scan that takes long. */
  progressMs: 5_000,
  /** ms after the last change until the CIDs of folders are made anew, and parts of the time that may go into it. */
  foldersMs: 200,
  /** Times that this is put off while more changes come: 3 s of a copy that goes on. */
  foldersPuts: 15,
  foldersShare: 20,
  /** ms of work on folders between two turns of the event loop. */
  sliceMs: 8,
  /** ms above which a read counts as slow, and reads after that which go by other threads; twice as many each time. */
  slowReadMs: 5,
  /** Bytes of a file that is opened, read and closed at once; larger ones are kept open for their next blocks. */
  smallBytes: 256 * KiB,
  slowReads: 16,
  slowReadsMax: 4_096,
  /** ms a file must have been left alone before it is hashed: a kernel tick (1 to 10) with room for slow writers. */
  settleMs: 50,
  /** ms of hashing after which a node says that it may have more files than it knows; well within SEARCH.syncBoundMs. */
  sayScanningMs: 5_000,
  /** ms for which changes of a path that are not looked at to their end count as more files, until it was left alone for `unreadForgetMs`: a minute, in which any file that is still being copied is written to. */
  unreadMs: 30_000,
  unreadForgetMs: 60_000,
  /** ms between looks whether that is over. */
  quietMs: 100,
  /** ms until files that were still being written are looked at again. */
  retryMs: 100,
  /** A walk over the folders may take at most one part in this many of the time. */
  rescanShare: 10,
  /** Names of a folder that are looked at in one go (2 ms), folders asked for together, and names before a thread does it. */
  listChunk: 512,
  listFolders: 32,
  listHere: 2_048,
  /** Files kept open for readers, and ms after which idle ones are closed, twice as many at most. */
  maxHandles: 32,
  handleIdleMs: 10_000,
  /** Rows written to the index in one transaction; the index is a cache, so a crash only costs hashing again. */
  indexBatch: 256,
  /** Rows of the index looked at in one go: some 3 ms. */
  indexPage: 1_000,
  /** Bytes of UTF-8 in one file name (NAME_MAX of Linux) and in a path below the shared folder. */
  maxSegmentBytes: 255,
  maxPathBytes: 1024,
  /** Folders and files that `kelana share` keeps. */
  maxShares: 1_000,
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

/** Messages and offers of files from node to node. */
export const MESSAGES = {
  /** Bytes of one frame: the longest text (MAILBOX.maxTextBytes) and its head. */
  maxFrameBytes: 64 * KiB + 4 * KiB,
  /** Letters sent to one peer before its receipts, and their bytes: below yamux's first window of 256 KiB. */
  window: 16,
  windowBytes: 160 * KiB,
  /** Letters and bytes of one peer that may wait for the disk; twice the window, for a sender that counts otherwise. */
  maxPending: 32,
  maxPendingBytes: 320 * KiB,
  /** Letters and bytes a second taken from one peer, and at once; others are answered "busy" and come again later. */
  perSecond: 50,
  burst: 500,
  bytesPerSecond: MiB,
  burstBytes: 8 * MiB,
  /** Letters and bytes a second, and four times that at once, that end the stream: who heard "busy" holds back. */
  floodPerSecond: 500,
  floodBytesPerSecond: 8 * MiB,
  /** Streams of letters that come in, in all and from one peer; each may hold maxPendingBytes. */
  maxStreams: 64,
  maxStreamsPerPeer: 2,
  /** ms a stream may go without a whole letter, on either side. */
  idleMs: 30_000,
  /** ms for a receipt: one commit of a slow disk, or the 15 s after which a hung one is given up. */
  receiptMs: 20_000,
  /** Messages and offers in the inbox, and bytes of their texts: some 80 MiB on disk. */
  maxInbox: 10_000,
  maxInboxBytes: 64 * MiB,
  /** The same of one sender: nobody fills it alone. */
  maxPerSender: 1_000,
  maxBytesPerSender: 8 * MiB,
  /** The part of the inbox that peers to whom this node never wrote may fill together: new peer ids cost nothing. */
  strangersShare: 0.5,
  /** Offers that wait for a decision, of one sender and in all. */
  maxOffersPerSender: 32,
  maxOffers: 512,
  /** Ids of removed messages that are remembered, so that none comes a second time; about 150 B each. */
  maxRemoved: 10_000,
  /** Letters that wait for their receivers, and bytes of their texts. */
  maxOutbox: 10_000,
  maxOutboxBytes: 64 * MiB,
  /** Letters in the outbox that have come to an end and are still shown. */
  maxEnded: 1_000,
  /** ms (30 days) after which a letter that was not delivered, or an offer that was not decided, is given up. */
  expireMs: 30 * 24 * 3_600_000,
  /** ms; first and longest wait before a receiver that was not reached is tried again: 300 dials a day at most. */
  retryMinMs: 1_000,
  retryMaxMs: 300_000,
  /** ms after an attempt before the mere news of a receiver leads to another one. */
  heardMs: 10_000,
  /** Receivers tried at once. */
  atOnce: 8,
  /** Receivers and senders remembered by name and address; about 300 B each. */
  maxKnown: 2_048,
  /** Files of one folder that is sent: each is a row in the outbox, and is hashed before the offer. */
  maxFiles: 20_000,
  /** Files in all that are open to one receiver each, about 400 B each. */
  maxPrivate: 100_000,
  /** Accepted offers fetched at once. */
  fetchesAtOnce: 2,
  /** ms a `send` or `inbox accept` waits for the other side when nobody says: an hour. */
  waitMs: 3_600_000,
  /** ms between looks at a sender's progress. */
  progressMs: 200,
  /** Items of the inbox that are listed when nobody says, and at most. */
  listed: 50,
  maxListed: 1_000,
  /** Characters of a message in a list; `read` shows all of it. */
  previewChars: 200,
  /**
   * ms without work after which the thread of the inbox ends: it holds some 9 MiB, and a start costs some 40 ms. Each
   * start of a node asks it, and a download often follows at once.
   */
  threadIdleMs: 500,
} as const;

export const LISTS = {
  /** Entries and bytes of one page of what a node shares: some 2,500 files, 40 round trips for 100,000 of them. */
  pageEntries: 4_096,
  pageBytes: 256 * KiB,
  /** Bytes of a page's frame, with room for fields of newer peers; and of a request, which names one path. */
  maxFrameBytes: 256 * KiB + 4 * KiB,
  maxAskBytes: 8 * KiB,
  /** Entries of a page that is not the last: as many with the longest names, 4 KiB each, are half a page. */
  leastEntries: 32,
  /** Entries in all: a library's million files, and as many folders. */
  maxEntries: 2_000_000,
  /** Pages a second for one peer, and at once: each costs some 4 ms. Others wait. */
  perSecond: 20,
  burst: 100,
  /** Streams of those who ask, in all and of one peer; each may hold two pages. */
  maxStreams: 16,
  maxStreamsPerPeer: 2,
  /** ms a stream may go without a request; for a page; and for a whole list: a million files at 200 kB/s. */
  idleMs: 30_000,
  answerMs: 15_000,
  totalMs: 600_000,
  /** ms that a sorted list serves although the library has changed: a second of sorting for a million files. */
  freshMs: 2_000,
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
  /** Client connections at once: two descriptors each, so that fewer are taken where the system allows less than 20,064. */
  maxConnections: 10_000,
  /** Descriptors kept for all else: a process of Node.js has some 25 open, logs and commands a few, each check one. */
  ownDescriptors: 64,
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
  /** Bytes of the one buffer that all connections read into; more in one read means fewer of them for large bodies. */
  readBytes: 256 * KiB,
  /** Bytes of a buffer that bodies are copied to on their way out, and how many of them are kept: 4 MiB in all. */
  copyBytes: 256 * KiB,
  maxCopies: 16,
  /** Bytes of a message that is written as text; the system's copy of it is made on the stack up to 16 KiB. */
  textBytes: 4 * KiB,
  /** Heads kept to be recognised when they come again, of requests and of responses; at most 2 KiB each. */
  seenHeads: 256,
  /** ms without a byte in a tunnel, or in TCP mode; HAProxy's usual `timeout tunnel`. */
  tunnelTimeoutMs: 3_600_000,
  /** ms a tunnel may be silent once one side has ended. */
  tunnelHalfClosedMs: 30_000,
  /** ms between looks at the deadlines above; the shortest of them is tens of times longer. */
  sweepMs: 100,
  /** Connections that are looked at in one turn of the loop (0.1 ms): all at once, 10,000 would hold up all others for 10 ms. */
  sweepPart: 100,
  /**
   * ms without a byte that a client whose answer ends its connection is still read from, so that the answer is not lost to
   * a reset (RFC 9112 section 9.6); and in all, as nginx's lingering_time.
   */
  lingerMs: 1_000,
  lingerMaxMs: 30_000,
  /** ms running requests get when the balancer stops; the command promises 4 s in all. */
  closeMs: 3_000,
  /** Seconds a client should wait when no backend is up: they are looked at twice a second. */
  retryAfterSeconds: 1,
  // Choosing (core/balance).
  /** ms over which a peak of the answering time fades to a third; Finagle's default. */
  ewmaMs: 10_000,
  /** A failure counts as so many times the answering time so far, in these bounds (ms): one costs little, ten in a row much. */
  failureFactor: 10,
  failureMinMs: 100,
  failureMaxMs: 10_000,
  /** ms in which half of the load is forgiven that failures count as; and that load at most. */
  strainHalfMs: 1_000,
  strainMax: 100,
  /** Times its share of the load from which a hashed backend passes keys on; HAProxy advises 1.25 to 2. */
  hashBound: 1.5,
  /** Bytes of a secret key at least: that which hides which backend a cookie names, and that of a group of servers. */
  keyBytes: 32,
  /** Name of the sticky cookie, and its characters. */
  stickyCookie: 'kelana',
  stickyIdChars: 22,
  // Health, failure and overload (core/balance/options.ts); each can be set.
  /** What a check asks, and the statuses that are good: below 500, so that a server without that path counts too. */
  checkPath: '/healthz',
  checkStatus: [200, 499],
  /** ms between checks of a backend that is up, as HAProxy; part of it by which it varies; ms for one check. */
  checkIntervalMs: 2_000,
  checkJitter: 0.2,
  checkTimeoutMs: 3_000,
  /** Good and bad checks in a row that change what a backend is; HAProxy's defaults. */
  checkRise: 2,
  checkFall: 3,
  /** Failures in a row that take a backend out; Envoy's default. */
  outlierConsecutive: 5,
  /** Part of its answers that must fail, and be twice that of the others; 20 requests make half of them no accident. */
  outlierRate: 0.5,
  outlierWindowMs: 10_000,
  outlierLeastRequests: 20,
  /** Part of all backends that may be out: one of two, so that a fault all share takes away half at most. */
  outlierMaxShare: 0.5,
  /** ms out, first and at most; longer each time. Envoy: 30 s and 300 s. */
  outlierBaseMs: 10_000,
  outlierMaxMs: 300_000,
  /**
   * Retries for each request of the last 10 s (Finagle: 20 %), and always so many a second: a killed backend that had
   * 200 requests in flight loses none of those that are safe to repeat.
   */
  retryRatio: 0.2,
  retryPerSecond: 20,
  retryWindowMs: 10_000,
  /** Requests that wait for room: a second's worth of 1,000 a second, each a client that holds its connection anyhow. */
  queueMax: 1_000,
  /** ms of waiting: a person's patience; and while the queue does not empty for 1 s, so that what is served is not late. */
  queueTimeoutMs: 5_000,
  queueBusyTimeoutMs: 500,
  queueBusyMs: 1_000,
  /** ms of growing weight after coming up: none, as others; servers that must warm up ask for it. */
  slowStartMs: 0,
  /** Part of the weight it has at once then, as Envoy: enough requests to warm up by. */
  slowStartLeast: 0.1,
  /** Requests in flight in all: one for each client connection; fewer where the system allows too few descriptors for it. */
  maxActive: 10_000,
  /** ms that a removed backend's requests may take; what lasts longer is left to end by itself. */
  drainMs: 30_000,
  /** Backends at most; each costs a check, and every choice looks at all. */
  maxBackends: 1_024,
} as const;

/** Changing a balancer while it runs. */
export const BALANCER_CHANGE = {
  /** Commands that wait for the one that runs; people and scripts send one at a time. */
  maxPending: 64,
  /** ms a new process gets to be ready; it takes some 0.3 s, ten times as long on a busy machine. */
  startMs: 15_000,
  /** ms a process gets to answer the one that started it: an answer is a few microseconds of work. */
  answerMs: 5_000,
  /**
   * ms a process that was replaced may finish what it has: longer than `clientIdleMs`, so that no idle connection is
   * closed sooner than it would have been anyway, and long enough for a large file.
   */
  drainMs: 600_000,
  /** Replaced processes that still finish; of more, the oldest is ended. */
  maxRetiring: 8,
  /** Processes on one port; more than there are cores gain nothing, and 64 is a large machine. */
  maxWorkers: 64,
  /** ms before a process that died is started again: doubled each time up to the most, back to the least once it ran. */
  restartMinMs: 100,
  restartMaxMs: 10_000,
  /** ms after which a process that ran is taken to be sound. */
  stableMs: 10_000,
  /** Bytes of the file of changes; a thousand backends need some 100 KiB. */
  maxStateBytes: MiB,
} as const;

/** What stands between the balancer's sockets and its requests: TLS, HTTP/2, PROXY, TCP mode, limits of each source. */
export const EDGE = {
  /** ms from a connection to the end of its PROXY header; the specification asks for 3 s at least. */
  proxyHeaderMs: 3_000,
  /** ms from there to the end of the TLS handshake; as for a head. */
  handshakeMs: 10_000,
  /** ms between looks whether a certificate's files have changed. */
  certificateLookMs: 2_000,
  /** ms one key encrypts session tickets: who steals it reads no session of TLS 1.2 older than this. */
  ticketMs: 12 * 3_600_000,
  /** Streams of one HTTP/2 connection at once; RFC 9113 section 6.5.2 wants 100 or more. */
  h2Streams: 100,
  /** Bytes of a body that wait in one stream, and in one connection. */
  h2WindowBytes: 128 * KiB,
  h2ConnectionWindowBytes: MiB,
  /** Bytes given to a stream at once: a frame, as a stream only says that all of it has left; what waits before more is asked for. */
  h2PieceBytes: 16 * KiB,
  h2UnsentBytes: 64 * KiB,
  /** Times `--body-timeout` that one piece may take while its connection moves: 100 streams may share a slow link. */
  h2PieceTimes: 10,
  /** ms that a busy connection of a replaced process may take until a moment without a stream; then GOAWAY comes all the same. */
  h2LeaveMs: 30_000,
  /** ms in which a client asks for more because of an answer: a few round trips. */
  h2SettleMs: 1_000,
  /** MiB that node:http2 may hold for one connection. */
  h2SessionMiB: 10,
  /**
   * Streams cut off before their answer, for each connection: a page that is left cancels all 100 of its streams; the
   * attack of 2023 cancelled 100,000 a second.
   */
  h2Cuts: { perSecond: 20, burst: 200 },
  /** PING frames; gRPC sends one a round trip while its window grows. */
  h2Pings: { perSecond: 50, burst: 500 },
  /** SETTINGS frames; clients send one or two in all. */
  h2Settings: { perSecond: 1, burst: 20 },
  /** Bytes that a frame of a body may take besides: its head is 9, that of a record of TLS 22, and a frame may begin in one and end in another. */
  h2FrameBytes: 64,
  /** Bytes that are neither body nor request. */
  h2Overhead: { perSecond: 64 * KiB, burst: 512 * KiB },
  /** Requests at once that a rate limit allows at least where nothing is said: a page and what is on it. */
  leastBurst: 10,
  /** Sources remembered by a rate limit, about 150 bytes each. */
  maxSources: 100_000,
  /** Sources of which one process tells the others at once, some 30 bytes each, at each sweep. */
  maxToldSources: 1_000,
  /** ms at least between two times that it tells them, so that a flood of sources costs no message each. */
  tellGapMs: 10,
  /** ms between two reports of connections that were turned away for the same reason. */
  reportMs: 10_000,
} as const;

/** Backends that are found by name (`--backend dns://…`, `srv://…`). */
export const BALANCER_DISCOVERY = {
  /** ms that the start and a reload wait for first answers: a resolver answers in some 50, or after a lost packet in 1,000. */
  firstMs: 1_500,
  /** ms between questions for one name, whatever the answer's TTL says: 0 must not flood, a day must not hide a change. */
  minMs: 1_000,
  maxMs: 60_000,
  /** ms until a name without an answer is asked for again: doubled each time, so that new servers are found soon. */
  retryMinMs: 1_000,
  retryMaxMs: 10_000,
  /** ms for one question, and how often it is sent. */
  timeoutMs: 2_000,
  tries: 2,
  /** Seconds for which an answer of the system holds that has no TTL: hosts(5) changes seldom. */
  systemTtl: 10,
  /** Answers in a row without a server before it goes: some resolvers give a part at a time. */
  leaveAfter: 2,
  /** Servers of one name; as many as 64 KiB of DNS hold is more than anybody means. */
  most: 256,
  /** Targets of one SRV name; each is a name that is asked for as well. */
  maxTargets: 64,
  /** Names at once. */
  maxSources: 64,
} as const;

/** Servers that are found through the overlay (`p2p://`). */
export const SERVER_GROUP = {
  /** ms between rounds of a balancer: one short stream to each server that it knows. */
  roundMs: 3_000,
  /** ms for one dial, and one ask with its answer: a busy machine takes a second. */
  askMs: 5_000,
  /** ms after which a round says what it has: dead addresses must not hold up what is known of the others. */
  answerMs: 5_000,
  /** Asks side by side: a dial takes some 15 ms of a core. */
  asksAtOnce: 16,
  /** ms between look-ups in the DHT, doubled each time, and for one: some 20 requests, of which dead nodes take 3 s each. */
  lookMinMs: 1_000,
  lookMaxMs: 10_000,
  lookUpMs: 5_000,
  /** Servers of one group that are remembered; as many as a name may stand for. */
  most: 256,
  /** Rounds in a row without an answer after which a server is asked no more, but where the DHT names it again. */
  forgetAfter: 100,
  /** Streams of those who ask a server, in all and of one peer: each lives for one answer. */
  maxStreams: 64,
  maxStreamsPerPeer: 4,
} as const;

/** Figures of a balancer over HTTP (`--stats`). */
export const BALANCER_SEEING = {
  /** Connections at once: a few monitors, each with one or two. */
  maxConnections: 64,
  /** Bytes of a request's head; a monitor sends some 300. */
  maxHeadBytes: 8 * KiB,
  /** ms for a request to arrive. */
  timeoutMs: 5_000,
  /** ms a connection may idle, or a client not read: longer than the usual 15 s between two scrapes. */
  idleMs: 30_000,
  /** ms between two looks of `top` when nobody says: often enough to seem live, cheap enough to leave running. */
  topMs: 1_000,
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
  /** Events, and ms, that are handed to the sinks together: few, so that none is long without a bound or is lost. */
  gather: 64,
  gatherMs: 10,
  /** ms between writes of what has gathered. */
  flushMs: 50,
  /** Times that, while each write is at least this part of `maxBatch`: log lines 0.2 s late bother nobody. */
  busyTimes: 4,
  busyPart: 5,
  /** Characters of outside text in one log line. */
  maxTextChars: 500,
  /** Bytes a sink holds while it writes: 50,000 usual events of 300 B are 15 MB, one message may be 64 KiB. */
  maxQueuedBytes: 32 * MiB,
  /** Events and bytes in one write or transaction: some 5 ms of work, so that a slow disk holds up little. */
  maxBatch: 2_000,
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
  /** ms without an event after which the thread of the SQLite log ends: it holds some 9 MiB, a start costs some 40 ms. */
  idleMs: 30_000,
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
