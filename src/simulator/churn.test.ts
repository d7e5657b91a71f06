import assert from 'node:assert/strict';
import test from 'node:test';
import { STRATEGIES } from '../core/ports.ts';
import { rowFor } from './testkit.ts';

const TWO = { kind: 'count', count: 2 } as const;

test('no strategy says absent of what is there, whatever is lost and whoever leaves', async () => {
  for (const strategy of STRATEGIES) {
    for (const harm of [
      { loss: 0.05 },
      { churn: 0.2 },
      { churn: 0.3, joins: true },
      { loss: 0.02, churn: 0.1 },
    ]) {
      const row = await rowFor({ nodes: 300, strategy, copies: TWO, queries: 15, ...harm });
      const about = `${strategy} ${JSON.stringify(harm)}`;
      assert.equal(row.falseAbsent, 0, about);
      assert.equal(row.falseFound, 0, about);
      assert.equal(row.neverEnded, 0, about);
      assert.equal(row.found + row.absent + row.incomplete, 15, about);
    }
  }
});

test('groups find nearly all that remains while a fifth of the nodes leaves', async () => {
  const row = await rowFor({ nodes: 2_000, strategy: 'groups', copies: TWO, churn: 0.2, queries: 150 });
  assert.ok((row.recall ?? 0) >= 0.98, String(row.recall));
});

test('one liar in ten makes groups say absent falsely; with the audit they do not', async () => {
  const lies = { nodes: 1_000, strategy: 'groups', copies: TWO, liars: 0.1, queries: 80 } as const;
  const audited = await rowFor({ ...lies, settings: { audit: true } });
  const trusting = await rowFor(lies);
  assert.ok(trusting.falseAbsent > audited.falseAbsent, `${trusting.falseAbsent} > ${audited.falseAbsent}`);
});
