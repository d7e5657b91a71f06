import assert from 'node:assert/strict';
import test from 'node:test';
import { TOGETHER } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
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

test('a search that names one again brings it back some times, and one that lied never', () => {
  const candidates = new Candidates();
  const lose = (peer: string, error: KelanaError): void => {
    const one = candidates.next(Infinity);
    assert.equal(one?.provider.peer, peer);
    one.losses = Infinity;
    candidates.lost(one, error, 0);
    assert.equal(one.state, 'out');
  };
  for (const code of ['BAD_BLOCK', 'PEER_PROTOCOL'] as const) {
    candidates.add(provider(code));
    lose(code, new KelanaError(code, { peer: code, why: 'x', index: 0, name: 'x' }));
    assert.equal(candidates.add(provider(code)), null);
  }
  candidates.add(provider('away'));
  for (let left = 2; left >= 0; left -= 1) {
    lose('away', new KelanaError('PEER_UNREACHABLE', { peer: 'away', why: 'x' }));
    assert.equal(candidates.add(provider('away')) !== null, left > 0);
  }
});
