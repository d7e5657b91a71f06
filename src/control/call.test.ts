import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { KelanaError } from '../core/errors.ts';
import { ask } from './call.ts';

test('who takes a command and does not answer runs all the same', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'kelana-call-'));
  const socket = join(folder, 's');
  const server = createServer((asked, answer) => {
    if (asked.url === '/half') answer.write('{');
  });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  t.after(async () => {
    server.closeAllConnections();
    server.close();
    await rm(folder, { recursive: true, force: true });
  });
  const gone = (why: string): KelanaError => new KelanaError('NO_NODE', { path: folder, why });
  for (const path of ['/silent', '/half'])
    await assert.rejects(ask({ socket, method: 'GET', path }, gone, 50), {
      code: 'LATE',
      params: { seconds: 0.05 },
    });
  const nobody = ask({ socket: join(folder, 'none'), method: 'GET', path: '/' }, gone, 5_000);
  await assert.rejects(nobody, { code: 'NO_NODE' });
});
