import assert from 'node:assert/strict';
import test from 'node:test';
import { KelanaError, type ErrorCode } from '../core/errors.ts';
import type { InboxItem } from '../core/messages/ports.ts';
import { Fetching } from './fetching.ts';

const ITEM: InboxItem = {
  no: 7,
  id: 'a'.repeat(32),
  peer: 'p',
  label: 'localhost:1',
  kind: 'offer',
  addresses: [],
  state: 'accepted',
  text: 'foto',
  size: 3,
  cid: 'c',
  files: 3,
  why: null,
  sentAt: 0,
  receivedAt: 0,
  path: null,
};

/** What is said of a fetch that fails so while its end is being stored, if it is, and after it. */
async function said(code: ErrorCode): Promise<{ ending: unknown; after: unknown }> {
  let ending: unknown = 'no end';
  const changed = Promise.withResolvers<undefined>();
  const fetching: Fetching = new Fetching({
    fetch: () => Promise.reject(new KelanaError(code, { name: 'foto' })),
    ended: () => {
      ending = fetching.get(ITEM.no)?.waiting;
      return Promise.resolve();
    },
    onChange: () => changed.resolve(undefined),
    now: () => 1,
    random: () => 0.5,
  });
  fetching.add(ITEM);
  await changed.promise;
  const waiting = fetching.get(ITEM.no)?.waiting;
  await fetching.stop();
  return {
    ending,
    after: typeof waiting === 'string' ? (JSON.parse(waiting) as { error: string }).error : waiting,
  };
}

test('a fetch that has ended for good is at no moment said to go on, and one that goes on says why', async () => {
  assert.deepEqual(await said('SOURCE_CHANGED'), { ending: null, after: undefined });
  assert.deepEqual(await said('PEER_UNREACHABLE'), { ending: 'no end', after: 'PEER_UNREACHABLE' });
});
