import assert from 'node:assert/strict';
import test from 'node:test';
import { KelanaError, reason } from './errors.ts';

test('a place that may not be written leads to its permissions, a full disk to its room', () => {
  const fix = (why: string): string => new KelanaError('CANNOT_WRITE', { path: 'a', why }).describe('en').fix;
  for (const errno of ['EACCES', 'EPERM', 'EROFS', 'EACCES: permission denied']) {
    assert.match(fix(errno), /permissions/, errno);
    assert.doesNotMatch(fix(errno), /df -h/, errno);
  }
  for (const errno of ['ENOSPC', 'EDQUOT']) assert.match(fix(errno), /room.*df -h/, errno);
  // Anything else may be either.
  assert.match(fix('EIO'), /df -h.*permissions/);
  assert.match(fix('toString'), /df -h.*permissions/);
});

test('what another code says next is not changed by an errno', () => {
  const error = new KelanaError('CANNOT_READ', { path: 'a', why: 'EACCES' });
  assert.equal(error.describe('id').fix, 'Periksa nama dan izinnya: ls -l');
  assert.equal(reason(Object.assign(new Error('x'), { code: 'EIO' })), 'EIO');
});

test('of a file that changed at its source the next steps do not contradict each other', () => {
  const kept = { id: '1 MB', en: '1 MB' };
  const error = new KelanaError('SOURCE_CHANGED', { name: 'a', kept, of: kept, again: 'bafy' });
  assert.match(
    error.describe('en').fix,
    /new version; if it was only renamed or touched there, go on with: kelana get bafy/,
  );
});
