import fastify, { type FastifyInstance } from 'fastify';
import { z } from 'zod';
import { asKelanaError, KelanaError } from '../core/errors.ts';
import type { Manager } from './manager.ts';
import { METRICS_TYPE } from './stats-server.ts';
import { metricsOf, statsJsonOf } from './view.ts';

const name = z.string().min(1).max(300);
const named = z.object({ name });
const added = z.object({ backend: z.string().min(1).max(2_000) });
const drained = z.object({ name, on: z.boolean() });
const weighed = z.object({ name, weight: z.int().min(0).max(1_000_000) });
const chosen = z.object({ method: z.string().min(1).max(300) });
const reload = z.object({ forget: z.boolean() });

/** Answers commands for a running balancer: JSON over HTTP, on a socket that only its user may open. */
export async function adminRoutes(manager: Manager): Promise<FastifyInstance> {
  const app = fastify({ logger: false, bodyLimit: 64 * 1024, requestTimeout: 10_000 });
  app.setErrorHandler(async (thrown, _request, reply) => {
    const error =
      thrown instanceof z.ZodError
        ? new KelanaError('USAGE', { detail: z.prettifyError(thrown), command: 'balancer' })
        : asKelanaError(thrown);
    await reply
      .status(error.row.source === 'user' ? 400 : 500)
      .send({ error: error.code, params: error.params });
  });
  app.get('/balancer', () => manager.view());
  app.get('/metrics', async (_request, reply) =>
    reply.type(METRICS_TYPE).send(metricsOf(await manager.view())),
  );
  app.get('/stats', async () => statsJsonOf(await manager.view()));
  app.post('/backends', ({ body }) => manager.add(added.parse(body).backend));
  app.delete('/backends', ({ query }) => manager.change({ type: 'remove', ...named.parse(query) }));
  app.put('/backends/drain', ({ body }) => manager.change({ type: 'drain', ...drained.parse(body) }));
  app.put('/backends/weight', ({ body }) => manager.change({ type: 'weight', ...weighed.parse(body) }));
  app.put('/method', ({ body }) => manager.change({ type: 'method', ...chosen.parse(body) }));
  app.post('/reload', ({ body }) => manager.reload(reload.parse(body).forget));
  app.post('/reset', () => manager.reset());
  app.post('/upgrade', () => manager.upgrade());
  await app.ready();
  return app;
}
