import assert from 'node:assert/strict';
import test from 'node:test';
import { SCENARIO } from './scenarios.ts';
import { resized } from './titles.ts';

test('a scenario at one size has each cell once, and says for what size its goals are', () => {
  const growth = resized(SCENARIO.growth.cells, { nodes: 1_000, queries: 5 });
  assert.deepEqual(
    growth.map(({ cell }) => [cell.strategy, cell.nodes, cell.queries]),
    ['groups', 'groups', 'groups', 'dht', 'walkers'].map((strategy) => [strategy, 1_000, 5]),
  );
  assert.ok(
    growth.every(({ meant }) => meant === undefined),
    'nothing is claimed there',
  );
  const goals = resized(SCENARIO.goals.cells, { nodes: 1_000 });
  assert.ok(goals.length < SCENARIO.goals.cells.length);
  assert.deepEqual(new Set(goals.map(({ meant }) => meant)), new Set([10_000]));
  assert.ok(!JSON.stringify(goals).includes('million'));
  assert.deepEqual(resized(SCENARIO.growth.cells, {}), SCENARIO.growth.cells);
});
