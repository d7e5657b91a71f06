import { SEARCH } from '../core/config.ts';
import type { Holding } from '../core/ports.ts';
import type { Contact } from '../core/search/search.ts';
import { areLinked, type Graph } from './graph.ts';
import { mix } from './hash.ts';
import { bitsFor, prefixOf, type KeySpace } from './keys.ts';
import type { Question } from './question.ts';

/** What a contact looks like on the wire: lengths count (sizes.ts), the text does not. */
export const LABEL = '192.168.100.100:5001';
/** Length of an Ed25519 peer id in base58. */
export const PEER_BYTES = 52;
/** The wire leaves out the peer id at a multiaddr's end, where it is the contact's own. */
const ADDRESSES: readonly string[] = ['/ip4/192.168.100.100/tcp/5001'];

/** ms until a member that left without a word is no longer named as a contact: the bound that prints keep to. */
const NOTICE_MS = SEARCH.syncBoundMs;
/** Members of each other group that a node knows (SEARCH.md). */
const CONTACTS = 3;
/** Places tried for one contact before there is none. */
const CONTACT_TRIES = 4;

/**
 * The network that all strategies run in: who is linked to whom, who is there, and who holds what is looked for now.
 * Node `n` is the peer `String(n)`. Everything is in typed arrays; contacts are made when somebody asks for them.
 */
export class World {
  readonly graph: Graph;
  readonly space: KeySpace;
  readonly bits: number;
  readonly alive: Uint8Array;
  /** ms when a node joined or left during this run; nodes that are not here were there from the beginning. */
  readonly joinedAt = new Map<number, number>();
  readonly leftAt = new Map<number, number>();
  /** ms; set by the engine before each round. */
  now = 0;
  question: Question | null = null;
  readonly #seed: number;
  readonly #holds: Uint32Array;
  #stamp = 0;
  readonly #contacts: (Contact | undefined)[];
  readonly #near: (readonly Contact[] | undefined)[];
  #candidates = new Map<number, readonly number[]>();

  constructor(graph: Graph, space: KeySpace, seed: number) {
    this.graph = graph;
    this.space = space;
    this.bits = bitsFor(graph.nodes);
    this.alive = new Uint8Array(graph.nodes).fill(1);
    this.#seed = seed;
    this.#holds = new Uint32Array(graph.nodes);
    this.#contacts = Array.from<Contact | undefined>({ length: graph.nodes });
    this.#near = Array.from<readonly Contact[] | undefined>({ length: graph.nodes });
  }

  get nodes(): number {
    return this.graph.nodes;
  }

  /** From now on nodes answer for this question. */
  ask(question: Question): void {
    this.question = question;
    this.#candidates = new Map();
    this.#stamp += 1;
    for (const holder of question.holders) this.#holds[holder] = this.#stamp;
  }

  holds(node: number): boolean {
    return this.#holds[node] === this.#stamp;
  }

  holdings(node: number): readonly Holding[] {
    return this.question !== null && this.holds(node) ? this.question.holdings(node) : NOTHING;
  }

  contact(node: number): Contact {
    let contact = this.#contacts[node];
    if (contact === undefined) {
      contact = { peer: String(node), label: LABEL, addresses: ADDRESSES };
      this.#contacts[node] = contact;
    }
    return contact;
  }

  addresses(): readonly string[] {
    return ADDRESSES;
  }

  /** Neighbours that are there. */
  near(node: number): readonly Contact[] {
    let near = this.#near[node];
    if (near === undefined) {
      const { offsets, neighbours } = this.graph;
      const list: Contact[] = [];
      for (let at = offsets[node] ?? 0; at < (offsets[node + 1] ?? 0); at += 1) {
        const other = neighbours[at] ?? 0;
        if (this.alive[other] === 1) list.push(this.contact(other));
      }
      near = list;
      this.#near[node] = near;
    }
    return near;
  }

  linked(a: number, b: number): boolean {
    return this.alive[b] === 1 && areLinked(this.graph, a, b);
  }

  setAlive(node: number, alive: boolean): void {
    this.alive[node] = alive ? 1 : 0;
    const { offsets, neighbours } = this.graph;
    for (let at = offsets[node] ?? 0; at < (offsets[node + 1] ?? 0); at += 1)
      this.#near[neighbours[at] ?? 0] = undefined;
  }

  /** Drops what was made for nodes that were asked, where a network is too large to keep it for all. */
  forget(): void {
    this.#contacts.fill(undefined);
    this.#near.fill(undefined);
  }

  /** Members of a node's group whose prints say that they may hold it, that node left out. */
  candidates(node: number): Contact[] {
    const group = prefixOf(this.space.keys[node] ?? 0, this.bits);
    const list: Contact[] = [];
    for (const member of this.#candidatesOf(group))
      if (member !== node && this.alive[member] === 1 && this.#known(member)) list.push(this.contact(member));
    return list;
  }

  /** Its prints had time to spread. */
  #known(member: number): boolean {
    return (this.joinedAt.get(member) ?? Number.NEGATIVE_INFINITY) <= this.now - SEARCH.syncBoundMs;
  }

  #candidatesOf(group: number): readonly number[] {
    if (this.#candidates.size === 0 && this.question !== null) {
      const byGroup = new Map<number, number[]>();
      for (const list of [this.question.holders, this.question.suspects])
        for (const member of list) {
          const of = prefixOf(this.space.keys[member] ?? 0, this.bits);
          const members = byGroup.get(of);
          if (members === undefined) byGroup.set(of, [member]);
          else members.push(member);
        }
      this.#candidates = byGroup;
    }
    return this.#candidates.get(group) ?? NOBODY;
  }

  /**
   * Whom a node knows of a group: three members by hashing, which takes no memory. The first two lie in different
   * halves of the group, so that tokens that ask one half each find somebody.
   */
  contactsOf(node: number, prefix: number, bits: number): Contact[] {
    const known = this.graph.file?.contacts?.[node];
    if (known !== undefined) return this.#namedContacts(known, prefix, bits);
    const list: Contact[] = [];
    const first = mix(this.#seed ^ node, prefix, bits) & 1;
    for (let at = 0; at < CONTACTS; at += 1) {
      const half = (first + at) & 1;
      for (let tries = 0; tries < CONTACT_TRIES; tries += 1) {
        // The second half of the tries takes any member: a half may be empty.
        const whole = at === CONTACTS - 1 || tries >= CONTACT_TRIES / 2;
        const draw = [mix(this.#seed ^ node, prefix, bits), at * CONTACT_TRIES + tries] as const;
        const member = this.#memberOf(prefix, bits, draw, whole ? null : half);
        if (member < 0 || member === node || this.#noticedGone(member)) continue;
        const contact = this.contact(member);
        if (list.includes(contact)) continue;
        list.push(contact);
        break;
      }
    }
    return list;
  }

  #namedContacts(known: readonly number[], prefix: number, bits: number): Contact[] {
    return known
      .filter(
        (member) => prefixOf(this.space.keys[member] ?? 0, bits) === prefix && !this.#noticedGone(member),
      )
      .map((member) => this.contact(member));
  }

  /** Of the half that ends with the bit `half`, where it is not null; -1 where the group has nobody there. */
  #memberOf(prefix: number, bits: number, [a, b]: readonly [number, number], half: number | null): number {
    const start = this.space.start(prefix, bits);
    const size = this.space.start(prefix + 1, bits) - start;
    const first = size === 0 ? 0 : mix(a, b) % size;
    for (let at = 0; at < size; at += 1) {
      const place = start + ((first + at) % size);
      if (half === null || (this.space.keyAt(place) & 1) === half) return this.space.nodeAt(place);
    }
    return -1;
  }

  #noticedGone(member: number): boolean {
    if (this.alive[member] === 1) return false;
    return (this.leftAt.get(member) ?? Number.NEGATIVE_INFINITY) <= this.now - NOTICE_MS;
  }

  /** Whether an honest holder is there now that the origin reaches over nodes that are there now. */
  reachesHolder(origin: number, honest: (node: number) => boolean): boolean {
    const { offsets, neighbours } = this.graph;
    const seen = new Uint8Array(this.nodes);
    const todo = [origin];
    seen[origin] = 1;
    for (let node = todo.pop(); node !== undefined; node = todo.pop()) {
      if (this.holds(node) && !this.joinedAt.has(node) && honest(node)) return true;
      for (let at = offsets[node] ?? 0; at < (offsets[node + 1] ?? 0); at += 1) {
        const other = neighbours[at] ?? 0;
        if (seen[other] === 1 || this.alive[other] !== 1) continue;
        seen[other] = 1;
        todo.push(other);
      }
    }
    return false;
  }
}

const NOTHING: readonly Holding[] = [];
const NOBODY: readonly number[] = [];
