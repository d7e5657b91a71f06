import assert from 'node:assert/strict';
import test from 'node:test';
import { PRINTS } from '../config.ts';
import { seededRandom } from '../random.ts';
import { Contacts } from './contacts.ts';
import { halfOf, shares } from './size.ts';

const hashed = (peer: string): number => {
  let key = 2166136261;
  for (const char of peer) key = Math.imul(key ^ (char.codePointAt(0) ?? 0), 16777619);
  key ^= key >>> 15;
  return Math.imul(key, 0x85ebca6b) >>> 0;
};
const contact = (peer: string) => ({ peer, label: `node ${peer}`, addresses: ['/ip4/10.0.0.1/tcp/5001'] });

test('a million contacts from one peer neither grow the table nor push out who was heard', () => {
  for (const bits of [0, 6]) {
    const contacts = new Contacts('self', hashed, () => bits);
    const friends = Array.from({ length: 50 }, (_, at) => `friend${at}`);
    for (const [at, peer] of friends.entries()) contacts.heard(contact(peer), at);
    const before = friends.filter((peer) => contacts.get(peer) !== undefined);
    for (let at = 0; at < 1_000_000; at += 1) contacts.add(contact(`sybil${at}`));
    assert.ok(contacts.size <= PRINTS.maxContacts);
    if (bits > 0) assert.ok(contacts.size <= PRINTS.contactsPerGroup * 2 ** bits);
    assert.deepEqual(
      friends.filter((peer) => contacts.get(peer) !== undefined),
      before,
    );
    // Who is heard directly displaces hearsay.
    contacts.heard(contact('late'), 99);
    assert.ok(contacts.get('late') !== undefined);
    assert.ok(contacts.size <= PRINTS.maxContacts);
  }
});

test('each group keeps six, three of each half', () => {
  const contacts = new Contacts('self', hashed, () => 3);
  for (let at = 0; at < 10_000; at += 1) contacts.heard(contact(`peer${at}`), at);
  assert.equal(contacts.size, 48);
  for (let group = 0; group < 8; group += 1) {
    const members = contacts.contacts((group << 29) >>> 0, 3).map(({ peer }) => halfOf(hashed(peer)));
    assert.deepEqual(
      members.toSorted((a, b) => a - b),
      [1, 1, 1, 2, 2, 2],
    );
  }
});

test('the best come first: no failures, spoken to, lately', () => {
  const contacts = new Contacts('self', hashed, () => 0);
  contacts.heard(contact('old'), 1);
  contacts.heard(contact('new'), 2);
  contacts.heard(contact('failed'), 3);
  contacts.add(contact('hearsay'));
  contacts.failed('failed');
  assert.deepEqual(
    contacts.contacts(0, 0).map(({ peer }) => peer),
    ['new', 'old', 'hearsay', 'failed'],
  );
  contacts.failed('hearsay');
  for (let more = 1; more < PRINTS.maxContactFailures; more += 1) contacts.failed('failed');
  assert.deepEqual(
    contacts.contacts(0, 0).map(({ peer }) => peer),
    ['new', 'old'],
  );
});

test('what others say of one address hides no other', () => {
  const contacts = new Contacts('self', hashed, () => 0);
  contacts.add(contact('peer'));
  contacts.add({ ...contact('peer'), addresses: ['/ip4/6.6.6.6/tcp/6'] });
  assert.deepEqual(contacts.get('peer')?.addresses, ['/ip4/10.0.0.1/tcp/5001', '/ip4/6.6.6.6/tcp/6']);
});

test('it never knows itself or who has no address, and caps what it keeps of one', () => {
  const contacts = new Contacts('self', hashed, () => 0);
  contacts.add(contact('self'));
  contacts.add({ peer: 'mute', label: '', addresses: [] });
  contacts.add({
    peer: 'many',
    label: '',
    addresses: Array.from({ length: 99 }, (_, at) => `/ip4/1.1.1.1/tcp/${at}`),
  });
  assert.equal(contacts.size, 1);
  assert.equal(contacts.get('many')?.addresses.length, 16);
});

test('what others say of somebody heard changes nothing', () => {
  const contacts = new Contacts('self', hashed, () => 0);
  contacts.heard(contact('friend'), 1);
  contacts.add({ peer: 'friend', label: 'evil', addresses: ['/ip4/6.6.6.6/tcp/1'] });
  assert.deepEqual(contacts.get('friend')?.addresses, ['/ip4/10.0.0.1/tcp/5001']);
});

test('a sample has those first who were spoken to, and no more than asked for', () => {
  const contacts = new Contacts('self', hashed, () => 0);
  for (let at = 0; at < 100; at += 1) contacts.add(contact(`heard of ${at}`));
  for (let at = 0; at < 5; at += 1) contacts.heard(contact(`met${at}`), 1);
  const sample = contacts.sample(16, seededRandom(1));
  assert.equal(sample.length, 16);
  assert.ok(sample.slice(0, 5).every(({ peer }) => peer.startsWith('met')));
});

test('when groups grow, the best of each stay', () => {
  let bits = 6;
  const contacts = new Contacts('self', hashed, () => bits);
  for (let at = 0; at < 10_000; at += 1) contacts.heard(contact(`peer${at}`), at);
  assert.equal(contacts.size, 384);
  bits = 4;
  contacts.heard(contact('one more'), 10_000);
  assert.ok(contacts.size <= 96 && contacts.size >= 90, String(contacts.size));
  assert.ok(contacts.contacts(0, 4).every((one) => shares(hashed(one.peer), 0, 4)));
});
