import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../config.ts';
import { KelanaError } from '../errors.ts';
import { nextChangeAt, parseLimit, rateAt, type Limit, type WeekTime } from './limits.ts';

const parse = (text: string): Limit => parseLimit(text, '--upload-limit');
const always = (text: string): number | null => rateAt(parse(text), { weekday: 3, minutes: 600 });
const at = (weekday: number, time: string): WeekTime => {
  const [hour = 0, minute = 0] = time.split(':').map(Number);
  return { weekday, minutes: hour * 60 + minute };
};
const [SUN, MON, FRI, SAT] = [0, 1, 5, 6];

test('a rate is a number of bytes or bits a second, decimal or binary, or none', () => {
  const rates: Readonly<Record<string, number | null>> = {
    '50MB/s': 50e6,
    '500kB/s': 500e3,
    '500 KB/s': 500e3,
    '10Mbit/s': 1.25e6,
    '10 Mbps': 1.25e6,
    '10MBps': 10e6,
    '1,5 MB/s': 1.5e6,
    '1.5MiB/dtk': 1.5 * 1024 ** 2,
    '1GB': 1e9,
    '64000B/s': 64e3,
    '512kbit/s': 64e3,
    unlimited: null,
    'Tanpa-Batas': null,
    '0': null,
  };
  for (const [text, rate] of Object.entries(rates)) assert.equal(always(text), rate, text);
});

test('what is no limit is refused with what is wrong and an example, in both languages', () => {
  const refused: Readonly<Record<string, RegExp>> = {
    '': /empty/,
    ';': /empty/,
    '5MB/s;': /empty/,
    '5': /no rate/,
    '5Mb/s': /no rate/,
    '5mb': /no rate/,
    fast: /no rate/,
    '-5MB/s': /no rate/,
    '5MB/h': /no rate/,
    '1kB/s': /outside/,
    '0MB/s': /outside/,
    '9999999GB/s': /outside/,
    'mon-fri': /no rate/,
    '08:00-17:00': /no rate/,
    'someday 5MB/s': /'someday' is no day/,
    'mon-wed-fri 5MB/s': /no range/,
    'mon, 5MB/s': /no rate/,
    '25:00-26:00 5MB/s': /no time of day/,
    '08:60-09:00 5MB/s': /no time of day/,
    '24:00-06:00 5MB/s': /no time of day/,
    '08:00-08:00 5MB/s': /no time of day/,
    '5MB/s; sat 20MB/s': /never hold/,
    [`${'sat 5MB/s;'.repeat(LIMITS.maxRules)}sat 5MB/s`]: /more than/,
    [' '.repeat(LIMITS.maxTextChars + 1)]: /longer/,
  };
  for (const [text, why] of Object.entries(refused)) {
    assert.throws(
      () => parse(text),
      (thrown) => {
        assert.ok(thrown instanceof KelanaError && thrown.code === 'BAD_VALUE');
        assert.match(thrown.message, why, text);
        const [en, id] = [thrown.describe('en'), thrown.describe('id')];
        assert.notEqual(en.says, id.says);
        assert.match(en.fix, /--upload-limit "mon-fri 08:00-17:00 5MB\/s; unlimited"/);
        assert.match(id.fix, /--upload-limit "sen-jum 08:00-17:00 5MB\/s; unlimited"/);
        return true;
      },
    );
  }
});

test('the first rule that holds counts, on its days and in its hours', () => {
  const limit = parse('mon-fri 08:00-17:00 5MB/s; sat, sun 20MB/s; 50MB/s');
  assert.equal(limit.text, 'mon-fri 08:00-17:00 5MB/s; sat, sun 20MB/s; 50MB/s');
  assert.equal(rateAt(limit, at(MON, '08:00')), 5e6);
  assert.equal(rateAt(limit, at(FRI, '16:59')), 5e6);
  assert.equal(rateAt(limit, at(FRI, '17:00')), 50e6);
  assert.equal(rateAt(limit, at(MON, '07:59')), 50e6);
  assert.equal(rateAt(limit, at(SAT, '12:00')), 20e6);
  assert.equal(rateAt(limit, at(SUN, '00:00')), 20e6);
  assert.equal(rateAt(parse('sat 5MB/s'), at(SUN, '00:00')), null, 'where no rule holds there is no limit');
});

test('days are known by their English and Indonesian names, and ranges go over the weekend', () => {
  for (const text of [
    'fri-mon 5MB/s',
    'jum-sen 5MB/s',
    'Jumat - Senin 5MB/s',
    "jum'at,sab,min,senin 5MB/s",
  ]) {
    const days = [0, 1, 2, 3, 4, 5, 6].map((weekday) => always5(parse(text), weekday));
    assert.deepEqual(days, [true, true, false, false, false, true, true], text);
  }
});
const always5 = (limit: Limit, weekday: number): boolean => rateAt(limit, { weekday, minutes: 720 }) === 5e6;

test('hours over midnight belong to the day on which they begin', () => {
  const limit = parse('fri 22.00-06.00 5MB/s');
  assert.equal(rateAt(limit, at(FRI, '05:00')), null);
  assert.equal(rateAt(limit, at(FRI, '22:00')), 5e6);
  assert.equal(rateAt(limit, at(SAT, '05:59')), 5e6);
  assert.equal(rateAt(limit, at(SAT, '06:00')), null);
  assert.equal(rateAt(parse('sat 23:00-00:00 5MB/s'), at(SUN, '00:00')), null);
  assert.equal(rateAt(parse('sat 00:00-24:00 5MB/s'), at(SAT, '23:59')), 5e6);
});

test('the next change is the next minute at which another rate holds', () => {
  const limit = parse('mon-fri 08:00-17:00 5MB/s; sat,sun 20MB/s; 20MB/s');
  assert.deepEqual(nextChangeAt(limit, at(MON, '08:00')), { ...at(MON, '17:00'), inMinutes: 540 });
  assert.deepEqual(nextChangeAt(limit, at(FRI, '17:00')), { ...at(MON, '08:00'), inMinutes: 3780 });
  assert.equal(nextChangeAt(parse('5MB/s'), at(MON, '08:00')), null);
  assert.equal(nextChangeAt(parse('08:00-17:00 5MB/s; 5MB/s'), at(MON, '08:00')), null);
});

const NAMES = ['sun', 'senin', 'tue', 'rab', 'thursday', "jum'at", 'sab'];
const time = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
const minute = fc.integer({ min: 0, max: 1439 });
const rule = fc.record({
  days: fc.option(fc.tuple(fc.integer({ min: 0, max: 6 }), fc.integer({ min: 0, max: 6 }))),
  hours: fc.option(fc.tuple(minute, minute).filter(([from, to]) => from !== to)),
  rate: fc.constantFrom(null, 100e3, 5e6),
});
type Drawn = typeof rule extends fc.Arbitrary<infer T> ? T : never;

function write({ days, hours, rate }: Drawn): string {
  const on = days === null ? '' : `${NAMES[days[0]] ?? ''}-${NAMES[days[1]] ?? ''} `;
  const during = hours === null ? '' : `${time(hours[0])}-${time(hours[1])} `;
  return `${on}${during}${rate === null ? 'unlimited' : `${rate / 1000}kB/s`}`;
}

/** By going through every minute that a rule covers. */
function covers({ days, hours }: Drawn, weekday: number, minutes: number): boolean {
  const [first, last] = days ?? [0, 6];
  const [from, to] = hours ?? [0, 1440];
  const length = (to - from + 1440) % 1440 || 1440;
  for (let day = first; ; day = (day + 1) % 7) {
    const since = (weekday * 1440 + minutes - (day * 1440 + from) + 7 * 1440) % (7 * 1440);
    if (since < length) return true;
    if (day === last) return false;
  }
}

test('for any schedule, rate and next change are those found by looking at every minute of the week', () => {
  const schedules = fc.array(
    rule.filter(({ days, hours }) => days !== null || hours !== null),
    { minLength: 1, maxLength: 4 },
  );
  fc.assert(
    fc.property(schedules, fc.integer({ min: 0, max: 6 }), minute, (rules, weekday, minutes) => {
      const limit = parse(rules.map(write).join(' ; '));
      const wanted = (minuteOfWeek: number): number | null => {
        const [day, rest] = [Math.floor(minuteOfWeek / 1440) % 7, minuteOfWeek % 1440];
        return rules.find((one) => covers(one, day, rest))?.rate ?? null;
      };
      const now = weekday * 1440 + minutes;
      assert.equal(rateAt(limit, { weekday, minutes }), wanted(now));
      let change = 1;
      while (change < 7 * 1440 && wanted(now + change) === wanted(now)) change += 1;
      const next = nextChangeAt(limit, { weekday, minutes });
      if (change === 7 * 1440) assert.equal(next, null);
      else {
        const then = (now + change) % (7 * 1440);
        assert.deepEqual(next, {
          weekday: Math.floor(then / 1440),
          minutes: then % 1440,
          inMinutes: change,
        });
      }
    }),
    { numRuns: 100 },
  );
});

test('any text is either a limit or refused, never anything else, and reads the same once more', () => {
  const pieces = fc.constantFrom(
    'mon',
    'sab',
    '-',
    ',',
    ';',
    ' ',
    '08:00',
    '5',
    'MB/s',
    'unlimited',
    '0',
    '/',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map((list) => list.join('')),
      ),
      (text) => {
        try {
          const limit = parse(text);
          assert.deepEqual(parse(limit.text), limit);
        } catch (thrown) {
          assert.ok(thrown instanceof KelanaError && thrown.code === 'BAD_VALUE');
        }
      },
    ),
  );
});
