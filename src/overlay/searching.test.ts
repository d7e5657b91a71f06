import assert from 'node:assert/strict';
import test from 'node:test';
import { labelFrom } from './searching.ts';

const hit = { name: 'a', size: 1, cid: 'c', peer: 'p', label: 'localhost:5003', hops: 2 };

test('a holder on another machine is named by an address that others can reach, not by its own localhost', () => {
  const addresses = ['/ip4/127.0.0.1/tcp/5003/p2p/p', '/ip4/192.168.1.7/tcp/5003/p2p/p'];
  assert.equal(labelFrom({ ...hit, addresses }, ['/ip4/192.168.1.5/tcp/5001/p2p/q']), '192.168.1.7:5003');
  assert.equal(labelFrom({ ...hit, addresses }, ['/ip4/192.168.1.7/tcp/5001/p2p/q']), 'localhost:5003');
});

test('a holder that only this machine can reach, or that names nothing sensible, keeps its own name', () => {
  assert.equal(labelFrom({ ...hit, addresses: ['/ip4/127.0.0.1/tcp/5003'] }, []), 'localhost:5003');
  assert.equal(labelFrom({ ...hit, addresses: ['', '/dns4/x/tcp/1', 'nonsense'] }, []), 'localhost:5003');
});
