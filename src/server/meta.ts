import { KelanaError } from '../core/errors.ts';
import type { App } from './app.ts';
import { langOf } from './failures.ts';
import { openapi } from './openapi.ts';

/** ms a health check waits for the mailbox; a balancer's own patience is about this long. */
const HEALTH_MS = 2_000;

/** `GET /healthz`, `/metrics`, `/openapi.json`. */
export function metaRoutes(app: App): void {
  app.http.get('/healthz', async (request, reply) => {
    const problem = await mailboxProblem(app);
    const neighbours = app.overlay.neighbours().length;
    void reply.header('cache-control', 'no-store');
    if (problem === null) return reply.send({ status: 'ok', server: app.who(), mailbox: 'ok', neighbours });
    const { says } = problem.describe(langOf(app, request));
    const body = { status: 'failing', server: app.who(), mailbox: problem.code, message: says, neighbours };
    return reply.code(503).header('retry-after', '1').send(body);
  });
  app.http.get('/metrics', async (_request, reply) => {
    const gauges = {
      connections: await new Promise<number>((resolve) => {
        app.http.server.getConnections((_error, count) => resolve(count));
      }),
      streams: app.tail.followers,
      transfers: app.transfers.inside,
      searches: app.searches.inside,
      neighbours: app.overlay.neighbours().length,
    };
    return reply.type('text/plain; version=0.0.4; charset=utf-8').send(app.metrics.render(gauges));
  });
  app.http.get('/openapi.json', async (_request, reply) => reply.send(openapi()));
}

/** A server that cannot acknowledge messages is not healthy, so that a balancer sends them to another. */
async function mailboxProblem(app: App): Promise<KelanaError | null> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<KelanaError>((resolve) => {
    const why = { id: 'tidak menjawab', en: 'it does not answer' };
    timer = setTimeout(() => resolve(new KelanaError('MAILBOX_BUSY', { why })), HEALTH_MS);
  });
  const checked = app.mailbox.check().then(
    () => null,
    (thrown: unknown) =>
      thrown instanceof KelanaError ? thrown : new KelanaError('MAILBOX_UNSAFE', { why: 'INTERNAL' }, thrown),
  );
  const problem = await Promise.race([checked, late]);
  clearTimeout(timer);
  return problem;
}
