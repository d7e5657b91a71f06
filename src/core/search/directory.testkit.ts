import { PRINTS } from '../config.ts';
import { seededRandom } from '../random.ts';
import { decodeFrame, encodeFrame } from '../wire/frames.ts';
import type { SyncFrame } from '../wire/sync.ts';
import { createDirectory, type Directory, type DirectoryInput } from './directory.ts';
import type { Crypto } from './keeper.ts';
import { PrintWriter } from './prints.ts';
import { shares } from './size.ts';

export interface NetworkOptions {
  readonly seed: number;
  readonly crypto: (peer: string) => Crypto;
  /** Shares of frames lost, and sent twice. */
  readonly loss?: number;
  readonly twice?: number;
  /** ms that a frame takes at least and at most; each frame its own, so that they overtake each other. */
  readonly delay?: readonly [number, number];
  /** In order, as one stream brings frames. */
  readonly ordered?: boolean;
  readonly bits?: (peer: string) => number;
  /** ms; without it nodes never change their groups. */
  readonly resizeAfterMs?: number;
}

/** One virtual node: its clock has an offset, so that nothing can lean on clocks being alike. */
export interface VirtualNode {
  readonly peer: string;
  readonly offset: number;
  readonly directory: Directory;
  readonly startedAt: number;
  /** Records it made: number, time (ms, network), and the version of its library. */
  readonly made: { readonly seq: number; readonly at: number; readonly version: number }[];
  /** Of its library: one file has words that tell owner and version, the others stay. */
  version: number;
  files: number;
  readonly writer: PrintWriter;
}

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

const WALL = 1_700_000_000_000;

/** Directories over a network in memory, with virtual time; frames pass through the real codec. */
export class SyncNetwork {
  readonly nodes = new Map<string, VirtualNode>();
  /** Times at which links came up, by `one two` with the lesser peer first. */
  readonly links = new Map<string, number>();
  readonly mutes: { readonly at: string; readonly peer: string }[] = [];
  readonly liars: { readonly at: string; readonly peer: string; readonly why: string }[] = [];
  /** Takes the frames of nodes that are not honest; true where it did. */
  liarAt: ((at: string, from: string, frame: SyncFrame) => boolean) | null = null;
  readonly random: () => number;
  readonly options: NetworkOptions;
  now = 0;
  frames = 0;
  bytes = 0;
  largest = 0;
  #events: Event[] = [];
  #order = 0;
  readonly #arrival = new Map<string, number>();

  constructor(options: NetworkOptions) {
    this.options = options;
    this.random = seededRandom(options.seed);
  }

  add(peer: string, files = 0): VirtualNode {
    const bits = this.options.bits?.(peer);
    const node: VirtualNode = {
      peer,
      offset: Math.floor(this.random() * 1e6),
      startedAt: this.now,
      made: [],
      version: 0,
      files,
      writer: new PrintWriter(),
      directory: createDirectory({
        self: { peer, label: () => `node ${peer}`, addresses: () => [`/ip4/10.0.0.1/tcp/${peer.length}`] },
        ...this.options.crypto(peer),
        ...(bits === undefined ? {} : { bits }),
        resizeAfterMs: this.options.resizeAfterMs ?? Infinity,
      }),
    };
    this.nodes.set(peer, node);
    this.change(peer);
    const tick = (): void => {
      if (this.nodes.get(peer) !== node) return;
      this.input(peer, { type: 'tick', wall: this.wall() });
      this.#at(this.now + PRINTS.tickMs, tick);
    };
    this.#at(this.now + this.random() * PRINTS.tickMs, tick);
    return node;
  }

  /** ms since 1970, as all nodes see it. */
  wall(): number {
    return WALL + this.now;
  }

  /** Gives a node a new library. */
  change(peer: string): void {
    const node = this.nodes.get(peer);
    if (node === undefined) return;
    node.version += 1;
    const name = `${wordFor(peer, node.version)} berkas.txt`;
    const more = Array.from({ length: node.files }, (_, at) => ({
      name: `${peer} lama ${at}.txt`,
      size: 1,
      cid: `bafy${peer}lama${at}`,
    }));
    const prints = node.writer.encode([{ name, size: 1, cid: `bafy${peer}${node.version}` }, ...more]);
    this.input(peer, { type: 'library', ...prints, wall: this.wall() });
  }

  link(one: string, two: string): void {
    const name = nameOf(one, two);
    if (one === two || this.links.has(name) || !this.nodes.has(one) || !this.nodes.has(two)) return;
    this.links.set(name, this.now);
    for (const [at, other] of [
      [one, two],
      [two, one],
    ] as const) {
      const bits = this.nodes.get(other)?.directory.view.bits() ?? 0;
      this.input(at, { type: 'link-up', peer: other, label: `node ${other}`, addresses: [], bits });
    }
  }

  unlink(one: string, two: string): void {
    if (!this.links.delete(nameOf(one, two))) return;
    this.input(one, { type: 'link-down', peer: two });
    this.input(two, { type: 'link-down', peer: one });
  }

  /** Stops a node with no word; its neighbours notice. */
  kill(peer: string): void {
    this.nodes.delete(peer);
    for (const name of this.links.keys()) {
      const [one = '', two = ''] = name.split(' ');
      if (one === peer || two === peer) this.unlink(one, two);
    }
  }

  input(peer: string, input: DirectoryInput): void {
    const node = this.nodes.get(peer);
    if (node === undefined) return;
    const outputs = node.directory.step(input, this.now + node.offset, this.random);
    if (input.type !== 'frame' || outputs.length > 0) this.#note(node);
    for (const output of outputs) {
      if (output.type === 'send') this.send(peer, output.to, output.frame, output.addresses !== undefined);
      else if (output.type === 'mute') this.mutes.push({ at: peer, peer: output.peer });
      else if (output.type === 'liar') this.liars.push({ at: peer, peer: output.peer, why: output.why });
    }
  }

  #note(node: VirtualNode): void {
    const own = node.directory.record(node.peer);
    if (own !== undefined && own.seq !== node.made.at(-1)?.seq)
      node.made.push({ seq: own.seq, at: this.now, version: node.version });
  }

  /** `free`: also where there is no link. */
  send(from: string, to: string, frame: SyncFrame, free: boolean): void {
    if (!free && !this.links.has(nameOf(from, to))) return;
    const bytes = encodeFrame({ type: 'sync', frame });
    this.frames += 1;
    this.bytes += bytes.length;
    this.largest = Math.max(this.largest, bytes.length);
    const since = this.links.get(nameOf(from, to));
    const { loss = 0, twice = 0, delay: [least, most] = [1, 50], ordered = false } = this.options;
    for (let copy = this.random() < twice ? 2 : 1; copy > 0; copy -= 1) {
      if (this.random() < loss) continue;
      let at = this.now + least + this.random() * (most - least);
      if (ordered) {
        at = Math.max(at, this.#arrival.get(`${from} ${to}`) ?? 0);
        this.#arrival.set(`${from} ${to}`, at);
      }
      this.#at(at, () => {
        // What a link that is no more had under way is lost with it.
        if (!free && this.links.get(nameOf(from, to)) !== since) return;
        const decoded = decodeFrame(bytes);
        if (decoded.type === 'sync' && this.liarAt?.(to, from, decoded.frame) !== true)
          this.input(to, { type: 'frame', from, frame: decoded.frame });
      });
    }
  }

  run(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.#events[0];
      if (next === undefined || next.at > end) break;
      this.#pop();
      this.now = Math.max(this.now, next.at);
      next.run();
    }
    this.now = end;
  }

  /** Time in which nobody does anything: what is due comes after it, late. */
  skip(ms: number): void {
    this.now += ms;
  }

  /** ms, network time; -Infinity where it is not synced. */
  syncedAt(peer: string): number {
    const node = this.nodes.get(peer);
    return node === undefined
      ? -Infinity
      : node.directory.view.syncedAt(this.now + node.offset) - node.offset;
  }

  /**
   * For each node reachable from `peer` over links of one group: since when (ms) a path of links has lived. Links that
   * came up first are tried first, so that it is the earliest such time.
   */
  connected(peer: string, without = new Set<string>()): Map<string, number> {
    const since = new Map<string, number>();
    const start = this.nodes.get(peer);
    if (start === undefined) return since;
    const todo = [{ peer, at: start.startedAt }];
    const around = new Map<string, { readonly peer: string; readonly up: number }[]>();
    for (const [name, up] of this.links) {
      const [one = '', two = ''] = name.split(' ');
      for (const [at, other] of [
        [one, two],
        [two, one],
      ] as const)
        around.set(at, [...(around.get(at) ?? []), { peer: other, up }]);
    }
    while (todo.length > 0) {
      todo.sort((one, other) => other.at - one.at);
      const next = todo.pop();
      if (next === undefined || since.has(next.peer)) continue;
      since.set(next.peer, next.at);
      for (const { peer: other, up } of around.get(next.peer) ?? [])
        if (!since.has(other) && !without.has(other) && this.#grouped(peer, other))
          todo.push({ peer: other, at: Math.max(next.at, up) });
    }
    return since;
  }

  #grouped(one: string, two: string): boolean {
    const { keyOf } = this.options.crypto(one);
    const bits = this.nodes.get(one)?.directory.view.bits() ?? 0;
    return bits === this.nodes.get(two)?.directory.view.bits() && shares(keyOf(one), keyOf(two), bits);
  }

  #at(at: number, run: () => void): void {
    // A binary heap by time, then order.
    const events = this.#events;
    const event = { at, order: (this.#order += 1), run };
    let place = events.push(event) - 1;
    while (place > 0) {
      const up = (place - 1) >> 1;
      const parent = events[up];
      if (parent === undefined || before(parent, event)) break;
      events[place] = parent;
      place = up;
    }
    events[place] = event;
  }

  #pop(): void {
    const events = this.#events;
    const last = events.pop();
    if (last === undefined || events.length === 0) return;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      const left = events[child];
      const right = events[child + 1];
      if (left === undefined) break;
      if (right !== undefined && before(right, left)) child += 1;
      const least = events[child];
      if (least === undefined || before(last, least)) break;
      events[place] = least;
      place = child;
    }
    events[place] = last;
  }
}

function before(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order);
}

export function wordFor(peer: string, version: number): string {
  return `pemilik${peer.replaceAll(/[^a-z0-9]/g, '')}versi${version}`;
}

function nameOf(one: string, two: string): string {
  return one < two ? `${one} ${two}` : `${two} ${one}`;
}

/**
 * What a node claims although it is not so: null where each record that a node connected to it had made by `syncedAt`
 * is here, or a newer one.
 */
export function falseClaim(network: SyncNetwork, peer: string, liars = new Set<string>()): string | null {
  const node = network.nodes.get(peer);
  const time = network.syncedAt(peer);
  if (node === undefined || time === -Infinity) return null;
  if (time > network.now) return `${peer} claims the future`;
  const held = new Map(node.directory.records().map((header) => [header.peer, header.seq]));
  for (const [owner, since] of network.connected(peer, liars)) {
    if (time <= since) continue;
    const last = network.nodes.get(owner)?.made.findLast(({ at }) => at < time);
    if (last !== undefined && (held.get(owner) ?? 0) < last.seq)
      return `${peer} claims ${time} at ${network.now}, but lacks ${owner}'s record of ${last.at}`;
  }
  return null;
}
