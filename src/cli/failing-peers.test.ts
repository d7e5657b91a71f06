import assert from 'node:assert/strict';
import test from 'node:test';
import { KelanaError } from '../core/errors.ts';
import { failingLines } from './failing-peers.ts';

const refused = (address: string) => ({
  address,
  error: new KelanaError('PEER_UNREACHABLE', { peer: address, why: 'ECONNREFUSED' }),
});

test('each failing address is one line that names it once, and the next step comes once at the end', () => {
  const lines = failingLines([refused('a:5001'), refused('host.example:5002')], 'en');
  assert.deepEqual(lines.slice(0, 2), [
    'a:5001             not linked: ECONNREFUSED',
    'host.example:5002  not linked: ECONNREFUSED',
  ]);
  assert.match(lines[2] ?? '', /^ {2}→ Check the address/);
  assert.equal(lines.length, 3);
});

test('other faults keep their own words and next steps, and nothing acts on the terminal', () => {
  const why = { id: 'ia tidak berbicara\u001B[2J\n', en: 'it does not speak' };
  const other = { address: 'b:80', error: new KelanaError('NOT_KELANA', { peer: 'b:80', why }) };
  const inner = { address: 'c:1', error: new KelanaError('INTERNAL', { detail: 'x' }) };
  const lines = failingLines([refused('a:5001'), other, inner, { address: 'd:1', error: null }], 'id');
  assert.equal(lines.length, 6);
  assert.equal(lines[1], 'b:80    bukan node kelana: ia tidak berbicara\\u{1b}[2J\\n');
  assert.equal(lines[2], 'c:1     Kesalahan dalam kelana sendiri: x');
  assert.deepEqual(failingLines([], 'id'), []);
});
