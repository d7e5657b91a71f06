// Installs what the lock file names when it is missing or older than the lock file. Runs on Node 20 and newer,
// before anything else, so it is plain JavaScript without dependencies.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const stamp = root + 'node_modules/.kelana-lock';
const lock = createHash('sha256')
  .update(readFileSync(root + 'package-lock.json'))
  .digest('hex');
const have = existsSync(stamp) ? readFileSync(stamp, 'utf8') : '';

if (have !== lock) {
  console.error('kelana: memasang kebutuhan / installing dependencies …');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error'];
  const run =
    npm === undefined
      ? spawnSync('npm', args, { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
      : spawnSync(process.execPath, [npm, ...args], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  if (run.status !== 0) {
    console.error(
      'kelana: npm ci gagal / failed. Periksa jaringan dan ruang disk / check network and disk space.',
    );
    process.exit(run.status ?? 1);
  }
  writeFileSync(stamp, lock);
}
