import { Writer } from '../../src/library/writer.ts';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { openMail, type MailAppOptions } from '../../src/cli/mail-app.ts';
import type { SendEvent } from '../../src/control/mail-events.ts';
import type { MailControls } from '../../src/control/mail.ts';
import type { SendRequest } from '../../src/control/sending.ts';
import { MESSAGES } from '../../src/core/config.ts';
import type { EventBody } from '../../src/core/events.ts';
import type { InboxItem, OutboxItem } from '../../src/core/messages/ports.ts';
import { startTestNode, type TestNode, type TestNodeOptions } from '../testnet.ts';
import { afterwards, within } from './basics.ts';

/** A real node with an inbox, as `kelana node` starts it. */
export interface MailNode {
  readonly node: TestNode;
  readonly mail: MailControls;
  readonly events: EventBody[];
  readonly offers: InboxItem[];
  readonly folder: string;
  close(): Promise<void>;
}

export type MailNodeOptions = Pick<TestNodeOptions, 'port' | 'peers'> &
  Pick<MailAppOptions, 'accept' | 'acceptFrom'>;

/** Started again on the same folder it is the same node, with the same letters. */
export async function startMailNode(
  t: TestContext,
  folder: string,
  options: MailNodeOptions = {},
): Promise<MailNode> {
  const { accept, acceptFrom, ...rest } = options;
  const data = join(folder, 'data');
  await mkdir(data, { recursive: true });
  const events: EventBody[] = [];
  const offers: InboxItem[] = [];
  const writer = new Writer();
  const app = await openMail({
    writer,
    dataFolder: data,
    downloads: join(folder, 'downloaded'),
    emit: (event) => events.push(event),
    onOffer: (item) => offers.push(item),
    ...(accept === undefined ? {} : { accept }),
    ...(acceptFrom === undefined ? {} : { acceptFrom }),
  });
  const node = await startTestNode({
    folder,
    ...rest,
    overlay: app.hooks,
    watch: (event) => events.push(event),
  });
  const mail = await app.open(node.overlay);
  let closed: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    await app.stop();
    await node.close();
    await app.close();
    await writer.close();
  };
  const once = (): Promise<void> => (closed ??= close());
  afterwards(t, once);
  return { node, mail, events, offers, folder, close: once };
}

export async function mailFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-mail-'));
  afterwards(t, () => rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Nodes in folders of their own, linked to nobody. */
export async function mailNodes(t: TestContext, ...options: readonly MailNodeOptions[]): Promise<MailNode[]> {
  const base = await mailFolder(t);
  const nodes: MailNode[] = [];
  for (const [at, one] of options.entries()) nodes.push(await startMailNode(t, join(base, `node${at}`), one));
  return nodes;
}

/** What `kelana send` does; gives all its events. */
export async function send(from: MailNode, request: SendRequest): Promise<readonly SendEvent[]> {
  const events: SendEvent[] = [];
  const run = async (): Promise<void> => {
    for await (const event of from.mail.send(request, new AbortController().signal)) events.push(event);
  };
  await within(`send to ${request.to}`, run());
  return events;
}

export async function inboxOf({ mail }: MailNode): Promise<readonly InboxItem[]> {
  return (await mail.inbox({ unread: false, limit: MESSAGES.maxListed })).items;
}

export async function sentOf({ mail }: MailNode): Promise<readonly OutboxItem[]> {
  return await mail.outbox(MESSAGES.maxListed);
}

export const typesOf = (events: readonly { readonly type: string }[]): readonly string[] =>
  events.map(({ type }) => type);
