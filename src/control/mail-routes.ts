import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { MESSAGES, SERVER } from '../core/config.ts';
import type { MailControls } from './mail.ts';

const no = z.int().min(1);
const nos = z.object({ nos: z.array(no).min(1).max(MESSAGES.maxListed) });
const one = z.object({ no });
const letter = z.object({
  to: z.string().min(1).max(512),
  text: z.string().exactOptional(),
  path: z.string().min(1).exactOptional(),
  timeoutMs: z
    .number()
    .min(0)
    .max(30 * 24 * 3_600_000)
    .exactOptional(),
});
const page = z.object({
  unread: z.stringbool().default(false),
  limit: z.coerce.number().int().min(1).max(MESSAGES.maxListed).default(MESSAGES.listed),
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
  app.get('/inbox', ({ query }) => mail.inbox(page.parse(query)));
  app.get('/outbox', ({ query }) => mail.outbox(page.parse(query).limit));
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
