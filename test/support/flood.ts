import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import type { LinkFrame } from '../../src/core/wire/frames.ts';
import type { Contact } from '../../src/core/wire/search-frames.ts';
import { afterwards } from './basics.ts';
import type { OpenLink } from './hostile.ts';

export const idAt = (at: number): string => at.toString(16).padStart(32, '0');
const SET = Uint8Array.of(1);

/** Every kind of question, each with an id of its own; all that is to be remembered for as long as may be asked. */
export function questions(at: number, origin: Contact): readonly LinkFrame[] {
  const query = { kind: 'name', name: `banjir-${at}` } as const;
  const asking = { id: idAt(at), query, hops: 1, remainingMs: 600_000 };
  const token = { bits: 0, missing: SET, covered: SET, failed: SET, leash: 0, half: 0, tries: 0, asked: 0 };
  return [
    { type: 'visit', ...asking, without: [] },
    { type: 'flood', ...asking, origin, ttl: 32, ring: 0, trace: false },
    { type: 'walker', ...asking, origin, walker: at, trace: false },
    { type: 'confirm', ...asking },
    { type: 'check', id: idAt(at), walker: at, hops: 4 },
    { type: 'token', ...asking, origin, ...token, number: at, trace: false },
  ];
}

/** Asks `count` times in every way there is. */
export async function flood(link: OpenLink, count: number, origin: Contact): Promise<void> {
  for (let at = 0; at < count && !link.closed(); at += 1) {
    for (const frame of questions(at, origin)) link.say(frame);
    link.heard.length = 0;
    if (at % 10 === 9) await turn();
  }
}

/** A third party that takes connections, and keeps them or closes them at once. */
export async function thirdParty(
  t: TestContext,
  closes: boolean,
): Promise<{ address: string; dials: () => number }> {
  const sockets = new Set<Socket>();
  let dials = 0;
  const server = createServer((socket) => {
    dials += 1;
    sockets.add(socket.on('error', () => undefined));
    if (closes) socket.destroy();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  afterwards(t, () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { address: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`, dials: () => dials };
}
