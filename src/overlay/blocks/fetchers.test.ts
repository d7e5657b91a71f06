import assert from 'node:assert/strict';
import test from 'node:test';
import { TOGETHER } from '../../core/config.ts';
import type { Provider } from '../../core/ports.ts';
import { seededRandom } from '../../core/random.ts';
import { decodeFetchers, encodeFetchers } from '../../core/wire/fetchers.ts';
import { Fetchers } from './fetchers.ts';

function fetchers() {
  const clock = { now: 0 };
  const heard: [string, string][] = [];
  const made = new Fetchers({
    now: () => clock.now,
    random: seededRandom(3),
    dialled: (peer) =>
      peer === 'known'
        ? ['/ip4/10.0.0.9/tcp/5001/p2p/known', '/ip4/10.0.0.3/tcp/1/p2p/r/p2p-circuit/p2p/known']
        : [],
    heard: (cid, { peer }) => heard.push([cid, peer]),
  });
  const ask = (peer: string, port = 5001, from = '/ip4/10.0.0.1/tcp/40000', cid = 'a') =>
    made.ask(cid, { peer, from, port });
  return { made, ask, clock, heard };
}

const peersOf = (told: readonly Provider[]): string[] => told.map(({ peer }) => peer).toSorted();

test('who fetches is told of the others, by the host that they come from and the port that they say', () => {
  const { ask, heard } = fetchers();
  assert.deepEqual(ask('one', 5002), []);
  assert.deepEqual(ask('two', 5003, '/ip4/::ffff:10.0.0.2/tcp/41000'), [
    { peer: 'one', label: '10.0.0.1:5002', addresses: ['/ip4/10.0.0.1/tcp/5002'] },
  ]);
  assert.deepEqual(ask('known', 5004, '/ip6/fd00::7/tcp/41000/p2p/x', 'b'), []);
  const [known] = ask('one', 5002, undefined, 'b');
  assert.deepEqual(known?.addresses, ['/ip6/fd00::7/tcp/5004', '/ip4/10.0.0.9/tcp/5001']);
  assert.deepEqual(
    heard.map((one) => one.join(' ')),
    ['a one', 'a two', 'b known', 'b one'],
  );
});

test('who gives nothing, comes over a relay, or has left is told of to nobody', () => {
  const { ask, made, clock } = fetchers();
  ask('silent', 0);
  ask('relayed', 5001, '/ip4/10.0.0.3/tcp/1/p2p/r/p2p-circuit');
  ask('gone');
  ask('old');
  made.left('a', 'gone');
  assert.deepEqual(peersOf(ask('asks')), ['old']);
  clock.now = TOGETHER.keepMs;
  assert.deepEqual(peersOf(ask('asks')), []);
});

test('addresses of this machine to itself go to its own nodes only', () => {
  const { ask } = fetchers();
  ask('near', 5001, '/ip4/127.0.0.1/tcp/40000');
  assert.deepEqual(peersOf(ask('far')), []);
  assert.deepEqual(peersOf(ask('beside', 5005, '/ip4/127.0.0.1/tcp/40001')), ['far', 'near']);
});

test('thousands who ask for thousands of files are kept within bounds, and each hears of a few, not always the same', () => {
  const { ask } = fetchers();
  for (let at = 0; at < 2_000; at += 1) ask(`p${at}`);
  const seen = new Set<string>();
  for (let at = 0; at < 50; at += 1) {
    const told = ask('asks');
    assert.equal(told.length, TOGETHER.told);
    for (const { peer } of told) seen.add(peer);
  }
  assert.equal(seen.size, TOGETHER.maxPeers - 1);
  for (let at = 0; at < 1_000; at += 1) ask('other', 5001, undefined, `cid${at}`);
  assert.deepEqual(ask('late'), [], 'the oldest file made way');
});

test('what is told survives the way to bytes and back, and what is no list of contacts is a breach', () => {
  const contacts = Array.from({ length: 12 }, (_, at) => ({
    peer: `p${at}`,
    label: `host:${at}`,
    addresses: Array.from({ length: 6 }, (__, no) => `/ip4/10.0.${at}.${no}/tcp/5001`),
  }));
  const read = decodeFetchers(encodeFetchers(contacts));
  assert.deepEqual(
    read,
    contacts
      .slice(0, TOGETHER.told)
      .map((one) => ({ ...one, addresses: one.addresses.slice(0, TOGETHER.addresses) })),
  );
  assert.deepEqual(decodeFetchers(new Uint8Array(0)), []);
  for (const bytes of [Uint8Array.of(0xff), Uint8Array.of(10, 5, 1), Uint8Array.of(10, 0)])
    assert.throws(() => decodeFetchers(bytes), { code: 'PEER_PROTOCOL' });
});
