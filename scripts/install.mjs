// Installs what the lock file names when it is missing or older than the lock file. Runs on Node 20 and newer,
// before anything else, so it is plain JavaScript without dependencies.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = root + 'node_modules/.kelana-lock';
const guard = root + '.installing';
const lock = createHash('sha256')
  .update(readFileSync(root + 'package-lock.json'))
  .digest('hex');
const installed = () => existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
const sleep = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

/** Several terminals may start at once in a fresh clone: one installs, the others wait for it. */
function takeGuard() {
  for (;;) {
    try {
      mkdirSync(guard);
      // Another may have finished between our look and our turn; installing again would pull it from under its parts.
      if (!installed()) return true;
      rmSync(guard, { recursive: true, force: true });
      return false;
    } catch (thrown) {
      if (thrown.code !== 'EEXIST') throw thrown;
      if (installed()) return false;
      // An install that was killed leaves its mark; none takes ten minutes.
      if (Date.now() - statSync(guard, { throwIfNoEntry: false })?.mtimeMs > 600_000)
        utimesSync(guard, new Date(), new Date());
      else {
        sleep(500);
        continue;
      }
      return true;
    }
  }
}

if (!installed() && takeGuard()) {
  try {
    console.error('kelana: memasang kebutuhan, sekali saja / installing dependencies, once …');
    const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
    const npm = process.env.npm_execpath;
    const [file, prefix] = npm === undefined ? ['npm', []] : [process.execPath, [npm]];
    const run = spawnSync(file, [...prefix, ...args], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
    if (run.status !== 0) {
      console.error(
        'kelana: npm ci gagal; periksa jaringan dan ruang disk / npm ci failed; check network and disk space.',
      );
      process.exitCode = run.status ?? 1;
    } else {
      writeFileSync(stamp, lock);
    }
  } finally {
    rmSync(guard, { recursive: true, force: true });
  }
}
