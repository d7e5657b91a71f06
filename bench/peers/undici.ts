/** A proxy on undici: @fastify/http-proxy. Arguments: port, backend port. */
import fastify, { type FastifyPluginAsync } from 'fastify';

// Installed by the bench in this folder alone, so its types are not there for a check of the whole.
const name: string = '@fastify/http-proxy';
const { default: proxy } = (await import(name)) as {
  readonly default: FastifyPluginAsync<{ upstream: string; undici: object }>;
};

const [port, backend] = process.argv.slice(2).map(Number);
const app = fastify({ keepAliveTimeout: 120_000, bodyLimit: 1 << 30 });
await app.register(proxy, {
  upstream: `http://127.0.0.1:${backend ?? 0}`,
  undici: { connections: 256, pipelining: 1, keepAliveTimeout: 60_000 },
});
await app.listen({ port: port ?? 0, host: '127.0.0.1' });
process.stdout.write('ready\n');
