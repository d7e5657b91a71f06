import { execFile, execFileSync } from 'node:child_process';
import { env, getuid, pid } from 'node:process';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import { afterwards } from '../support/basics.ts';

const run = promisify(execFile);

export interface Segment {
  /** Words that run a command on a host, numbered from 1. */
  on(host: number): readonly string[];
  address(host: number): string;
  /** Pulls the plug of a host, or puts it in again. */
  plug(host: number, state: 'up' | 'down'): Promise<void>;
}

/** Why this machine cannot make network namespaces, or null where it can. */
export function missing(): string | null {
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' });
  } catch {
    return "the command 'ip' is missing: install the Debian package iproute2";
  }
  if (getuid?.() !== 0) return 'network namespaces (Debian package iproute2) need root';
  const name = `kelana-${pid}-try`;
  try {
    execFileSync('ip', ['netns', 'add', name], { stdio: 'pipe' });
    execFileSync('ip', ['netns', 'del', name], { stdio: 'pipe' });
    return null;
  } catch (thrown) {
    return `'ip netns add' (Debian package iproute2) failed: ${thrown instanceof Error ? thrown.message : ''}`;
  }
}

/** Skips a test where namespaces cannot be had; on CI that is a failure, so that it is not skipped there for ever. */
export function unlessPossible(t: TestContext): boolean {
  const why = missing();
  if (why === null) return false;
  if (env['CI'] === 'true') throw new Error(why);
  t.skip(why);
  return true;
}

/**
 * Hosts on one network segment: a namespace each, and one more that holds the bridge, so that the machine's own
 * network is never touched. All of it is gone after the test.
 */
export async function segment(t: TestContext, hosts: number): Promise<Segment> {
  const base = `kelana-${pid}-${Math.floor(performance.now())}`;
  const name = (host: number): string => `${base}-${host === 0 ? 'sw' : `h${host}`}`;
  const address = (host: number): string => `10.77.31.${host}`;
  const ip = async (...args: readonly string[]): Promise<void> => void (await run('ip', args));
  for (let host = 0; host <= hosts; host += 1) {
    await ip('netns', 'add', name(host));
    afterwards(t, () => ip('netns', 'del', name(host)));
    await ip('-n', name(host), 'link', 'set', 'lo', 'up');
    if (host === 0) {
      await ip('-n', name(0), 'link', 'add', 'br0', 'type', 'bridge');
      await ip('-n', name(0), 'link', 'set', 'br0', 'up');
      continue;
    }
    await ip(
      '-n',
      name(0),
      'link',
      'add',
      `v${host}`,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      name(host),
    );
    await ip('-n', name(0), 'link', 'set', `v${host}`, 'master', 'br0', 'up');
    await ip('-n', name(host), 'addr', 'add', `${address(host)}/24`, 'dev', 'eth0');
    await ip('-n', name(host), 'link', 'set', 'eth0', 'up');
  }
  return {
    on: (host) => ['ip', 'netns', 'exec', name(host)],
    address,
    plug: (host, state) => ip('-n', name(0), 'link', 'set', `v${host}`, state),
  };
}
