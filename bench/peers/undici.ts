/** A proxy on undici: @fastify/http-proxy. Arguments: port, backend port. */
import proxy from '@fastify/http-proxy';
import fastify from 'fastify';

const [port, backend] = process.argv.slice(2).map(Number);
const app = fastify({ keepAliveTimeout: 120_000, bodyLimit: 1 << 30 });
await app.register(proxy, {
  upstream: `http://127.0.0.1:${backend ?? 0}`,
  undici: { connections: 256, pipelining: 1, keepAliveTimeout: 60_000 },
});
await app.listen({ port: port ?? 0, host: '127.0.0.1' });
process.stdout.write('ready\n');
