import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { generateKeyPair } from '@libp2p/crypto/keys';
import type { LinkFrame } from '../core/wire/frames.ts';
import type { Contact } from '../core/wire/search-frames.ts';
import { createHost, type Host } from './host.ts';
import type { Link } from './link.ts';
import type { Text } from '../core/lang.ts';
import { Links } from './links.ts';

/** A host on 127.0.0.1 and any free port, stopped after the test. */
export async function startHost(t: TestContext, options: { dht?: boolean } = {}): Promise<Host> {
  const key = await generateKeyPair('Ed25519');
  const host = await createHost({ key, host: '127.0.0.1', port: 0, flag: '', ...options });
  t.after(() => host.stop());
  return host;
}

export function contactOf(host: Host): Contact {
  return { peer: host.peerId.toString(), label: 'x', addresses: host.getMultiaddrs().map(String) };
}

/** Waits for a condition, looking every 10 ms; fails after `ms` and says for what it waited. */
export async function until(what: string, condition: () => boolean, ms = 8_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(10);
  }
}

export interface Linked {
  readonly host: Host;
  readonly links: Links;
  readonly up: Link[];
  readonly frames: LinkFrame[];
  readonly down: { readonly peer: string; readonly reason: string }[];
}

export interface LinkedOptions {
  readonly bits?: number;
  refuses?(peer: string): boolean;
  readonly why?: (peer: string) => Text;
  onUp?(link: Link): void;
  onFrame?(link: Link, frame: LinkFrame): void;
  onDown?(link: Link): void;
}

/** A host with links, and what they reported. */
export async function startLinks(t: TestContext, options: LinkedOptions = {}): Promise<Linked> {
  const host = await startHost(t);
  const [up, frames, down]: [Link[], LinkFrame[], Linked['down']] = [[], [], []];
  const links = await Links.start({
    host,
    label: 'x',
    port: Number(/\/tcp\/(\d+)/.exec(contactOf(host).addresses[0] ?? '')?.[1]),
    now: () => performance.now(),
    bits: () => options.bits ?? 0,
    refuses: (peer) => options.refuses?.(peer) ?? false,
    ...(options.why === undefined ? {} : { why: options.why }),
    onUp: (link) => {
      up.push(link);
      options.onUp?.(link);
    },
    onFrame: (link, frame) => {
      frames.push(frame);
      options.onFrame?.(link, frame);
    },
    onDown: (link, reason) => {
      down.push({ peer: link.peer, reason });
      options.onDown?.(link);
    },
  });
  t.after(() => links.stop());
  return { host, links, up, frames, down };
}
