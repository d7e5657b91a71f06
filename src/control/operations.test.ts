import assert from 'node:assert/strict';
import test from 'node:test';
import { SEARCH } from '../core/config.ts';
import { KelanaError } from '../core/errors.ts';
import type {
  Ground,
  Holding,
  OverlayPort,
  Provider,
  Query,
  SearchEvent,
  SearchOptions,
} from '../core/ports.ts';
import type { DownloadsPort, Transfer } from '../core/transfer/ports.ts';
import { parseQuery, score } from '../core/search/query.ts';
import { getFile, type GetEvent, type GetOptions } from './operations.ts';

interface Remote {
  readonly name: string;
  readonly cid: string;
  readonly kind?: 'folder';
  /** Holders in the order in which they are heard of; a file whose first one begins with `!` cannot be fetched. */
  readonly at: readonly string[];
}

const provider = (peer: string) => ({ peer, label: `label ${peer}`, addresses: [`/${peer}`] });

/** Runs `get` against these files; gives its events, what was asked and who was fetched from. */
async function get(
  query: Query,
  remotes: readonly Remote[],
  more: Partial<SearchOptions> & Pick<GetOptions, 'queue' | 'only' | 'wait'> = {},
  ground: Ground = 'all-nodes',
) {
  const fetched: (Holding & { providers: readonly Provider[] })[] = [];
  let asked: SearchOptions = {};
  const overlay: Pick<OverlayPort, 'peerId' | 'label' | 'search'> = {
    peerId: 'me',
    label: 'me',
    async *search(_query, how = {}): AsyncIterable<SearchEvent> {
      asked = how;
      for (const { name, cid, at, kind } of remotes) {
        const holding = { name, size: 3, cid, ...(kind === undefined ? {} : { kind }) };
        const [first = '', ...others] = at;
        yield {
          type: 'hit',
          ...holding,
          elapsedMs: 1,
          hops: 2,
          score: score(query, holding),
          providers: [provider(first)],
        };
        for (const other of others)
          yield { type: 'provider', elapsedMs: 1, cid, name, hops: 3, provider: provider(other) };
      }
      const found = remotes.length > 0;
      yield {
        type: 'verdict',
        verdict: found ? 'found' : ground === 'all-nodes' ? 'absent' : 'incomplete',
        ground: found ? 'found' : ground,
        strategy: 'walk',
        asked: 1,
        missing: [],
        missingCount: 0,
        messages: 2,
        elapsedMs: 1,
      };
    },
  };
  const downloads: DownloadsPort = {
    async *fetch(file, providers) {
      fetched.push({ ...file, providers });
      await Promise.resolve();
      const [first] = providers;
      if (first === undefined || first.peer.startsWith('!')) throw new Error('gone');
      if (first.peer.startsWith('-')) throw new KelanaError('SOURCE_CHANGED', { name: file.name });
      if (first.peer.startsWith('=')) {
        yield { type: 'saved', path: file.name, from: [], size: 2, fetched: 0 };
        return;
      }
      if (first.peer.startsWith('?')) {
        yield { type: 'progress', bytes: 1, size: 2, fetched: 1, from: first };
        throw new KelanaError('PEER_UNREACHABLE', { peer: first.label, why: 'ECONNRESET' });
      }
      yield { type: 'progress', bytes: 1, size: 2, fetched: 0, from: first };
      const from = providers.map((provider) => ({ provider, bytes: 1 }));
      yield { type: 'saved', path: file.name, size: 2, fetched: 1, from };
    },
  };
  const events: GetEvent[] = [];
  const logged: string[] = [];
  const run = getFile(query, {
    ...more,
    overlay,
    downloads,
    emit: ({ type }) => logged.push(type),
    now: () => 0,
  });
  for await (const event of run) events.push(event);
  return { events, last: events.at(-1), asked, fetched, logged };
}

test('a file is fetched from all its holders that were heard of, and says who gave it', async () => {
  const { events, last, fetched, asked } = await get(parseQuery('a.txt'), [
    { name: 'a.txt', cid: 'c1', at: ['one', 'two', 'three'] },
  ]);
  assert.deepEqual(fetched, [
    { name: 'a.txt', size: 3, cid: 'c1', providers: ['one', 'two', 'three'].map(provider) },
  ]);
  assert.deepEqual(
    events.find(({ type }) => type === 'progress'),
    { type: 'progress', bytes: 1, size: 2, name: 'a.txt', from: 'label one' },
  );
  assert.ok(last?.type === 'saved');
  assert.deepEqual([last.from, last.bytes], ['label one, label two, label three', 2]);
  assert.deepEqual([last.fetched, last.bytesPerSecond * last.seconds], [1, 1], 'of what came now alone');
  assert.equal(asked.want, 1, 'an exact name ends the search at its first holder');
});

test('in the background the file that was found is queued with its holders, and not fetched', async () => {
  const transfer = { id: 7 } as Transfer;
  const queued: unknown[] = [];
  const { last, fetched } = await get(
    parseQuery('a.txt'),
    [{ name: 'a.txt', cid: 'c1', at: ['one', 'two'] }],
    {
      queue: (file, providers) => {
        queued.push([file.cid, providers.length]);
        return transfer;
      },
    },
  );
  assert.deepEqual([last, queued, fetched], [{ type: 'queued', transfer }, [['c1', 2]], []]);
});

test('the strategy and the limits of a search reach it', async () => {
  const { asked } = await get(parseQuery('laporan'), [], { strategy: 'flood', timeoutMs: 7, trace: true });
  assert.deepEqual(asked, { strategy: 'flood', timeoutMs: 7, trace: true, want: SEARCH.want });
});

test('the same name with other bytes is tried too, for a name means a file and not its bytes', async () => {
  const { last } = await get(parseQuery('a.txt'), [
    { name: 'a.txt', cid: 'c1', at: ['!one'] },
    { name: 'x/a.txt', cid: 'c2', at: ['two'] },
  ]);
  assert.ok(last?.type === 'saved' && last.cid === 'c2');
});

test('of words and patterns the best answer is fetched, and no other when that fails', async () => {
  const remotes = [
    { name: 'laporan lama 2024.pdf', cid: 'c1', at: ['one'] },
    { name: 'Laporan-2024.pdf', cid: 'c2', at: ['two'] },
  ];
  const { last } = await get(parseQuery('laporan 2024'), remotes);
  assert.ok(last?.type === 'saved' && last.cid === 'c2');
  const failing = remotes.map((remote, at) => (at === 1 ? { ...remote, at: ['!two'] } : remote));
  const { last: failed, fetched } = await get(parseQuery('laporan 2024'), failing);
  assert.equal(failed?.type, 'failed');
  assert.equal(fetched.length, 1);
});

test('several files that answer equally well are named with their CIDs, and none is fetched', async () => {
  const remotes = Array.from({ length: 7 }, (_, at) => ({
    name: `laporan ${'x'.repeat(at)}\u001b.pdf`,
    cid: `c${at}`,
    at: ['one', 'two'],
  }));
  const { last, fetched } = await get(parseQuery('lap*.pdf'), remotes);
  assert.ok(last?.type === 'failed');
  assert.deepEqual([last.error.code, last.error.row.exit, fetched.length], ['AMBIGUOUS', 2, 0]);
  for (const lang of ['id', 'en'] as const) {
    const { says, fix } = last.error.describe(lang);
    assert.match(says, /7 /);
    assert.match(says, /\(c0\), .*\(c4\), …/);
    assert.ok(!says.includes('\u001b') && !says.includes('c5'));
    assert.match(fix, /kelana get c0/);
  }
});

test('a failure says what is kept, and what goes on with it', async () => {
  const [file] = [{ name: 'a.txt', cid: 'c1', at: ['?one'] }];
  const { last } = await get(parseQuery('a.txt'), [{ ...file, kind: 'folder' }], { only: ['*.jpg'] });
  assert.ok(last?.type === 'failed' && last.error.code === 'PEER_UNREACHABLE');
  assert.match(last.error.describe('en').fix, /^1 B of 2 B are here .*: kelana get c1 --only '\*\.jpg'$/);
  assert.match(last.error.describe('id').fix, /^1 B dari 2 B sudah ada .*: kelana get c1 --only/);
  const { last: nothing } = await get(parseQuery('a.txt'), [{ ...file, at: ['!one'] }]);
  assert.ok(nothing?.type === 'failed' && !('kept' in nothing.error.params));
});

test('where a holder is just reading what it shares, get looks again, and says so in the end', async () => {
  const remotes: Remote[] = [];
  const waits: number[] = [];
  const wait = (ms: number): Promise<void> => {
    if (waits.push(ms) === 2) remotes.push({ name: 'a.txt', cid: 'c1', at: ['one'] });
    return Promise.resolve();
  };
  const { last, events } = await get(parseQuery('a.txt'), remotes, { wait }, 'scanning');
  assert.ok(last?.type === 'saved' && waits.length === 2);
  assert.equal(events.filter(({ type }) => type === 'verdict').length, 1);
  const never = await get(parseQuery('b.txt'), [], { wait }, 'scanning');
  assert.ok(never.last?.type === 'verdict' && never.last.ground === 'scanning', JSON.stringify(never.last));
  const lost = await get(parseQuery('b.txt'), [], { wait: () => assert.fail() }, 'lost');
  assert.ok(lost.last?.type === 'verdict' && lost.last.verdict === 'incomplete');
});

test('what was replaced between search and download is searched for once more, but not a CID', async () => {
  const remotes = [{ name: 'a.txt', cid: 'c1', at: ['-one'] }];
  const wait = (): Promise<void> => {
    remotes.splice(0, 1, { name: 'a.txt', cid: 'c2', at: ['one'] });
    return Promise.resolve();
  };
  const { last } = await get(parseQuery('a.txt'), remotes, { wait });
  assert.ok(last?.type === 'saved' && last.cid === 'c2', JSON.stringify(last));
  const cid = 'bafkreiaoitzvdazhgzu6fa5eszxmihe753m7jdlaewcpeo55rpovameo2q';
  const gone = await get(parseQuery(cid), [{ name: 'a.txt', cid, at: ['-one'] }], { wait });
  assert.ok(gone.last?.type === 'failed' && gone.last.error.code === 'SOURCE_CHANGED');
});

test('of a folder that is named while only its files are known, its CID is waited for', async () => {
  const remotes: Remote[] = ['a', 'b'].map((name) => ({ name: `aneh/${name}.jpg`, cid: name, at: ['one'] }));
  let waits = 0;
  const wait = (): Promise<void> => {
    waits += 1;
    if (waits === 2) remotes.push({ name: 'aneh', cid: 'f', kind: 'folder', at: ['one'] });
    return Promise.resolve();
  };
  const { last } = await get(parseQuery('aneh'), remotes, { wait });
  assert.ok(last?.type === 'saved' && last.cid === 'f' && waits === 2, JSON.stringify(last));
  const never = await get(parseQuery('aneh'), remotes.slice(0, 2), { wait: () => Promise.resolve() });
  assert.ok(never.last?.type === 'failed' && never.last.error.code === 'AMBIGUOUS');
});

test('of what was all there already nobody is said to have given it', async () => {
  const { last, logged } = await get(parseQuery('a.txt'), [{ name: 'a.txt', cid: 'c1', at: ['=one'] }]);
  assert.ok(last?.type === 'saved');
  assert.deepEqual(logged, [], 'it was not downloaded');
  const { local, fetched, from, bytes } = last;
  assert.deepEqual({ local, fetched, from, bytes }, { local: true, fetched: 0, from: '', bytes: 2 });
});

test('what is not found ends with the verdict', async () => {
  const { last } = await get(parseQuery('a.txt'), []);
  assert.ok(last?.type === 'verdict' && last.verdict === 'absent');
});

test('with patterns only folders count, and where there is none it says so', async () => {
  const files = ['a', 'b'].map((name) => ({ name: `liburan/${name}.jpg`, cid: name, at: ['one'] }));
  const folder = { name: 'liburan', cid: 'f', kind: 'folder', at: ['one'] } as const;
  const only = ['*.jpg'];
  const { last, fetched } = await get(parseQuery('liburan'), [...files, folder], { only });
  assert.ok(last?.type === 'saved' && last.cid === 'f', JSON.stringify(last));
  assert.deepEqual(
    fetched.map(({ cid }) => cid),
    ['f'],
  );
  const none = await get(parseQuery('liburan'), files, { only, wait: () => Promise.resolve() });
  assert.ok(none.last?.type === 'failed' && none.last.error.code === 'NO_FOLDER_FOUND');
  assert.deepEqual(none.fetched, []);
});
