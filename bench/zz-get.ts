import { fork } from 'node:child_process';
import { mkdtemp, mkdir } from 'node:fs/promises';
import { openLibrary } from '../src/library/library.ts';
import { startOverlay } from '../src/overlay/overlay.ts';
import { hash } from 'node:crypto';
const lanes = process.argv[2] ?? 'on';
const child = fork(new URL('zz-serve.ts', import.meta.url), ['/dev/shm/kb/share', '/dev/shm/kb/data' + lanes, lanes]);
const once = () => new Promise<any>((r) => child.once('message', r));
const info = await once();
const data = await mkdtemp('/dev/shm/kb/c-'); await mkdir(data + '/s');
const library = await openLibrary({ roots: [data + '/s'], dataDir: data });
const overlay = await startOverlay({ host: '127.0.0.1', port: 0, dataFolder: data, library, peers: [], emit: () => undefined, now: () => performance.now(), random: Math.random, dht: false, wantNeighbours: 0, lanes: lanes !== 'off' });
const provider = { peer: info.peer, label: 'x', addresses: info.addresses };
const t00 = performance.now();
const session = await overlay.open(provider);
console.log('open', (performance.now() - t00).toFixed(1), session.via, 'via');
const count = Math.ceil(info.size / (1 << 20));
for (const mode of ['none', 'hash', 'none', 'hash']) {
  child.send('x'); const before = await once(); const mine = process.cpuUsage(); const t = performance.now();
  const slots = Array.from({ length: 16 }, () => new Uint8Array(new SharedArrayBuffer(1 << 20)));
  let next = 0;
  const lane = async (slot: Uint8Array) => { for (;;) { const i = next++; if (i >= count) return; const size = Math.min(1 << 20, info.size - i * (1 << 20)); const into = slot.subarray(0, size); await session.block(info.cid, i, into); if (mode === 'hash') hash('sha256', into, 'buffer'); } };
  await Promise.all(slots.map(lane));
  const s = (performance.now() - t) / 1000; child.send('x'); const after = await once(); const m = process.cpuUsage(mine);
  const gib = info.size / 2 ** 30;
  console.log(mode, (info.size / 1e6 / s).toFixed(0), 'MB/s', 'cpu s/GiB: serve', ((after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system) / 1e6 / gib).toFixed(2), 'get', ((m.user + m.system) / 1e6 / gib).toFixed(2), 'rss', (after.rss / 1e6).toFixed(0), (process.memoryUsage().rss / 1e6).toFixed(0));
}
child.kill(); process.exit(0);
