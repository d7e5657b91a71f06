import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import type { BlockSession } from '../core/transfer/ports.ts';
import { Downloads } from './downloads.ts';
import { FolderSwarm } from './folder-swarm.ts';
import { contentOf, howFor, sha256, TestFolder, TestProvider } from './swarm.testkit.ts';

const noFolders = (): Promise<never> => Promise.reject(new Error('no folders here'));

test('what is being fetched is not begun once more by a search, and is again when it has ended', async (t) => {
  const path = await mkdtemp(join(tmpdir(), 'kelana-downloads-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  const content = contentOf(3_000, 41);
  const node = new TestProvider('p', content, { mute: 'manifest' });
  const begun: string[] = [];
  const downloads = new Downloads({
    ...howFor([node], new TestFolder(path), content),
    incomingFolder: noFolders,
    ahead: ({ cid }) => {
      begun.push(cid);
      return Promise.resolve(null);
    },
  });
  const { file } = content;
  const stop = new AbortController();
  const running = downloads.fetch(file, [node.provider], stop.signal).next();
  const ended = assert.rejects(running, /enough/);
  await downloads.expect(file)();
  assert.deepEqual(begun, []);
  stop.abort(new Error('enough'));
  await ended;
  const forget = downloads.expect(file);
  assert.deepEqual(begun, [file.cid]);
  await forget();
  // Of a folder nothing can be begun before its listing is here.
  await downloads.expect({ ...file, kind: 'folder', cid: 'another' })();
  assert.deepEqual(begun, [file.cid]);
});

test('a provider that opens when the folder is no longer wanted is asked for nothing', async () => {
  const opened = Promise.withResolvers<BlockSession>();
  const asked: string[] = [];
  const told = (what: string) => (): Promise<never> => {
    asked.push(what);
    return Promise.reject(new Error('asked'));
  };
  const session: BlockSession = {
    peer: 'p',
    label: 'p',
    via: 'stream',
    manifest: told('manifest'),
    nodes: told('nodes'),
    root: told('root'),
    node: told('node'),
    have: told('have'),
    block: told('block'),
    close: () => {
      asked.push('close');
      return Promise.resolve();
    },
    abort: () => undefined,
  };
  const stop = new AbortController();
  const swarm = new FolderSwarm({
    file: { name: 'foto', size: 9, cid: contentOf(9).file.cid, kind: 'folder' },
    open: () => opened.promise,
    sha256,
    now: () => performance.now(),
    random: () => 0,
    signal: stop.signal,
    only: [],
    incomingFolder: noFolders,
  });
  swarm.add([{ peer: 'p', label: 'p', addresses: [] }]);
  const ended = assert.rejects(swarm.run(), /enough/);
  stop.abort(new Error('enough'));
  await new Promise((resolve) => setImmediate(resolve));
  opened.resolve(session);
  await ended;
  assert.deepEqual(asked, ['close']);
});
