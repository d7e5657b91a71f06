import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { KelanaError } from '../core/errors.ts';
import { startBalancer } from './balancer.ts';
import type { Bound, BoundHandle } from './handles.ts';
import { socketsOf, type Place } from './hand-over.ts';

const place = (port: number, redirect = false, host = '127.0.0.1'): Place => ({ host, port, redirect });
const socket = (at: number, port: number, redirect?: boolean, host = '127.0.0.1'): Bound => ({
  at,
  host,
  port,
  handle: {} as BoundHandle,
  ...(redirect === undefined ? {} : { redirect }),
});

test('sockets go to the addresses they are bound to, in whatever order they come', () => {
  const places = [place(1, false, 'localhost'), place(2), place(3, true)];
  const sockets = [
    socket(0, 1, false),
    socket(0, 1, false, '::1'),
    socket(1, 2, false),
    socket(2, 3, true),
  ] as const;
  const [v4, v6, second, redirect] = sockets;
  fc.assert(
    fc.property(fc.shuffledSubarray([...sockets], { minLength: 4 }), fc.nat(9), (given, shift) => {
      const moved = given.map((one) => ({ ...one, at: one.at + shift }));
      const ports = socketsOf(places, moved).map((own) =>
        own.map(({ host, port }) => `${host} ${port}`).sort(),
      );
      assert.deepEqual(
        ports,
        [[v4, v6], [second], [redirect]].map((own) => own.map(({ host, port }) => `${host} ${port}`)),
      );
    }),
  );
});

test('of ports that the system chose, and where an older version does not say what is done there, the order tells', () => {
  const sockets = [socket(0, 41), socket(1, 42), socket(2, 43)];
  assert.deepEqual(
    socketsOf([place(0), place(0), place(0, true)], sockets).map((own) => own.map(({ port }) => port)),
    [[41], [42], [43]],
  );
});

test('a balancer that is given sockets of other addresses does not start', async () => {
  const given = { port: 1, sockets: [socket(0, 2)], backends: [], emit: () => undefined };
  await assert.rejects(startBalancer({ host: '127.0.0.1', ...given }), /do not fit .*127\.0\.0\.1:1;/);
});

for (const [what, places, sockets] of [
  ['has no address', [place(1)], [socket(0, 1), socket(1, 2)]],
  ['is missing', [place(1), place(2)], [socket(0, 1)]],
  ['has another port', [place(1)], [socket(0, 2)]],
  ['has another host', [place(1)], [socket(0, 1, false, '127.0.0.2')]],
  ['redirected until now', [place(1)], [socket(0, 1, true)]],
  ['is to redirect from now on', [place(1), place(2, true)], [socket(0, 1, false), socket(1, 2, false)]],
] as const) {
  test(`a socket that ${what} keeps the process from starting`, () => {
    assert.throws(
      () => socketsOf(places, sockets),
      (thrown) => thrown instanceof KelanaError && /do not fit .*127\.0\.0\.[12]:[12];/.test(thrown.message),
    );
  });
}
