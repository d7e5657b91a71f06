import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import test from 'node:test';
import { rootOf } from './roots.ts';

test('what the system makes up whenever it is read is not shared', async (t) => {
  assert.equal((await rootOf(tmpdir(), '/nowhere', 'share')).only, null);
  if (process.platform !== 'linux') t.skip('there is no /proc');
  else
    for (const path of ['/proc', '/proc/self', '/proc/version', '/sys'])
      await assert.rejects(rootOf(path, '/nowhere', 'share'), { code: 'BAD_VALUE' });
});
