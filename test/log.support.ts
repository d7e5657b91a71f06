import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOGGING } from '../src/cli/command.ts';
import type { Context } from '../src/cli/context.ts';
import { Values } from '../src/cli/values.ts';
import type { EventBody } from '../src/core/events.ts';

/** A folder of its own for one test, removed after it. */
export function temporaryFolder(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'kelana-log-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** As much of a Context as openLog looks at. */
export function logContext(cwd: string, err: (text: string) => void): Context {
  return { cwd, err, lang: 'en' } as Context;
}

/** The logging options at their defaults, or as given. */
export function logValues(given: Readonly<Record<string, string>> = {}): Values {
  return new Values(
    [],
    new Map(
      LOGGING.map((option) => [
        option.name,
        { value: given[option.name] ?? option.default ?? '', origin: 'flag' as const },
      ]),
    ),
  );
}

/** Resolves once the condition holds; fails after `ms`. */
export async function until(what: string, condition: () => boolean, ms = 8_000): Promise<void> {
  for (let waited = 0; !condition(); waited += 10) {
    if (waited > ms) throw new Error(`not within ${ms} ms: ${what}`);
    await sleep(10);
  }
}

/** The six events behind the sample lines of the design. */
export const SAMPLE: readonly EventBody[] = [
  { type: 'node.ready', who: 'localhost:5001', peerId: '12D3', files: 1 },
  { type: 'neighbour.added', who: 'localhost:5001', neighbour: 'localhost:5002' },
  { type: 'search.received', who: 'localhost:5002', query: 'contoh.txt', from: 'localhost:5003' },
  { type: 'search.found', who: 'localhost:5003', name: 'contoh.txt', holder: 'localhost:5001' },
  { type: 'search.response-time', who: 'localhost:5003', holder: 'localhost:5001', seconds: 0.000991 },
  { type: 'total', who: 'localhost:5003', seconds: 0.003009, bytes: 34, bytesPerSecond: 11300.922102 },
];
