import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clientOf, originOf, type ForwardedForm } from './provenance.ts';
import { bytesOf, readRequests } from './testing.ts';

const PROXIES = new Set(['10.0.0.1', '10.0.0.2', '2001:db8::1']);
const trusts = (address: string): boolean => PROXIES.has(address);

function told(fields: string, form: ForwardedForm = 'x-forwarded', peer = '10.0.0.1'): string {
  const [message] = readRequests([bytesOf(`GET / HTTP/1.1\r\nHost: kelana.test\r\n${fields}\r\n`)]).messages;
  assert.ok(message);
  return clientOf(message.head, originOf(peer, 'http', form, trusts(peer)), trusts);
}

test('behind trusted proxies the client is the last address that is none of theirs', () => {
  for (const [value, client] of [
    ['198.51.100.7', '198.51.100.7'],
    ['6.6.6.6, 198.51.100.7', '198.51.100.7'],
    ['6.6.6.6, 198.51.100.7, 10.0.0.2', '198.51.100.7'],
    ['10.0.0.2', '10.0.0.2'],
    ['198.51.100.7:1234', '198.51.100.7'],
    ['[2001:DB8::7]:443, 2001:db8::1', '2001:db8::7'],
    ['6.6.6.6, nonsense', '10.0.0.1'],
    ['6.6.6.6, nonsense, 10.0.0.2', '10.0.0.2'],
    ['', '10.0.0.1'],
  ] as const)
    assert.equal(told(`X-Forwarded-For: ${value}\r\n`), client, value);
  assert.equal(told('X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 7.7.7.7\r\n'), '7.7.7.7');
  // Nominated, so that it ended at the proxy.
  assert.equal(told('X-Forwarded-For: 6.6.6.6\r\nConnection: x-forwarded-for\r\n'), '10.0.0.1');
});

test('Forwarded is read where it is the form in use, and nothing of who is not trusted', () => {
  const value = 'for=6.6.6.6, for="[2001:db8::7]:99";proto=https, proto=http;for=10.0.0.2';
  assert.equal(told(`Forwarded: ${value}\r\n`, 'forwarded'), '2001:db8::7');
  assert.equal(told(`Forwarded: ${value}\r\n`), '10.0.0.1');
  assert.equal(told('Forwarded: for=6.6.6.6, proto=https\r\n', 'forwarded'), '10.0.0.1');
  assert.equal(told('X-Forwarded-For: 6.6.6.6\r\n', 'x-forwarded', '192.0.2.1'), '192.0.2.1');
});
