import assert from 'node:assert/strict';
import test from 'node:test';
import type { EventBody } from '../../core/events.ts';
import { CID, source } from './blocks.testkit.ts';
import { SentLog } from './sent.ts';

test('of no file more is told than it has, though a search was shown a block of it before', () => {
  const told: EventBody[] = [];
  const log = new SentLog({ source: source(10), emit: (event) => void told.push(event), who: 'a' });
  for (const bytes of [4, 4, 4, 2]) log.add('b', CID, bytes);
  log.add('b', 'surat', 7, 'surat.txt');
  log.add('c', CID, 4);
  log.stop();
  assert.deepEqual(told, [
    { type: 'file.sent', who: 'a', to: 'b', name: CID, bytes: 10 },
    { type: 'file.sent', who: 'a', to: 'b', name: 'surat.txt', bytes: 7 },
    { type: 'file.sent', who: 'a', to: 'c', name: CID, bytes: 4 },
  ]);
});
