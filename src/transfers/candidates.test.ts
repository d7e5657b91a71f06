import assert from 'node:assert/strict';
import test from 'node:test';
import { TOGETHER } from '../core/config.ts';
import type { Provider } from '../core/ports.ts';
import { Candidates } from './candidates.ts';

const provider = (peer: string): Provider => ({ peer, label: peer, addresses: [] });

/** Opens all that may be opened now. */
function openAll(candidates: Candidates): string[] {
  const opened: string[] = [];
  for (let next = candidates.next(0); next !== null; next = candidates.next(0)) {
    next.state = 'open';
    opened.push(next.provider.peer);
  }
  return opened;
}

test('of those known by hearsay only so many are open at once, and holders all the same', () => {
  const candidates = new Candidates();
  candidates.addTold(Array.from({ length: TOGETHER.maxOpen + 3 }, (_, at) => provider(`told${at}`)));
  assert.equal(openAll(candidates).length, TOGETHER.maxOpen);
  candidates.add(provider('holder'));
  assert.deepEqual(openAll(candidates), ['holder']);
});
