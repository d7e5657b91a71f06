import assert from 'node:assert/strict';
import { test } from 'node:test';
import { proofOfAsk, proofOfPlace, recordName, sameProof } from './proof.ts';

const key = new Uint8Array(32).fill(7);
const group = { name: 'app', key };
const place = { host: '10.0.0.5', port: 8080 };

test('a proof of a place is good for this place, group, asker and server alone', () => {
  const proof = proofOfPlace(group, 'asker', 'server', place);
  assert.ok(sameProof(proof, proofOfPlace({ ...group }, 'asker', 'server', { ...place })));
  const others = {
    host: proofOfPlace(group, 'asker', 'server', { ...place, host: '10.0.0.6' }),
    'no host': proofOfPlace(group, 'asker', 'server', { ...place, host: '' }),
    port: proofOfPlace(group, 'asker', 'server', { ...place, port: 8081 }),
    asker: proofOfPlace(group, 'other', 'server', place),
    server: proofOfPlace(group, 'asker', 'other', place),
    'both peers': proofOfPlace(group, 'server', 'asker', place),
    name: proofOfPlace({ ...group, name: 'ap' }, 'asker', 'server', place),
    key: proofOfPlace({ ...group, key: new Uint8Array(32) }, 'asker', 'server', place),
    ask: proofOfAsk(group, 'asker', 'server'),
    short: proof.subarray(1),
  };
  for (const [what, other] of Object.entries(others)) assert.ok(!sameProof(proof, other), what);
});

test('a proof of an ask and the name of the record are bound to all that they say', () => {
  const proof = proofOfAsk(group, 'asker', 'server');
  assert.ok(!sameProof(proof, proofOfAsk(group, 'server', 'asker')));
  assert.ok(!sameProof(proof, proofOfAsk({ ...group, name: 'apps' }, 'asker', 'server')));
  const names = [group, { ...group, name: 'b' }, { ...group, key: new Uint8Array(32) }].map(recordName);
  assert.equal(new Set(names).size, 3);
});
