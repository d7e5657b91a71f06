import assert from 'node:assert/strict';
import test from 'node:test';
import type { Ground, SearchEvent } from '../core/ports.ts';
import type { Verdict } from '../core/events.ts';
import { unlessCutShort } from './cut-short.ts';

const STOP = new Error('stop');

async function* search(verdict: Verdict, ground: Ground, before: () => void): AsyncGenerator<SearchEvent> {
  await Promise.resolve();
  before();
  const counts = { asked: 1, missing: [], missingCount: 0, messages: 2, elapsedMs: 1 };
  yield { type: 'verdict', verdict, ground, strategy: 'walk', ...counts };
}

async function verdictOf(
  verdict: Verdict,
  ground: Ground,
  cut: boolean,
): Promise<readonly (string | undefined)[]> {
  const stop = new AbortController();
  const got: string[] = [];
  const events = search(verdict, ground, () => {
    if (cut) stop.abort(STOP);
  });
  for await (const event of unlessCutShort(events, stop.signal))
    if (event.type === 'verdict') got.push(event.verdict);
  return got;
}

test('of a search that a person cut short only what was found is told', async () => {
  assert.deepEqual(await verdictOf('incomplete', 'cancelled', false), ['incomplete']);
  assert.deepEqual(await verdictOf('found', 'found', true), ['found']);
  for (const verdict of ['incomplete', 'absent'] as const)
    await assert.rejects(verdictOf(verdict, 'cancelled', true), STOP);
});
