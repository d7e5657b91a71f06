import type { FastifyInstance, FastifyReply } from 'fastify';
import { MESSAGES, SERVER } from '../core/config.ts';
import { digits, list, number, object, oneOf, optional, text, whole } from './fields.ts';
import type { MailControls } from './mail.ts';

const no = whole(1);
const nos = object({ nos: list(no, 1, MESSAGES.maxListed) });
const one = object({ no });
const letter = object({
  to: text({ max: 512 }),
  text: optional(text({ min: 0 })),
  path: optional(text()),
  timeoutMs: optional(number(0, 30 * 24 * 3_600_000)),
});
const page = object({
  unread: optional(oneOf(['true', 'false'])),
  limit: optional(digits(1, MESSAGES.maxListed)),
});

/** How the control server streams events; it ends the work's waiting when the command goes away. */
export type Stream = (
  reply: FastifyReply,
  run: (signal: AbortSignal) => AsyncIterable<object>,
) => Promise<FastifyReply>;

/** Routes of a node's inbox and outbox. */
export function mailRoutes(app: FastifyInstance, mail: MailControls, stream: Stream): void {
  // A message may spend six bytes of JSON on one of its text.
  app.post('/send', { bodyLimit: SERVER.maxBodyBytes }, ({ body }, reply) => {
    const request = letter.parse(body);
    return stream(reply, (signal) => mail.send(request, signal));
  });
  app.get('/inbox', ({ query }) => {
    const { unread = 'false', limit = MESSAGES.listed } = page.parse(query);
    return mail.inbox({ unread: unread === 'true', limit });
  });
  app.get('/outbox', ({ query }) => mail.outbox(page.parse(query).limit ?? MESSAGES.listed));
  app.get('/inbox/follow', (_, reply) => stream(reply, (signal) => mail.follow(signal)));
  app.post('/inbox/accept', ({ body }, reply) => {
    const asked = one.parse(body);
    return stream(reply, (signal) => mail.accept(asked.no, signal));
  });
  app.post('/inbox/refuse', ({ body }) => mail.refuse(one.parse(body).no));
  app.post('/inbox/read', ({ body }) => mail.read(nos.parse(body).nos));
  app.post('/inbox/read-all', async () => ({ read: await mail.markAllRead() }));
  app.post('/inbox/remove', async ({ body }) => ({ removed: await mail.remove(nos.parse(body).nos) }));
}
