import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { labelOf, parsePeerAddress } from '../core/address.ts';
import { OVERLAY, SEARCH } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type {
  Holding,
  ByteRange,
  Bytes,
  Hit,
  NeighbourInfo,
  Provider,
  Query,
  SearchEvent,
  SearchOptions,
} from '../core/ports.ts';
import type { NodeView } from '../core/search/search.ts';
import { chooseLinks } from '../core/search/topology.ts';
import type { LinkFrame } from '../core/wire/frames.ts';
import { isSearchFrame, type SearchFrame } from '../core/wire/search-frames.ts';
import { parseCid, RAW } from '../core/transfer/cid.ts';
import { Bitswap } from './bitswap/bitswap.ts';
import { ipfsFinder } from './bitswap/find.ts';
import { Blocks } from './blocks/blocks.ts';
import { Foretold } from './blocks/foretold.ts';
import { Shown } from './blocks/shown.ts';
import { Courier, type AskFrame } from './courier.ts';
import { Dht } from './dht.ts';
import { Exchange } from './exchange.ts';
import { fetchBytes, proveEarly } from './fetch.ts';
import { Former } from './former.ts';
import { createHost } from './host.ts';
import { loadIdentity } from './identity.ts';
import { keyOf, signer } from './keys.ts';
import type { Link } from './link.ts';
import { Links, pause, refusalText, REPLACED } from './links.ts';
import { Lists } from './lists/lists.ts';
import { Mail } from './mail.ts';
import type { Overlay, OverlayOptions } from './options.ts';
import { Mutes } from './mutes.ts';
import { Peers } from './peers.ts';
import { PrintKeeper } from './prints.ts';
import { newRates, QUESTIONS, type Rates } from './rates.ts';
import { Recent } from './recent.ts';
import { Scores } from './scores.ts';
import { Searching } from './searching.ts';
import { Announcer } from './servers/announcer.ts';
import { recordName } from './servers/proof.ts';
import { Turns } from './turns.ts';
import { together } from './together.ts';
import { Whereabouts } from './whereabouts.ts';

/**
 * Starts a node of the overlay: host, links to neighbours, prints, DHT, search, and block transfers. Longer than files
 * here are, as it is the one place where they are all joined, and decides nothing itself.
 * @throws KelanaError PORT_IN_USE, BAD_ADDRESS, BAD_VALUE (a bad peer address), CANNOT_READ, CANNOT_WRITE
 */
export async function startOverlay(options: OverlayOptions): Promise<Overlay> {
  const { emit, now, random, library, flag = '--port', wantNeighbours = OVERLAY.wantNeighbours } = options;
  const { letters } = options;
  for (const peer of options.peers) parsePeerAddress(peer);
  const key = await loadIdentity(options.dataFolder);
  const lanes: { service: Blocks | null } = { service: null };
  const host = await createHost({
    key,
    host: options.host,
    port: options.port,
    flag,
    dht: options.dht ?? true,
    onTls: (socket) => {
      if (lanes.service === null) socket.destroy();
      else lanes.service.take(socket);
    },
    ipfs: options.ipfsBlocks !== undefined,
  });
  const peerId = host.peerId.toString();
  let named: { readonly list: readonly string[]; readonly until: number } = { list: [], until: -Infinity };
  const addresses = (): readonly string[] => {
    if (now() >= named.until)
      named = {
        list: host.getMultiaddrs().map(String).slice(0, MAX_ADDRESSES),
        until: now() + ADDRESSES_MS,
      };
    return named.list;
  };
  const port = Number(/\/tcp\/(\d+)/.exec(addresses()[0] ?? '')?.[1] ?? options.port);
  const label = labelOf(options.host, port);
  const nameOf = (peer: string): string | null =>
    peer === peerId ? label : (links.get(peer)?.label ?? null);

  const ups = new Turns({ now, limit: options.uploadLimit ?? unlimited });
  const downs = new Turns({ now, limit: options.downloadLimit ?? unlimited });
  let mail: Mail | undefined;
  const scores = new Scores({ now });
  const mutes = new Mutes(now);
  /** Those that were seen to have files: where one is banned, a miss is no proof. */
  const shown = new Recent<string, { readonly peer: string; readonly label: string }>(OVERLAY.maxScored);
  /** Blocks are served once there are links; nothing is searched for before. */
  const open: Blocks['open'] = (provider, signal, how) =>
    lanes.service?.open(provider, signal, how) ??
    Promise.reject(new KelanaError('PEER_UNREACHABLE', { peer: provider.label, why: 'not started' }));
  const liar = (peer: string, why: string): void => {
    if (!scores.add(peer, why)) return;
    emit({ type: 'peer.banned', who: label, peer: nameOf(peer) ?? peer, reason: why });
    void links.get(peer)?.close('banned');
    courier.drop(peer);
    mail?.drop(peer);
    lists.drop(peer);
  };

  /** A neighbour gets it over its link; who is none, over a stream of its own. */
  const send = (peer: string, frame: AskFrame, where: readonly string[] | undefined): void => {
    const link = links.get(peer);
    if (link !== undefined) link.send(frame);
    else courier.send(peer, frame, where ?? []);
  };
  const folders = (): readonly Holding[] => library.folders?.() ?? [];
  // In the DHT the last ones are published first: people look for files.
  const files = together(folders, () => library.list());
  const prints = new PrintKeeper({
    peer: peerId,
    label,
    addresses,
    sign: signer(key),
    files,
    scanning: () => library.scanning(),
    now,
    wall: Date.now,
    random,
    send: (peer, frame, where) => send(peer, { type: 'sync', frame }, where),
    liar,
    mute: (peer) => {
      mutes.add(peer);
      void links.get(peer)?.close('says nothing of prints');
    },
    closest: () => dht.closest(),
    ...(options.bits === undefined ? {} : { bits: options.bits }),
    ...(options.resizeAfterMs === undefined ? {} : { resizeAfterMs: options.resizeAfterMs }),
  });
  const dht = new Dht({ host, now });
  const view: NodeView = {
    peer: peerId,
    label,
    addresses,
    lookup: (query) => library.lookup(query),
    scanning: () => library.scanning(),
    neighbours: () => links.all(),
    neighbour: (peer) => links.get(peer),
    keyOf,
    refuses: (peer) => scores.banned(peer),
    prints: prints.view,
  };
  const showings = new Shown();
  const foretold = new Foretold((of) => open(of, undefined, { stream: true }));
  const former = await Former.open(join(options.dataFolder, 'neighbours.json'), now, () => prints.known());
  const searching = new Searching({
    view,
    emit,
    now,
    random,
    send,
    prove: async (hit, signal) => {
      const { peer, cid } = hit;
      const keep = (bytes: Uint8Array): void => showings.keep(peer, cid, bytes);
      const asked = (of: Provider, limit?: AbortSignal): ReturnType<typeof open> =>
        open(of, limit, { stream: true });
      const proof = await proveEarly(asked, foretold, hit, signal, keep);
      if (proof === 'holds') shown.set(peer, { peer, label: nameOf(peer) ?? hit.label });
      return proof;
    },
    foretell: (peer, cid, signal) => {
      const [link, parsed] = [links.get(peer), parseCid(cid)];
      if (link === undefined || parsed?.codec !== RAW) return;
      foretold.ask({ peer, label: link.label, addresses: link.addresses }, parsed.text, signal);
    },
    dht: async (query, signal, onProvider) => (await dht.find(query, signal, onProvider)).messages,
    liar,
    labelOf: nameOf,
    refused: () =>
      [...shown.values()].flatMap(({ peer, label: name }) =>
        scores.banned(peer) && !links.removed(peer) ? name : [],
      ),
    // Whom else it knows of matters only to a node that is linked to nobody.
    unlinked: () => {
      if (links.all().length > 0) return [];
      const there = peers.list().filter(({ state }) => state !== 'self');
      const unwanted = (peer: string): boolean => links.refused(peer) || prints.left(peer);
      const known = prints.known().filter(({ peer }) => !unwanted(peer));
      return [...new Set([...[...there, ...known].map((peer) => peer.label), ...former.labels(unwanted)])];
    },
    audit: options.audit ?? true,
  });
  const take = (from: string, frame: LinkFrame): void => {
    if (frame.type === 'sync') prints.receive(from, frame.frame);
    else if (isSearch(frame)) searching.receive(from, frame);
  };
  const courier = await Courier.start({
    host,
    now,
    refuses: (peer) => scores.banned(peer),
    onFrame: (peer, _label, frame) => take(peer, frame),
    onUnsent: (to, frame) => {
      prints.unsent(to);
      if (frame.type !== 'sync') searching.unsent(to, frame);
    },
  });
  const replacing = new Set<string>();
  const rates = new Recent<string, Rates>(OVERLAY.maxScored);
  const links = await Links.start({
    host,
    label,
    port,
    now,
    bits: () => prints.view.bits(),
    refuses: (peer) => scores.banned(peer) || mutes.has(peer),
    why: (peer) => refusalText(scores.reason(peer)),
    onUp: (link) => {
      // Two nodes that dialled each other at once drop one of two links: no news to a person.
      if (!replacing.delete(link.peer)) emit({ type: 'neighbour.added', who: label, neighbour: link.label });
      // Kept when the link ends: a new one is no new allowance.
      if (rates.get(link.peer) === undefined) rates.set(link.peer, newRates(now()));
      former.linked(link);
      prints.up(link);
      searching.up(link.peer, link.label);
      exchange.up(link);
      const who = whereabouts.ofLink(link);
      letters?.heard(who, whereabouts.wasDialled(link) ? 'dialled' : 'linked');
      options.linked?.(who);
    },
    onFrame: (link, frame) => {
      const rate = rates.get(link.peer);
      const kind = QUESTIONS[frame.type];
      if (rate?.frames.take(1, now()) === false) {
        liar(link.peer, 'a flood of frames');
        void link.close('flood');
      } else if (kind !== undefined && rate?.[kind].take(1, now()) === false) return;
      else if (frame.type === 'peers') exchange.receive(link, frame);
      else take(link.peer, frame);
    },
    onDown: (link, why) => {
      if (why === REPLACED) replacing.add(link.peer);
      else emit({ type: 'neighbour.removed', who: label, neighbour: link.label, reason: why });
      prints.down(link);
      if (prints.left(link.peer) || links.refused(link.peer)) {
        prints.forget(link.peer);
        former.left(link);
      } else former.lost(link);
      searching.down(link.peer, link.label);
      exchange.down(link);
      peers.lost(link);
    },
  });
  const whereabouts = new Whereabouts({ host, links, known: () => prints.known() });
  const peers = new Peers(links, join(options.dataFolder, 'peers.json'), random);
  const exchange = new Exchange({
    links,
    now,
    random,
    wantNeighbours,
    sample: (count) => prints.sample(count),
    heard: (contact) => {
      prints.heard(contact);
      letters?.heard(contact, 'seen');
    },
    choose: () => {
      const kept = new Set(peers.list().map(({ peer }) => peer));
      const neighbours = links.all().map(({ peer, direction, sinceMs, address }) => ({
        peer,
        key: keyOf(peer),
        direction,
        keep: kept.has(peer),
        sinceMs: now() - sinceMs,
        address,
      }));
      return chooseLinks(
        {
          key: keyOf(peerId),
          bits: prints.view.bits(),
          neighbours,
          contacts: prints.known().map((contact) => ({ ...contact, key: keyOf(contact.peer) })),
          want: wantNeighbours,
          least: OVERLAY.minNeighbours,
          most: OVERLAY.maxNeighbours,
        },
        random,
      );
    },
  });
  if (letters !== undefined)
    mail = await Mail.start({
      host,
      now,
      refuses: (peer) => links.refused(peer),
      labelOf: (peer, connection) => whereabouts.labelOf(peer, connection),
      take: async (peer, letter) => letters.take(await whereabouts.of(peer), letter),
    });
  // Whoever opens a connection is there: what waits for it can go.
  host.addEventListener('connection:open', ({ detail }) => {
    const peer = detail.remotePeer.toString();
    letters?.heard({ peer, label: whereabouts.labelOf(peer, detail), addresses: [] }, 'seen');
  });
  const service = await Blocks.start({
    host,
    key,
    source: library,
    emit,
    who: label,
    now,
    labelOf: (peer, address) =>
      links.get(peer)?.label ?? labelOf(address.split('/')[2] ?? '', Number(address.split('/')[4] ?? 0)),
    refuses: (peer) => scores.banned(peer),
    ups,
    downs,
    ...(options.lanes === undefined ? {} : { lanes: options.lanes }),
    visible: (peer, cid) => options.visible?.(peer, cid),
    partial: (cid) => options.partial?.(cid),
    heard: (cid, provider) => options.fetcher?.(cid, provider),
    port: options.partial === undefined ? 0 : port,
    random,
  });
  lanes.service = service;
  const lists = await Lists.start({
    host,
    source: library,
    now,
    refuses: (peer) => links.refused(peer),
    turns: ups,
  });
  const bitswap = await Bitswap.start({
    host,
    blocks: options.ipfsBlocks ?? null,
    emit,
    who: label,
    now,
    refuses: (peer) => scores.banned(peer),
    liar,
  });
  let announcer: Announcer | undefined;
  let records: readonly string[] = [];
  let published: readonly Holding[] | null = null;
  const publish = (): void => {
    prints.changed();
    // The last ones are published first: people look for files.
    if (published !== files()) dht.setFiles(files(), records);
    published = files();
  };
  const stopListening = library.onChange(publish);
  publish();
  await peers.start(options.peers);
  exchange.start();

  return {
    peerId,
    label,
    port,
    ipfs: ipfsFinder(host, bitswap),
    addresses,
    carrier: {
      peerId,
      label,
      deliver: async (to, letter, signal) => {
        if (mail === undefined) throw new Error('this node carries no letters');
        return await mail.deliver(to, letter, signal);
      },
      find: (text, signal, command) => whereabouts.find(text, signal, command),
      whereabouts: (peer) => whereabouts.of(peer),
      linked: (peer) => links.get(peer) !== undefined,
    },
    search: (query: Query, how?: SearchOptions): AsyncIterable<SearchEvent> => searching.search(query, how),
    fetch: (hit: Hit, range?: ByteRange, signal?: AbortSignal): Bytes => fetchBytes(open, hit, range, signal),
    open: (provider: Provider, signal?: AbortSignal, cid?: string) => {
      const there = cid === undefined ? null : showings.open(provider, cid);
      return there === null ? open(provider, signal) : Promise.resolve(there);
    },
    list: (of, signal) => lists.pages(of, signal),
    liar,
    neighbours: (): readonly NeighbourInfo[] =>
      links.all().map((link: Link) => ({
        peer: link.peer,
        label: link.label,
        address: link.address,
        direction: link.direction,
        sinceMs: now() - link.sinceMs,
      })),
    prints: () => {
      const age = now() - prints.view.syncedAt(now());
      return {
        bits: prints.view.bits(),
        members: prints.view.members(),
        estimate: Math.round(prints.view.estimate()),
        bytes: prints.bytes,
        ageMs: age === Infinity ? null : Math.max(0, age),
        dht: dht.size,
      };
    },
    addPeer: (address, signal) => peers.add(address, signal),
    removePeer: (address) => peers.remove(address),
    peers: () => peers.list(),
    traffic: () => ({ up: ups.info(), down: downs.info() }),
    announce: async (server) => {
      announcer = await Announcer.start(host, server, (peer) => links.refused(peer));
      records = [recordName(server)];
      dht.setFiles(files(), records);
    },
    settled: async (signal) => {
      await peers.settled(signal);
      // The first exchange of prints takes some round trips; without it a search would have to walk.
      const until = now() + SEARCH.settlePrintsMs;
      while (prints.view.syncedAt(now()) === -Infinity && now() < until && !signal.aborted)
        await pause(10, signal);
    },
    close: async () => {
      showings.stop();
      stopListening();
      searching.stop();
      prints.leave();
      // libp2p drops what was written just before the end; neighbours should hear that this node's files go with it.
      if (links.all().length > 0) await delay(OVERLAY.leaveMs);
      await exchange.stop();
      await peers.stop();
      await dht.stop();
      ups.stop();
      downs.stop();
      await service.stop();
      await mail?.stop();
      await lists.stop();
      await bitswap.stop();
      await announcer?.stop();
      await links.stop();
      await former.stop();
      await courier.stop();
      await host.stop();
    },
  };
}

function isSearch(frame: LinkFrame): frame is SearchFrame {
  return isSearchFrame(frame.type);
}

/** ms for which the list of own addresses is kept: libp2p takes 0.3 ms to make it, and records ask 4 times a second. */
const ADDRESSES_MS = 5_000;
/** Of a machine with many interfaces; the first are enough to be reached. */
const MAX_ADDRESSES = 16;

const unlimited = (): null => null;
