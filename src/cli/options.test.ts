import assert from 'node:assert/strict';
import test from 'node:test';
import { KelanaError } from '../core/errors.ts';
import type { Command } from './command.ts';
import { nearest } from './nearest.ts';
import { parseSeconds, settle } from './options.ts';
import { Settings } from './settings.ts';

const command: Command = {
  name: 'demo',
  summary: { id: 'demo', en: 'demo' },
  section: 'demo',
  options: [
    { name: 'port', type: 'port', default: 5001, help: { id: '', en: '' } },
    { name: 'peer', type: 'text', many: true, help: { id: '', en: '' } },
    { name: 'timeout', type: 'seconds', help: { id: '', en: '' } },
  ],
  examples: [],
  run: () => Promise.resolve(0),
};
const none = new Settings(null, '');
const code = (expected: string) => (thrown: unknown) =>
  thrown instanceof KelanaError && thrown.code === expected;

test('a flag wins over the environment, that over the file, that over the default', () => {
  const file = new Settings('kelana.toml', '[demo]\nport = 7003\n');
  const env = { KELANA_DEMO_PORT: '7002' };
  assert.equal(settle(command, ['--port', '7001'], env, file).number('port'), 7001);
  assert.equal(settle(command, [], env, file).number('port'), 7002);
  assert.equal(settle(command, [], {}, file).number('port'), 7003);
  assert.equal(settle(command, [], {}, none).number('port'), 5001);
});

test('an option that may repeat gathers all its values', () => {
  assert.deepEqual(settle(command, ['--peer', 'a:1', '--peer=b:2'], {}, none).texts('peer'), ['a:1', 'b:2']);
});

test('bad flags and values are named, with a near miss suggested', () => {
  assert.throws(() => settle(command, ['--prot', '1'], {}, none), code('UNKNOWN_FLAG'));
  assert.throws(() => settle(command, ['-p', '1'], {}, none), code('UNKNOWN_FLAG'));
  for (const bad of ['65536', '-1', 'x', '1.5', '', ' ']) {
    assert.throws(() => settle(command, [`--port=${bad}`], {}, none), code('BAD_VALUE'), bad);
  }
  assert.throws(() => settle(command, ['--port'], {}, none), code('BAD_VALUE'));
  const says = (text: string) => (thrown: unknown) =>
    thrown instanceof KelanaError && thrown.describe('en').says.endsWith(`not valid: ${text}.`);
  assert.throws(() => settle(command, ['--peer='], {}, none), says('it is empty'));
  assert.throws(() => settle(command, ['--peer=a\0'], {}, none), says('it holds a NUL character'));
  // Of a list only the value that is bad.
  assert.throws(
    () => settle(command, ['--peer=a:1', '--peer=b\0'], {}, none),
    (thrown: unknown) => thrown instanceof KelanaError && thrown.params['value'] === 'b\0',
  );
  assert.throws(() => settle(command, ['extra'], {}, none), code('USAGE'));
  assert.equal(nearest('prot', ['port', 'peer']), 'port');
});

test('an error in the settings file names the file and the line', () => {
  const file = new Settings('kelana.toml', '# first\n[demo]\n\nport = "many"\n');
  assert.throws(
    () => settle(command, [], {}, file),
    (thrown) => thrown instanceof KelanaError && thrown.code === 'BAD_CONFIG' && thrown.params['line'] === 4,
  );
  assert.throws(() => new Settings('kelana.toml', '[demo]\nport = = 1\n'), code('BAD_CONFIG'));
});

test('times take a unit', () => {
  assert.equal(parseSeconds('500ms'), 0.5);
  assert.equal(parseSeconds('2m'), 120);
  assert.equal(parseSeconds('30'), 30);
  assert.ok(Number.isNaN(parseSeconds('soon')));
});
