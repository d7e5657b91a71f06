import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { execPath, pid } from 'node:process';
import type { TestContext } from 'node:test';
import { startBalancer } from '../src/balancer/balancer.ts';
import { Fleet, type FleetOptions } from '../src/balancer/fleet.ts';
import { LocalWorker } from '../src/balancer/worker.ts';
import { backend } from './balancer.kit.ts';
import { temporaryFolder } from './support/basics.ts';

/** A fleet of this process alone, whose further processes run the given code. */
export async function fleetWith(t: TestContext, code: string, options: Partial<FleetOptions> = {}) {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'child.mjs');
  await writeFile(file, code);
  const { url } = await backend(t);
  const balancer = await startBalancer({
    host: '127.0.0.1',
    port: 0,
    backends: [{ url }],
    emit: () => undefined,
  });
  const fleet = new Fleet({
    local: new LocalWorker(balancer, pid),
    launcher: { execPath, args: [file], env: {}, cwd: folder, lang: 'en' },
    who: () => 'localhost:0',
    emit: () => undefined,
    clock: () => performance.now(),
    ...options,
  });
  t.after(() => fleet.close());
  const desired = { method: 'round-robin', backends: [] };
  return { roll: (workers = 2) => fleet.roll({ settings: [], workers, desired }), fleet, balancer, folder };
}
