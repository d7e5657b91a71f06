import type { Connection } from '@libp2p/interface';
import { parsePeerAddress } from '../../core/address.ts';
import { BITSWAP, OVERLAY } from '../../core/config.ts';
import { asKelanaError, KelanaError } from '../../core/errors.ts';
import type { Bytes, IpfsAnswer, IpfsFile, IpfsPort } from '../../core/ports.ts';
import { cidOf, parseCid } from '../../core/transfer/cid.ts';
import { UnixfsWalk } from '../../core/transfer/unixfs.ts';
import type { Host } from '../host.ts';
import { dialError, resolveAddress } from '../links.ts';
import type { Bitswap } from './bitswap.ts';
import { BITSWAP_PROTOCOLS } from './inbox.ts';
import type { BitswapSession } from './session.ts';

/** What one node said of a file. */
type Said =
  | {
      readonly type: 'has';
      readonly session: BitswapSession;
      readonly key: string;
      readonly root: Uint8Array;
    }
  | { readonly type: 'has-not' }
  | { readonly type: 'silent'; readonly label: string }
  | { readonly type: 'failed'; readonly error: KelanaError };

/** What is open on behalf of one look; asks that are still under way when it is closed end by themselves. */
interface Opened {
  readonly ends: Set<() => Promise<void>>;
  closed: boolean;
}

/** Looks for files at IPFS nodes that are named or connected, and fetches them. */
export function ipfsFinder(host: Host, bitswap: Bitswap): IpfsPort {
  return {
    find: async (cid, addresses, signal) => {
      const opened: Opened = { ends: new Set(), closed: false };
      const close = async (): Promise<void> => {
        opened.closed = true;
        await Promise.all([...opened.ends].map((end) => end()));
        opened.ends.clear();
      };
      try {
        return { ...(await find(host, bitswap, cid, addresses, opened, signal)), close };
      } catch (thrown) {
        await close();
        throw thrown;
      }
    },
  };
}

async function find(
  host: Host,
  bitswap: Bitswap,
  cid: string,
  addresses: readonly string[],
  opened: Opened,
  signal?: AbortSignal,
): Promise<Omit<IpfsAnswer, 'close'>> {
  const root = parseCid(cid);
  if (root === null) return { file: null, asked: 0, missing: [], error: null };
  const wanted = cidOf(root.codec, root.digest);
  const asking = new Set<string>();
  const ask = async (reach: () => Promise<Connection | null>): Promise<Said | null> => {
    try {
      const connection = await reach();
      const peer = connection?.remotePeer.toString() ?? '';
      if (connection === null || asking.has(peer) || asking.size >= BITSWAP.maxAsked) return null;
      asking.add(peer);
      const { session, end } = await bitswap.open(connection);
      if (opened.closed) {
        await end();
        return null;
      }
      opened.ends.add(end);
      session.want([wanted]);
      const arrival = await session.next(BITSWAP.rootTimeoutMs, signal);
      if (arrival === null) return { type: 'silent', label: session.label };
      if (arrival.block === null) return { type: 'has-not' };
      return { type: 'has', session, key: arrival.key, root: arrival.block };
    } catch (thrown) {
      signal?.throwIfAborted();
      return { type: 'failed', error: asKelanaError(thrown) };
    }
  };
  const answers = await firstOrAll([
    ...addresses.slice(0, BITSWAP.maxAsked).map((address) => ask(() => dial(host, address, signal))),
    ...(await connected(host)).map((connection) => ask(() => Promise.resolve(connection))),
  ]);
  signal?.throwIfAborted();
  let error: KelanaError | null = null;
  const [holder] = holdersIn(answers);
  try {
    if (holder !== undefined) return { ...rest(answers, null), file: fileOf(cid, holder, answers, signal) };
  } catch (thrown) {
    error = asKelanaError(thrown);
  }
  return { ...rest(answers, error), file: null };
}

function rest(
  answers: readonly (Said | null)[],
  error: KelanaError | null,
): Omit<IpfsAnswer, 'file' | 'close'> {
  const failed = answers.find((said) => said?.type === 'failed');
  return {
    asked: answers.filter((said) => said !== null && said.type !== 'failed').length,
    missing: answers.flatMap((said) => (said?.type === 'silent' ? [said.label] : [])),
    error: error ?? (failed?.type === 'failed' ? failed.error : null),
  };
}

/** All answers, or those there are when the first node says that it has the file; later ones are added as they come. */
async function firstOrAll(asks: readonly Promise<Said | null>[]): Promise<readonly (Said | null)[]> {
  const answers: (Said | null)[] = [];
  await new Promise<void>((resolve, reject) => {
    if (asks.length === 0) resolve();
    for (const one of asks)
      one.then((said) => {
        answers.push(said);
        if (said?.type === 'has' || answers.length === asks.length) resolve();
      }, reject);
  });
  return answers;
}

type Holder = Extract<Said, { type: 'has' }>;

function holdersIn(answers: readonly (Said | null)[]): readonly Holder[] {
  return answers.flatMap((said) => (said?.type === 'has' ? [said] : []));
}

/** @throws KelanaError where the root block is no file */
function fileOf(
  cid: string,
  first: Holder,
  answers: readonly (Said | null)[],
  signal?: AbortSignal,
): IpfsFile {
  const { session, key, root } = first;
  const parsed = parseCid(cid);
  if (parsed === null) throw new KelanaError('INTERNAL', { detail: cid });
  const walk = new UnixfsWalk(cidOf(parsed.codec, parsed.digest), session.label);
  walk.wants();
  walk.take(key, root);
  return {
    name: parsed.text,
    size: walk.size ?? 0,
    cid: parsed.text,
    provider: {
      peer: session.peer,
      label: session.label,
      addresses: [session.connection.remoteAddr.toString()],
    },
    bytes: () => bytesOf(walk, parsed.text, answers, signal),
  };
}

/** From the first node; where it fails, the next that has the file goes on at the same place. */
async function* bytesOf(
  walk: UnixfsWalk,
  name: string,
  answers: readonly (Said | null)[],
  signal?: AbortSignal,
): Bytes {
  let failure: KelanaError | null = null;
  for (let tried = 0; ; tried += 1) {
    const session = holdersIn(answers)[tried]?.session;
    if (session === undefined) throw failure ?? new KelanaError('INTERNAL', { detail: 'no session' });
    walk.again();
    try {
      for (;;) {
        yield* walk.ready();
        if (walk.done) return;
        session.want(walk.wants());
        // A block may have been filled in from an equal one, and then nothing is on its way.
        if (session.pending === 0) continue;
        const arrival = await session.next(BITSWAP.blockTimeoutMs, signal);
        if (arrival === null) throw failed(name, session.label, SILENT);
        if (arrival.block === null) throw failed(name, session.label, GONE);
        walk.take(arrival.key, arrival.block);
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      failure ??= thrown instanceof KelanaError ? thrown : failed(name, session.label, BROKEN);
    }
  }
}

const BROKEN = { id: 'sambungannya putus', en: 'the connection broke' };
const SILENT = { id: 'tidak ada blok lagi yang datang', en: 'no further block came' };
const GONE = { id: 'sebagian bloknya tidak ada di sana', en: 'it does not have all of its blocks' };

function failed(name: string, label: string, why: { id: string; en: string }): KelanaError {
  return new KelanaError('TRANSFER_FAILED', {
    name,
    why: { id: `${label}: ${why.id}`, en: `${label}: ${why.en}` },
  });
}

/** @throws KelanaError PEER_UNREACHABLE; NOT_KELANA where it speaks no bitswap either */
async function dial(host: Host, address: string, signal?: AbortSignal): Promise<Connection | null> {
  const parsed = parsePeerAddress(address);
  const limit = AbortSignal.any([
    AbortSignal.timeout(OVERLAY.dialTimeoutMs),
    ...(signal === undefined ? [] : [signal]),
  ]);
  try {
    const connection = await host.dial(await resolveAddress(parsed), { signal: limit });
    if (!(await speaks(host, connection)))
      throw new KelanaError('NOT_KELANA', { peer: address, why: NO_BITSWAP });
    return connection;
  } catch (thrown) {
    signal?.throwIfAborted();
    if (thrown instanceof Error && thrown.message.includes('dial self')) return null;
    throw dialError(thrown, address);
  }
}

const NO_BITSWAP = {
  id: 'ia tidak berbicara protokol kelana maupun bitswap',
  en: "it speaks neither kelana's protocol nor bitswap",
};

/** Whether a peer says, by identify, that it speaks bitswap; waits for that where the connection is fresh. */
async function speaks(host: Host, connection: Connection): Promise<boolean> {
  const until = performance.now() + BITSWAP.identifyTimeoutMs;
  for (;;) {
    const protocols = await protocolsOf(host, connection);
    if (protocols.length > 0) return protocols.some((name) => BITSWAP_PROTOCOLS.includes(name));
    if (performance.now() > until || connection.status !== 'open') return false;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function protocolsOf(host: Host, { remotePeer }: Connection): Promise<readonly string[]> {
  return await host.peerStore.get(remotePeer).then(
    (peer) => peer.protocols,
    () => [],
  );
}

/** Connections to peers that are known to speak bitswap, the newest first, one a peer. */
async function connected(host: Host): Promise<readonly Connection[]> {
  const found: Connection[] = [];
  const seen = new Set<string>();
  for (const connection of host.getConnections().toReversed()) {
    const peer = connection.remotePeer.toString();
    if (found.length >= BITSWAP.maxAsked || seen.has(peer) || connection.status !== 'open') continue;
    seen.add(peer);
    const protocols = await protocolsOf(host, connection);
    if (protocols.some((name) => BITSWAP_PROTOCOLS.includes(name))) found.push(connection);
  }
  return found;
}
