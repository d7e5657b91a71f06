import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { Stream } from '@libp2p/interface';
import { multiaddr } from '@multiformats/multiaddr';
import { base58btc } from 'multiformats/bases/base58';
import { reader, writer } from 'protons-runtime';
import { DHT } from '../src/core/config.ts';
import type { Contact } from '../src/core/wire/search-frames.ts';
import { delimit, FrameSplitter } from '../src/core/wire/lengths.ts';
import { DHT_PROTOCOL } from '../src/overlay/dht-service.ts';
import { until } from './support/basics.ts';
import { ask, nobodyBanned, stillRight, synced } from './support/besieged.ts';
import { thirdParty } from './support/flood.ts';
import { newOwners } from './support/forged.ts';
import { Hostile } from './support/hostile.ts';
import { sendIfOpen } from './support/streams.ts';
import { linked, startTestnet, type OverlayChoices, type Testnet } from './testnet.ts';

const NAME = 'surat jujur.txt';

async function net(overlay: OverlayChoices): Promise<Testnet> {
  const started = await startTestnet(3, {
    topology: 'ring',
    files: { 2: { [NAME]: 'isi yang benar' } },
    overlay,
  });
  await synced(started, 3);
  return started;
}

/** Answers every request of kad-dht with these peers as providers, and as closer ones. */
function answerWith(contacts: readonly Contact[], asked: () => void): (stream: Stream) => void {
  return (stream) => {
    const splitter = new FrameSplitter(1 << 20);
    stream.addEventListener('message', (event) => {
      for (const request of splitter.push(event.data.subarray())) {
        const from = reader(request);
        from.uint32();
        const type = from.uint32();
        asked();
        const out = writer();
        out.uint32(8).uint32(type);
        for (const field of [66, 74])
          for (const { peer, addresses } of contacts) {
            out.uint32(field).fork();
            out.uint32(10).bytes(base58btc.decode(`z${peer}`));
            for (const address of addresses) out.uint32(18).bytes(multiaddr(address).bytes);
            out.ldelim();
          }
        // The other side may have had enough of it.
        sendIfOpen(stream, delimit(out.finish()));
      }
    });
  };
}

test('providers that hold nothing, a thousand of them at lying addresses, cost a bounded number of dials', async (t) => {
  await using honest = await net({ dht: true });
  const third = await thirdParty(t, true);
  const owners = await newOwners(1_000);
  let asked = 0;
  await using hostile = await Hostile.start();
  const contacts = owners.map(({ peer }) => ({ peer, label: '', addresses: [third.address] }));
  await hostile.host.handle(
    DHT_PROTOCOL,
    answerWith(contacts, () => (asked += 1)),
  );
  await hostile.dial(honest.node(0).address);
  const dht = { strategy: 'dht', timeoutMs: 3_000, want: 1 } as const;
  await until('the liar is asked', async () => {
    const { outcome } = await ask(honest.node(0), 'khayalan.txt', dht);
    assert.equal(outcome.verdict, 'incomplete', 'the DHT neither finds it nor proves that it is not there');
    return asked > 0;
  });
  assert.ok(third.dials() <= 20 * DHT.maxProviders, `${third.dials()} dials`);
  const { hits, outcome } = await ask(honest.node(0), NAME, dht);
  assert.notEqual(outcome.verdict, 'absent');
  for (const hit of hits) assert.equal(hit.peer, honest.node(2).overlay.peerId);
  nobodyBanned(honest);
});

test('100,000 contacts that nobody asked for, with absurd addresses and own names, move nobody', async (t) => {
  await using honest = await net({ wantNeighbours: 4 });
  const third = await thirdParty(t, true);
  const owners = await newOwners(400);
  const { peerId, label } = honest.node(0).overlay;
  const absurd = [
    '',
    '/',
    '/ip4/127.0.0.1/tcp/0',
    '/ip4/999.1.1.1/tcp/1',
    '/dnsaddr/a.example',
    '/ip4/127.0.0.1/udp/1/quic-v1',
    'x'.repeat(250),
    '/unix/tmp/x',
  ];
  await using hostile = await Hostile.start();
  const link = await hostile.dial(honest.node(0).address);
  await until('linked', () => honest.node(0).overlay.neighbours().length === 3);
  for (let at = 0; at < 6_250 && !link.closed(); at += 1) {
    const contacts = Array.from({ length: 14 }, (_, part): Contact => {
      const peer = owners[(at * 14 + part) % owners.length]?.peer ?? '';
      return {
        peer: part % 7 === 6 ? `${peer.slice(0, 20)}${at}` : peer,
        label,
        addresses: [part % 2 === 0 ? third.address : (absurd[part % 8] ?? '')],
      };
    });
    const own = { peer: peerId, label, addresses: [third.address] };
    link.say({
      type: 'peers',
      contacts: [...contacts, own, { ...own, peer: honest.node(2).overlay.peerId }],
    });
    if (at % 250 === 249) await turn();
  }
  link.say({ type: 'ping', nonce: 1 });
  await until('read', () => link.closed() || link.heard.some((frame) => frame.type === 'pong'));
  for (const [a, b] of honest.edges)
    assert.ok(linked(honest.node(a), honest.node(b)), `${a} and ${b} are linked`);
  assert.ok(third.dials() < 100, `${third.dials()} dials`);
  await hostile[Symbol.asyncDispose]();
  await stillRight(honest);
  nobodyBanned(honest);
});
