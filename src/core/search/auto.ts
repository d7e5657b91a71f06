import { SEARCH } from '../config.ts';
import type { StrategyName } from '../ports.ts';
import type { Random } from '../random.ts';
import type { SearchFrame } from '../wire/search-frames.ts';
import { createDht } from './dht.ts';
import { createFlood, createRing } from './flood.ts';
import { createGroups } from './groups.ts';
import { sum } from './origin.ts';
import type { NodeView, Outcome, SearchInput, SearchOutput, Strategy } from './search.ts';
import { createWalk } from './walk.ts';
import { createWalkers } from './walkers.ts';

type Start = Extract<SearchInput, { type: 'start' }>;
type Single = Exclude<StrategyName, 'auto'>;

const SINGLES: readonly Single[] = ['walk', 'walkers', 'flood', 'ring', 'dht', 'groups'];

/** Which strategies a frame is for; `found` and `trace` are for whoever began the search of that id. */
const FRAMES: Readonly<Record<SearchFrame['type'], readonly Single[]>> = {
  visit: ['walk'],
  return: ['walk'],
  cancel: ['walk'],
  flood: ['flood', 'ring'],
  walker: ['walkers'],
  check: ['walkers'],
  go: ['walkers'],
  confirm: ['groups'],
  found: SINGLES,
  token: ['groups'],
  report: ['groups'],
  trace: SINGLES,
};

/** A search that `auto` is running: which strategies are still to be tried, and what the former ones have cost. */
interface Running {
  readonly start: Start;
  readonly deadline: number;
  readonly stages: Single[];
  readonly auto: boolean;
  now: Single;
  /** Groups ended so, without proof. */
  doubt: Outcome | null;
  asked: number;
  messages: number;
}

/**
 * All strategies at one node, and the default that chooses among them: one's own library, then the prints at hand
 * where there is one group of all; else the DHT for a CID or an exact name, then the groups, then the walk where
 * prints cannot answer and the network is small enough to be asked node by node.
 *
 * A walk is only as honest as each node that is the only way to others. So where groups ended without proof, by loss or by a lie, the
 * walk may still find the file, but its miss proves nothing: the answer stays `incomplete`.
 */
export function createAuto(view: NodeView): Strategy {
  const each: Readonly<Record<Single, Strategy>> = {
    walk: createWalk(view),
    walkers: createWalkers(view),
    flood: createFlood(view),
    ring: createRing(view),
    dht: createDht(view),
    groups: createGroups(view),
  };
  const running = new Map<string, Running>();

  function step(input: SearchInput, now: number, random: Random): readonly SearchOutput[] {
    const out: SearchOutput[] = [];
    if (input.type === 'start') start(input, now, random, out);
    else
      for (const name of receivers(input)) take(each[name].step(input, now, random), name, now, random, out);
    return out;
  }

  function receivers(input: SearchInput): readonly Single[] {
    switch (input.type) {
      case 'frame':
      case 'unsent': {
        const names = FRAMES[input.frame.type];
        const search = running.get(input.frame.id);
        if (names.length > 1 && search !== undefined) return names.includes(search.now) ? [search.now] : [];
        if (input.frame.type === 'flood') return ['flood'];
        // A confirm of this node's own comes back to the strategy that sent it.
        if (input.type === 'unsent' && search !== undefined) return [search.now];
        return names;
      }
      case 'cancel':
      case 'proved':
      case 'provider':
      case 'dht-end': {
        const search = running.get(input.id);
        return search === undefined ? [] : [search.now];
      }
      default:
        return SINGLES;
    }
  }

  function start(input: Start, now: number, random: Random, out: SearchOutput[]): void {
    const asked = input.strategy ?? 'auto';
    const stages = asked === 'auto' ? stagesOf(input) : [asked];
    const first = stages.shift() ?? 'walk';
    const search: Running = {
      start: input,
      deadline: now + input.timeoutMs,
      stages,
      auto: asked === 'auto',
      now: first,
      doubt: null,
      asked: 0,
      messages: 0,
    };
    running.set(input.id, search);
    run(search, now, random, out);
  }

  function stagesOf({ query }: Start): Single[] {
    if (view.prints.candidates(query) === null) return ['walk'];
    const exact = query.kind === 'name' || query.kind === 'cid';
    return exact && view.prints.bits() > 0 ? ['dht', 'groups', 'walk'] : ['groups', 'walk'];
  }

  function run(search: Running, now: number, random: Random, out: SearchOutput[]): void {
    const left = search.deadline - now;
    // The DHT is asked for a shortcut: it must leave time for what can prove.
    const share = search.now === 'dht' && search.auto ? Math.min(SEARCH.dhtStageMs, left / 2) : left;
    const input: Start = { ...search.start, timeoutMs: share };
    take(each[search.now].step(input, now, random), search.now, now, random, out);
  }

  function take(
    outputs: readonly SearchOutput[],
    name: Single,
    now: number,
    random: Random,
    out: SearchOutput[],
  ): void {
    for (const output of outputs) {
      const search = output.type === 'end' ? running.get(output.id) : undefined;
      if (output.type !== 'end' || search === undefined || search.now !== name) out.push(output);
      else ended(search, output.outcome, now, random, out);
    }
  }

  function ended(search: Running, outcome: Outcome, now: number, random: Random, out: SearchOutput[]): void {
    const least = view.prints.syncedAt(now) === -Infinity ? SEARCH.leastCount : SEARCH.groupSlack;
    const most = Math.max(least, SEARCH.groupSpread * view.prints.estimate());
    search.asked = Math.max(search.asked, Math.min(outcome.asked, Math.ceil(most)));
    search.messages = sum(search.messages, outcome.messages);
    const next = search.stages[0];
    const more =
      outcome.verdict === 'incomplete' &&
      outcome.ground !== 'cancelled' &&
      outcome.ground !== 'alone' &&
      outcome.ground !== 'scanning' &&
      now < search.deadline &&
      next !== undefined &&
      (next !== 'walk' || view.prints.estimate() <= SEARCH.walkUpTo);
    if (more) {
      if (search.now === 'groups') search.doubt = outcome;
      search.stages.shift();
      search.now = next;
      return run(search, now, random, out);
    }
    running.delete(search.start.id);
    const { asked, messages, doubt } = search;
    const last = outcome.verdict === 'absent' && doubt !== null ? doubt : outcome;
    out.push({ type: 'end', id: search.start.id, outcome: { ...last, asked, messages } });
    return undefined;
  }

  return { step };
}
