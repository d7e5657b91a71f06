import assert from 'node:assert/strict';
import test from 'node:test';
import { parseLimit } from '../core/transfer/limits.ts';
import { writtenText } from './limit-text.ts';

test('a limit is shown in the words of the language, which are those that may be written', () => {
  const text = 'sen-jum 08:00-17:00 5MB/s; unlimited';
  const shown = writtenText(text, 'id');
  assert.equal(shown, 'sen-jum 08:00-17:00 5MB/s; tanpa-batas');
  assert.deepEqual(parseLimit(shown, '--up').rules, parseLimit(text, '--up').rules);
  assert.equal(writtenText('tanpa-batas', 'en'), 'unlimited');
});
