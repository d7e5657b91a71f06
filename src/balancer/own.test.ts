import assert from 'node:assert/strict';
import { networkInterfaces } from 'node:os';
import { test } from 'node:test';
import { reaches } from './own.ts';

const of = (host: string, listens: string): boolean => reaches(host, 80, { host: listens, port: 80 });

test('an address is of who listens, whatever way it is written', () => {
  for (const [host, listens] of [
    ['localhost', '127.0.0.1'],
    ['127.0.0.1', 'localhost'],
    ['::1', 'localhost'],
    ['LOCALHOST', 'localhost'],
    ['::ffff:7f00:1', '127.0.0.1'],
    ['::ffff:127.0.0.1', '0.0.0.0'],
    ['0:0:0:0:0:0:0:1', '::'],
    ['127.9.9.9', '0.0.0.0'],
    ['localhost', '0.0.0.0'],
    ['0.0.0.0', '127.0.0.1'],
    ['127.0.0.1', '::'],
    ['app.test', 'app.test'],
  ] as const)
    assert.ok(of(host, listens), `${host} is ${listens}`);
  for (const [host, listens] of [
    ['127.0.0.2', '127.0.0.1'],
    ['127.0.0.2', 'localhost'],
    ['::1', '0.0.0.0'],
    ['192.0.2.1', '0.0.0.0'],
    ['app.test', '0.0.0.0'],
    ['localhost', '192.0.2.1'],
  ] as const)
    assert.ok(!of(host, listens), `${host} is not ${listens}`);
  assert.ok(!reaches('localhost', 81, { host: 'localhost', port: 80 }));
});

test('all addresses of this machine are of who listens on all', () => {
  for (const { address, family } of Object.values(networkInterfaces()).flatMap((all) => all ?? []))
    assert.ok(of(address, family === 'IPv4' ? '0.0.0.0' : '::'), address);
});
