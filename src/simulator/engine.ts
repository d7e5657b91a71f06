import { SEARCH } from '../core/config.ts';
import type { StrategyName } from '../core/ports.ts';
import type { Random } from '../core/random.ts';
import type {
  SearchFrame,
  SearchInput,
  SearchOutput,
  Strategy,
  StrategySettings,
} from '../core/search/search.ts';
import { createStrategy } from '../core/search/strategies.ts';
import { Bucket } from './bucket.ts';
import type { Departure } from './churn.ts';
import { hashText } from './hash.ts';
import { Kademlia, Lookup } from './kademlia.ts';
import { Ledger, type Trial } from './ledger.ts';
import { Liars } from './liars.ts';
import { SimulatedNode } from './view.ts';
import type { World } from './world.ts';

export interface EngineOptions {
  readonly strategy: StrategyName;
  readonly settings: StrategySettings;
  /** ms that one message takes. */
  readonly roundMs: number;
  /** Share of frames that vanish, 0 to 1. */
  readonly loss: number;
  /** Share of nodes that lie, 0 to 1. */
  readonly liars: number;
  readonly timeoutMs: number;
  readonly seed: number;
}

/** Nodes whose strategies are kept between queries; above, all are dropped after each query. */
const MAX_LIVE = 20_000;
/** ms without any frame after which nothing but the deadline can bring one: longer than every wait of a strategy. */
const QUIET_MS = 20_000;
/** ms after its deadline within which a search has to have ended. */
const OVERDUE_MS = 10 * SEARCH.tickMs;
/**
 * ms between the ticks of nodes other than the origin while frames are under way, and for how long after its last
 * frame a node gets them: longer than it waits for anything. A deadline beyond that waits for the quiet.
 */
const FAR_TICK_MS = 1_000;
const AWAKE_MS = 15_000;
/** ms between the starts of two queries beyond the end of the first, so that nothing of one is young in the next. */
const PAUSE_MS = 60_000;
/** Rounds that frames may still travel after the verdict. */
const MAX_DRAIN = 100_000;

interface Later {
  readonly round: number;
  readonly node: number;
  readonly input: SearchInput;
}

/**
 * Runs one strategy at every node of a world. A frame that a step sends arrives one round later; nothing else takes
 * time. Strategies are made when a node is first asked, and are exactly those that real nodes run.
 */
export class Engine {
  /** Messages that arrived at each node. */
  readonly load: Uint32Array;
  /** Off while a query only rehearses another. */
  counts = true;
  readonly #world: World;
  readonly #options: EngineOptions;
  readonly #tables: Kademlia;
  readonly #strategies: (Strategy | undefined)[];
  readonly #liars: Liars;
  readonly #ledger = new Ledger();
  #live = 0;
  #base = 1_000_000;
  #arriving = new Bucket();
  #leaving = new Bucket();
  #touched: number[] = [];
  #isTouched: Uint8Array;
  /** Nodes that may wait for something, and the round of the last input of each but ticks. */
  #awake: number[] = [];
  #isAwake: Uint8Array;
  #lastInput: Uint32Array;
  #farTicks = false;
  #later: Later[] = [];
  #lookup: Lookup | null = null;
  // Of the query that runs:
  #random: Random = () => 0;
  #origin = 0;
  #id = '';
  #round = 0;

  constructor(world: World, options: EngineOptions) {
    this.#world = world;
    this.#options = options;
    this.load = new Uint32Array(world.nodes);
    this.#tables = new Kademlia(world.space, options.seed);
    this.#strategies = Array.from<Strategy | undefined>({ length: world.nodes });
    this.#isTouched = new Uint8Array(world.nodes);
    this.#isAwake = new Uint8Array(world.nodes);
    this.#lastInput = new Uint32Array(world.nodes);
    this.#liars = new Liars(options.liars, options.seed);
  }

  /** One query from `origin` for the world's question. `departures` in order of their rounds. */
  run(number: number, origin: number, random: Random, departures: readonly Departure[] = []): Trial {
    this.#begin(number, origin, random);
    this.#step(origin, {
      type: 'start',
      id: this.#id,
      query: this.#world.question?.query ?? { kind: 'name', name: 'nothing' },
      timeoutMs: this.#options.timeoutMs,
      want: 1,
      strategy: this.#options.strategy,
      settings: this.#options.settings,
    });
    this.#rounds(departures);
    return this.#finish();
  }

  /** Whether a node tells the truth. */
  honest(node: number): boolean {
    return !this.#liars.has(node);
  }

  #begin(number: number, origin: number, random: Random): void {
    this.#random = random;
    this.#origin = origin;
    this.#id = number.toString(16).padStart(32, '0');
    this.#round = 0;
    this.#ledger.begin(origin);
    this.#world.now = this.#base;
  }

  #rounds(departures: readonly Departure[]): void {
    const { roundMs, timeoutMs, loss, liars } = this.#options;
    const tickRounds = Math.max(1, Math.floor(SEARCH.tickMs / roundMs));
    const farEvery = Math.max(1, Math.round(FAR_TICK_MS / SEARCH.tickMs));
    // Where nothing is lost, a wait of any node but the origin ends by a frame, never by its clock.
    this.#farTicks = loss > 0 || liars > 0 || departures.length > 0;
    const lastRound = Math.ceil((timeoutMs + OVERDUE_MS) / roundMs);
    let nextTick = tickRounds;
    let ticks = 0;
    let quietSince = 0;
    let left = 0;
    for (;;) {
      const busy = this.#leaving.length > 0 || this.#later.length > 0 || this.#lookup !== null;
      if (this.#ledger.ended && (!busy || this.#round > this.#ledger.endRound + MAX_DRAIN)) return;
      if (busy) quietSince = this.#round + 1;
      const quiet = !busy && (this.#round - quietSince) * roundMs > QUIET_MS;
      if (quiet) nextTick = Math.max(nextTick, Math.ceil(timeoutMs / roundMs));
      this.#round = busy ? this.#round + 1 : Math.max(this.#round + 1, nextTick);
      if (!this.#ledger.ended && this.#round > lastRound) return;
      this.#world.now = this.#base + this.#round * roundMs;
      for (
        let next = departures[left];
        next !== undefined && next.round <= this.#round;
        next = departures[left]
      ) {
        this.#depart(next);
        left += 1;
      }
      this.#deliver();
      if (this.#round < nextTick) continue;
      nextTick = this.#round + tickRounds;
      ticks += 1;
      if (!this.#ledger.ended) this.#tick(this.#whomToTick(busy, quiet, ticks % farEvery === 0));
    }
  }

  /** In a quiet network every clock may have something to say; else those of nodes that wait, now and then. */
  #whomToTick(busy: boolean, quiet: boolean, far: boolean): 'origin' | 'awake' | 'all' {
    if (!this.#farTicks) return quiet ? 'all' : 'origin';
    if (!busy) return 'all';
    return far ? 'awake' : 'origin';
  }

  #deliver(): void {
    const arriving = this.#leaving;
    this.#leaving = this.#arriving;
    this.#arriving = arriving;
    if (this.#later.length > 0) this.#deliverLater();
    const { alive } = this.#world;
    for (let at = 0; at < arriving.length; at += 1) {
      const to = arriving.to[at] ?? 0;
      const from = arriving.from[at] ?? 0;
      const frame = arriving.frames[at];
      if (frame === undefined) continue;
      if (alive[to] !== 1) {
        this.#undelivered(to, from, frame);
        continue;
      }
      this.#count(to);
      this.#step(to, { type: 'frame', from: this.#world.contact(from).peer, frame });
    }
    arriving.clear();
    if (this.#lookup !== null) this.#lookOn(this.#lookup);
  }

  #count(node: number): void {
    if (this.counts) this.load[node] = (this.load[node] ?? 0) + 1;
  }

  #deliverLater(): void {
    const due = this.#later.filter(({ round }) => round <= this.#round);
    this.#later = this.#later.filter(({ round }) => round > this.#round);
    for (const { node, input } of due) if (this.#world.alive[node] === 1) this.#step(node, input);
  }

  /** A frame on a link that broke under it is lost, and the link's end told of; a dial that fails is told of itself. */
  #undelivered(to: number, from: number, frame: SearchFrame): void {
    const leftAt = this.#world.leftAt.get(to) ?? 0;
    const onTheWay = leftAt > this.#world.now - this.#options.roundMs;
    if (onTheWay && this.#world.near(from).length > 0 && this.#wasLinked(from, to)) return;
    const input: SearchInput = { type: 'unsent', to: this.#world.contact(to).peer, frame };
    this.#later.push({ round: this.#round + 1, node: from, input });
  }

  #wasLinked(a: number, b: number): boolean {
    const { offsets, neighbours } = this.#world.graph;
    return neighbours.subarray(offsets[a], offsets[a + 1]).includes(b);
  }

  #step(node: number, input: SearchInput): void {
    if (this.#isTouched[node] !== 1) {
      this.#isTouched[node] = 1;
      this.#touched.push(node);
    }
    if (this.#farTicks && input.type !== 'tick') this.#wake(node);
    const lie = this.#options.liars > 0 ? this.#liars.answer(node, input) : null;
    if (lie !== null) return this.#take(node, lie);
    let strategy = this.#strategies[node];
    if (strategy === undefined) {
      strategy = createStrategy(this.#options.strategy, new SimulatedNode(this.#world, node));
      this.#strategies[node] = strategy;
      this.#live += 1;
    }
    this.#take(node, strategy.step(input, this.#world.now, this.#random));
  }

  #wake(node: number): void {
    this.#lastInput[node] = this.#round;
    if (this.#isAwake[node] === 1) return;
    this.#isAwake[node] = 1;
    this.#awake.push(node);
  }

  #take(node: number, outputs: readonly SearchOutput[]): void {
    for (const output of outputs) {
      switch (output.type) {
        case 'send':
          this.#send(node, Number(output.to), output.frame);
          break;
        case 'hit':
          if (node === this.#origin)
            this.#ledger.hit(output.hit.hops, this.#world.holds(Number(output.hit.peer)));
          break;
        case 'prove': {
          // A block is asked for and comes: a round there and one back, no messages of the search.
          const { peer, cid } = output.hit;
          const proof = this.#proofOf(Number(peer));
          const input: SearchInput = { type: 'proved', id: output.id, peer, cid, proof };
          this.#later.push({ round: this.#round + 2, node, input });
          break;
        }
        case 'dht':
          this.#look(node);
          break;
        case 'dht-stop':
          this.#lookup = null;
          break;
        case 'liar':
          this.#ledger.liarsCaught += 1;
          break;
        case 'end':
          if (node === this.#origin) this.#ledger.end(output.outcome, this.#round);
          break;
        default:
          break;
      }
    }
  }

  #send(from: number, to: number, frame: SearchFrame): void {
    this.#ledger.sent(from, frame);
    if (this.#options.loss > 0 && this.#random() < this.#options.loss) return;
    this.#leaving.push(to, from, frame);
  }

  #proofOf(holder: number): 'holds' | 'lies' | 'unreachable' {
    if (this.#world.alive[holder] !== 1) return 'unreachable';
    return this.#world.holds(holder) ? 'holds' : 'lies';
  }

  #look(origin: number): void {
    const { question, space, alive } = this.#world;
    if (question === null) return;
    const { query } = question;
    const text = query.kind === 'cid' ? query.cid : query.kind === 'name' ? query.name : '';
    this.#lookup = new Lookup(this.#tables, space, {
      origin,
      target: hashText(text),
      holders: question.holders,
      random: this.#random,
      reach: {
        alive: (node) => alive[node] === 1,
        sent: (node) => {
          this.#ledger.dhtRequest();
          this.#count(node);
        },
        answered: () => {
          this.#ledger.dhtAnswer();
          this.#count(origin);
        },
      },
    });
  }

  #lookOn(lookup: Lookup): void {
    const { providers, done } = lookup.advance(this.#round);
    for (const provider of providers) {
      if (this.#lookup !== lookup) return;
      this.#step(lookup.origin, { type: 'provider', id: this.#id, contact: this.#world.contact(provider) });
    }
    if (!done || this.#lookup !== lookup) return;
    this.#lookup = null;
    const messages = lookup.requests + lookup.answers;
    this.#step(lookup.origin, { type: 'dht-end', id: this.#id, messages });
  }

  #depart({ node, joins }: Departure): void {
    const world = this.#world;
    world.setAlive(node, joins);
    (joins ? world.joinedAt : world.leftAt).set(node, world.now);
    const { peer, label } = world.contact(node);
    const type = joins ? 'neighbour-up' : 'neighbour-down';
    for (const { peer: near } of world.near(node)) {
      const other = Number(near);
      if (this.#strategies[other] !== undefined && this.#isTouched[other] === 1)
        this.#step(other, { type, peer, label });
    }
  }

  #tick(whom: 'origin' | 'awake' | 'all'): void {
    this.#step(this.#origin, { type: 'tick' });
    if (whom === 'origin') return;
    const oldest = this.#round - AWAKE_MS / this.#options.roundMs;
    if (whom === 'awake')
      this.#awake = this.#awake.filter((node) => {
        const stays = (this.#lastInput[node] ?? 0) >= oldest;
        if (!stays) this.#isAwake[node] = 0;
        return stays;
      });
    const list = whom === 'all' ? this.#touched : this.#awake;
    // The list may grow while ticks make nodes send; those nodes have just been stepped.
    const count = list.length;
    for (let at = 0; at < count; at += 1) {
      const node = list[at] ?? 0;
      if (node !== this.#origin && this.#world.alive[node] === 1) this.#step(node, { type: 'tick' });
    }
  }

  #finish(): Trial {
    const trial = this.#ledger.trial(this.#round);
    for (const node of this.#touched) {
      this.#isTouched[node] = 0;
      this.#isAwake[node] = 0;
      this.#strategies[node]?.step({ type: 'forget', id: this.#id }, this.#world.now, this.#random);
    }
    this.#touched = [];
    this.#awake = [];
    this.#later = [];
    this.#lookup = null;
    this.#leaving.clear();
    if (this.#live > MAX_LIVE) {
      this.#strategies.fill(undefined);
      this.#live = 0;
      this.#world.forget();
    }
    this.#base += this.#round * this.#options.roundMs + PAUSE_MS;
    return trial;
  }
}
