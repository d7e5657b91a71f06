import type { Random } from '../random.ts';
import { answerConfirm, Confirms } from './confirms.ts';
import { Origin, sum } from './origin.ts';
import type { NodeView, SearchInput, SearchOutput, Strategy } from './search.ts';

interface Own {
  readonly origin: Origin;
  readonly confirms: Confirms;
  /** The look-up has no more providers to name. */
  ended: boolean;
}

/**
 * Exact names and CIDs through Kademlia (Maymounkov, Mazières 2002): the look-up itself is the host's (k = 20, α = 3);
 * this asks each provider that it names for the file, and stops it once there are enough that hold it. A miss
 * proves nothing: records expire, and those who keep them may leave or lie.
 */
export function createDht(view: NodeView): Strategy {
  const own = new Map<string, Own>();

  function step(input: SearchInput, now: number, _random: Random): readonly SearchOutput[] {
    const out: SearchOutput[] = [];
    switch (input.type) {
      case 'start':
        start(input, now, out);
        break;
      case 'provider':
        own.get(input.id)?.confirms.add(input.contact, now);
        settle(input.id, now, out);
        break;
      case 'dht-end': {
        const search = own.get(input.id);
        if (search === undefined) break;
        search.ended = true;
        // A question and an answer each.
        search.origin.asked = sum(search.origin.asked, Math.ceil(input.messages / 2));
        search.origin.messages = sum(search.origin.messages, input.messages);
        settle(input.id, now, out);
        break;
      }
      case 'frame':
        if (input.frame.type === 'confirm') answerConfirm(view, input.from, input.frame, out);
        else if (input.frame.type === 'found') {
          own.get(input.frame.id)?.confirms.answered(input.from, input.frame, out);
          settle(input.frame.id, now, out);
        }
        break;
      case 'unsent':
        if (input.frame.type !== 'confirm') break;
        own.get(input.frame.id)?.confirms.lost(input.to);
        settle(input.frame.id, now, out);
        break;
      case 'neighbour-down':
        for (const [id, { confirms }] of own) {
          confirms.again(input.peer);
          settle(id, now, out);
        }
        break;
      case 'proved':
        own.get(input.id)?.origin.proved(input, out);
        settle(input.id, now, out);
        break;
      case 'cancel':
        close(input.id, 'cancelled', out);
        break;
      case 'forget':
        own.delete(input.id);
        break;
      case 'tick':
        for (const [id, search] of own) {
          search.confirms.expire(now);
          if (now >= search.origin.deadline) close(id, 'time', out);
          else settle(id, now, out);
        }
        break;
      default:
        break;
    }
    return out;
  }

  function start(input: Extract<SearchInput, { type: 'start' }>, now: number, out: SearchOutput[]): void {
    const origin = new Origin(input, 'dht', now);
    origin.own(view, out);
    const { kind } = input.query;
    if (origin.satisfied) origin.end('found', out);
    else if (kind !== 'name' && kind !== 'cid') origin.end('no-proof', out);
    else {
      own.set(input.id, { origin, confirms: new Confirms(view, origin), ended: false });
      out.push({ type: 'dht', id: input.id, query: input.query });
    }
  }

  function settle(id: string, now: number, out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    const { origin, confirms, ended } = search;
    if (origin.satisfied) return close(id, 'found', out);
    confirms.pump(now, out);
    if (ended && confirms.pending === 0 && origin.idle) close(id, 'no-proof', out);
  }

  function close(id: string, ground: Parameters<Origin['end']>[0], out: SearchOutput[]): void {
    const search = own.get(id);
    if (search === undefined) return;
    own.delete(id);
    if (!search.ended) out.push({ type: 'dht-stop', id });
    search.origin.end(ground, out);
  }

  return { step };
}
