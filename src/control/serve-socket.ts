import { chmod } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { KelanaError } from '../core/errors.ts';
import { clearSocket } from './socket.ts';

/**
 * Serves HTTP on a Unix socket (0600); `open` makes what answers when the first command comes. Resolves to the way to
 * stop it. A socket that was left there is replaced: who calls knows that nobody uses it.
 * @throws KelanaError CANNOT_WRITE
 */
export async function serveSocket(
  path: string,
  open: () => Promise<FastifyInstance>,
): Promise<() => Promise<void>> {
  let routes: Promise<FastifyInstance> | undefined;
  const connections = new Set<Socket>();
  // Nothing is read of a connection before those who understand it are there.
  const server = createServer({ pauseOnConnect: true }, (connection) => {
    connections.add(connection);
    connection.on('close', () => connections.delete(connection)).on('error', () => undefined);
    routes ??= open();
    routes.then(
      (app) => {
        app.server.emit('connection', connection);
        connection.resume();
      },
      (thrown: unknown) => connection.destroy(thrown instanceof Error ? thrown : undefined),
    );
  });
  await clearSocket(path);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  }).catch((thrown: unknown) => {
    throw new KelanaError('CANNOT_WRITE', { path, why: String(thrown) }, thrown);
  });
  await chmod(path, 0o600);
  return async () => {
    server.close();
    const ended = routes?.then((app) => app.close()).catch(() => undefined) ?? Promise.resolve();
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 1000).unref())]);
    for (const connection of connections) connection.destroy();
    await clearSocket(path);
  };
}
