import { SWARM } from '../config.ts';
import { seededRandom } from '../random.ts';
import { add, has } from '../search/bitset.ts';
import { blockCount, blockSize } from './layout.ts';
import { Plan, type DropReason, type PlanInput, type PlanOutput } from './plan.ts';

/** A provider of the simulation; it answers in order, one block after the other. Times are ms. */
export interface SimProvider {
  /** Bytes a millisecond. */
  readonly rate: number;
  readonly latency?: number;
  /** Blocks it has; all by default. */
  readonly have?: readonly number[];
  readonly joins?: number;
  /** Lost for good. */
  readonly dies?: number;
  /** Lost at these times, and back 100 ms later. */
  readonly drops?: readonly number[];
  /** Blocks that come wrong. */
  readonly lies?: (block: number) => boolean;
  /** From here on nothing comes any more. */
  readonly silent?: number;
  /** From here on it says that its file changed. */
  readonly changed?: number;
  /** Says busy until here. */
  readonly busy?: number;
  /** Answers come up to this much later, each by its own measure, so that they overtake each other. */
  readonly jitter?: number;
  /** Blocks it gets while the download runs, one every so many ms. */
  readonly gains?: number;
}

export interface SimOptions {
  readonly size: number;
  readonly blockBytes: number;
  readonly providers: readonly SimProvider[];
  readonly seed?: number;
  /** Memory for blocks; what is asked for beyond it waits. */
  readonly slots?: number;
  /** ms to check and write a block. */
  readonly checkMs?: number;
  /** ms after which the simulation gives up. */
  readonly until?: number;
}

export interface SimResult {
  /** ms; null where it did not finish. */
  readonly finished: number | null;
  /** Bytes that came but were not used, without those of liars. */
  readonly wasted: number;
  readonly lies: readonly number[];
  readonly given: readonly number[];
  readonly dropped: readonly { readonly provider: number; readonly why: DropReason; readonly at: number }[];
  readonly lost: number;
  readonly starved: boolean;
}

/** Runs a plan against providers in virtual time, and checks on the way what must hold at every moment. */
export function simulate(options: SimOptions): SimResult {
  const { size, blockBytes, providers, seed = 1, slots = Infinity, checkMs = 0, until = 3_600_000 } = options;
  const random = seededRandom(seed);
  const faults = seededRandom(seed + 1);
  const count = blockCount(size, blockBytes);
  const plan = new Plan({ size, blockBytes });
  const queue: { at: number; order: number; run: () => void }[] = [];
  let [now, order, free, wasted, starved, lost, finished] = [0, 0, slots, 0, false, 0, null as number | null];
  const accepted = new Set<number>();
  const [gave, lies] = [providers.map(() => 0), providers.map(() => 0)];
  const dropped: { provider: number; why: DropReason; at: number }[] = [];
  const sims = providers.map(({ have }) => ({
    open: false,
    session: 0,
    liar: false,
    idleFrom: 0,
    have: have === undefined ? null : setOf(have, count),
    /** Blocks it owes, as the plan must see it. */
    owes: new Set<number>(),
  }));
  const waiting: { provider: number; session: number; block: number }[] = [];

  const at = (when: number, run: () => void): void => {
    order += 1;
    const item = { at: Math.max(now, when), order, run };
    let place = queue.length;
    while (place > 0 && later(queue[place - 1], item)) place -= 1;
    queue.splice(place, 0, item);
  };
  const simOf = (provider: number) => given(sims[provider]);
  const step = (input: PlanInput): readonly PlanOutput[] => {
    const outputs = plan.step(input, now, random);
    for (const output of outputs) take(output);
    let owed = 0;
    for (const sim of sims) {
      must(sim.owes.size <= SWARM.maxAsked, 'more than one provider may owe');
      owed += sim.owes.size;
    }
    must(owed <= SWARM.maxOutstanding, 'more than all may owe');
    return outputs;
  };

  function take(output: PlanOutput): void {
    if (output.type === 'done') finished = now;
    else if (output.type === 'starved') starved = true;
    else if (output.type === 'check') must(!accepted.has(output.block), 'checked twice');
    else if (output.type === 'ask') {
      const provider = Number(output.provider);
      const sim = simOf(provider);
      must(sim.open, 'asked one who is not there');
      for (const block of output.blocks) {
        must(block >= 0 && block < count, 'no such block');
        must(sim.have === null || has(sim.have, block), 'asked for what it does not have');
        must(!sim.owes.has(block), 'asked twice of the same');
        must(!accepted.has(block), 'asked for what is there');
        sim.owes.add(block);
        waiting.push({ provider, session: sim.session, block });
      }
    } else if (output.type === 'cancel') simOf(Number(output.provider)).owes.delete(output.block);
    else if (output.type === 'drop') {
      const provider = Number(output.provider);
      dropped.push({ provider, why: output.why, at: now });
      close(provider);
      const sim = simOf(provider);
      sim.liar ||= output.liar;
      if (output.liar) must(providers[provider]?.lies !== undefined, 'an honest one is called a liar');
      // As the swarm does, it comes back to whoever was only slow.
      else if (output.why !== 'changed') at(now + 1_000, () => join(provider));
    }
  }

  function close(provider: number): void {
    const sim = simOf(provider);
    if (sim.owes.size > 0 || sim.open) lost += 1;
    sim.open = false;
    sim.session += 1;
    sim.owes.clear();
  }

  function join(provider: number): void {
    const [sim, { dies = Infinity } = { dies: 0 }] = [simOf(provider), providers[provider]];
    if (sim.open || sim.liar || now >= dies) return;
    sim.open = true;
    sim.idleFrom = now;
    step({ type: 'joined', provider: String(provider), have: sim.have?.slice() ?? null });
  }

  function lose(provider: number): void {
    if (!simOf(provider).open) return;
    close(provider);
    step({ type: 'gone', provider: String(provider) });
  }

  /** Sends what has memory. */
  function pump(): void {
    while (free > 0 && waiting.length > 0) {
      const next = given(waiting.shift());
      const { provider, session, block } = next;
      const [sim, about] = [simOf(provider), given(providers[provider])];
      if (sim.session !== session || !sim.owes.has(block)) continue;
      free -= 1;
      const { rate, latency = 0, jitter = 0 } = about;
      step({ type: 'sent', provider: String(provider), block });
      const bytes = blockSize(size, blockBytes, block);
      sim.idleFrom = Math.max(sim.idleFrom, now + latency / 2) + bytes / rate;
      at(sim.idleFrom + latency / 2 + faults() * jitter, () => arrive(provider, session, block));
    }
  }

  function arrive(provider: number, session: number, block: number): void {
    const [sim, about] = [simOf(provider), given(providers[provider])];
    const { silent = Infinity, changed = Infinity, busy = -Infinity } = about;
    if (now >= silent) {
      // Its memory comes back when its session is given up.
      if (sim.session === session) at(now + 20_000, () => sim.session === session && lose(provider));
      at(now + 20_000, release);
      return;
    }
    free += 1;
    if (sim.session !== session) return;
    sim.owes.delete(block);
    const name = String(provider);
    if (now < busy || now >= changed)
      return void step({ type: 'refused', provider: name, block, code: now < busy ? 'busy' : 'changed' });
    const wanted = step({ type: 'got', provider: name, block }).some(
      (output) => output.type === 'check' && output.block === block,
    );
    const bytes = blockSize(size, blockBytes, block);
    const bad = about.lies?.(block) ?? false;
    if (bad) lies[provider] = (lies[provider] ?? 0) + 1;
    else if (!wanted) wasted += bytes;
    if (!wanted) return;
    free -= 1;
    at(now + checkMs, () => {
      free += 1;
      if (!bad) {
        must(!accepted.has(block), 'accepted twice');
        accepted.add(block);
        gave[provider] = (gave[provider] ?? 0) + bytes;
      }
      step({ type: bad ? 'bad' : 'good', provider: name, block });
    });
  }

  function release(): void {
    free += 1;
  }

  for (const [provider, about] of providers.entries()) {
    at(about.joins ?? 0, () => join(provider));
    if (about.dies !== undefined) at(about.dies, () => lose(provider));
    for (const when of about.drops ?? []) {
      at(when, () => lose(provider));
      at(when + 100, () => join(provider));
    }
    const { gains } = about;
    if (gains !== undefined) at(gains, () => gain(provider, gains));
  }
  function gain(provider: number, every: number): void {
    const sim = simOf(provider);
    if (sim.have === null || finished !== null) return;
    const missing = Array.from({ length: count }, (_, block) => block).find(
      (block) => sim.have !== null && !has(sim.have, block),
    );
    if (missing === undefined) return;
    add(sim.have, missing);
    if (sim.open) step({ type: 'have', provider: String(provider), have: sim.have.slice() });
    at(now + every, () => gain(provider, every));
  }
  const tick = (): void => {
    step({ type: 'tick' });
    at(now + SWARM.tickMs, tick);
  };
  at(SWARM.tickMs, tick);
  for (;;) {
    const next = queue.shift();
    if (finished !== null || next === undefined || next.at > until) break;
    now = next.at;
    next.run();
    pump();
  }
  if (finished !== null) must(accepted.size === count, 'done without all blocks');
  return { finished, wasted, lies, given: gave, dropped, lost, starved };
}

function must(holds: boolean, what: string): void {
  if (!holds) throw new Error(what);
}

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new RangeError('no such provider');
  return value;
}

function later(
  one: { at: number; order: number } | undefined,
  other: { at: number; order: number },
): boolean {
  return one !== undefined && (one.at > other.at || (one.at === other.at && one.order > other.order));
}

export function setOf(blocks: readonly number[], count: number): Uint8Array {
  const set = new Uint8Array(Math.ceil(count / 8));
  for (const block of blocks) add(set, block);
  return set;
}
