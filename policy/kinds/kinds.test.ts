import { describe, expect, it } from 'vitest';
import { decide } from '../decide.ts';
import { constrained, fact, facts, policyOf, WALL_MS } from '../test/site.ts';
import type { Facts, PointFact } from '../types.ts';

/** What a policy with this one constraint answers at the head of the lane: `ok`, `noop`, or `code: reason`. */
function ask(constraint: string, given: Facts): string {
  const verdict = decide(constrained(constraint), given, 'head');
  if (verdict.decision === 'BLOCK') return `${verdict.reason_code}: ${verdict.reason}`;
  return verdict.noop ? 'noop' : 'ok';
}

describe('value: maxValue and minValue', () => {
  function bounded(bounds: string, value: number | null): string {
    const policy = policyOf(`[{ capability: hvac.setpoint, decision: ALLOW, ${bounds} }]`);
    const verdict = decide(policy, facts({ action: { value } }), 'admission');
    return verdict.decision === 'BLOCK' ? `${verdict.reason_code}: ${verdict.reason}` : 'ok';
  }

  it('holds up to and including the bound', () => {
    expect(bounded('maxValue: 26', 26)).toBe('ok');
    expect(bounded('maxValue: 26', 26.01)).toBe('value_above_max: value is 26.01, at most 26 allowed');
    expect(bounded('min_value: 18', 18)).toBe('ok');
    expect(bounded('minValue: 18', 17.9)).toBe('value_below_min: value is 17.9, at least 18 allowed');
  });

  it.each([null, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    'blocks when the value is %s (row 22)',
    (value) => {
      expect(bounded('maxValue: 26', value)).toBe(
        'value_missing: hvac.setpoint has no value to compare with the bounds of its rule',
      );
    },
  );

  it('compares bounds of zero, below zero and beyond 32 bits as the numbers they are (row 23)', () => {
    expect(bounded('maxValue: 0', 0)).toBe('ok');
    expect(bounded('maxValue: 0', 0.1)).toContain('value_above_max');
    expect(bounded('maxValue: -5', -6)).toBe('ok');
    expect(bounded('maxValue: -5', -4)).toContain('value_above_max');
    expect(bounded('maxValue: 4294967296', 4_294_967_295)).toBe('ok');
    expect(bounded('maxValue: 4294967296', 4_294_967_297)).toContain('value_above_max');
  });
});

describe('quantity: max_per_run', () => {
  it('admits none when it is 0 (row 23)', () => {
    expect(ask('quantity: { max_per_run: 0 }', facts())).toBe(
      'max_per_run: this run already has 0 of hvac.setpoint, at most 0 allowed',
    );
  });

  it('holds below the cap', () => {
    expect(ask('quantity: { max_per_run: 20 }', facts({ admitted_in_run: 19 }))).toBe('ok');
    expect(ask('quantity: { max_per_run: 20 }', facts({ admitted_in_run: 20 }))).toContain('max_per_run');
  });

  it('is a quarter for a live_limited operator (§2.9)', () => {
    expect(ask('quantity: { max_per_run: 20 }', facts({ mode: 'live_limited', admitted_in_run: 4 }))).toBe('ok');
    expect(ask('quantity: { max_per_run: 20 }', facts({ mode: 'live_limited', admitted_in_run: 5 }))).toBe(
      'max_per_run: this run already has 5 of hvac.setpoint, at most 5 allowed (a quarter of 20, the operator is live_limited)',
    );
  });

  it('is at least one for a live_limited operator, where it lets anything through at all (§2.9)', () => {
    const limited = (admitted_in_run: number): Facts => facts({ mode: 'live_limited', admitted_in_run });
    expect(ask('quantity: { max_per_run: 3 }', limited(0))).toBe('ok');
    expect(ask('quantity: { max_per_run: 3 }', limited(1))).toContain('max_per_run');
    expect(ask('quantity: { max_per_run: 0 }', limited(0))).toContain('max_per_run');
  });
});

describe('range', () => {
  const range = 'range: { arg: celsius, min: 18, max: 26, unit: degC }';
  const to = (celsius: unknown, target: number | null = 21.5): Facts =>
    facts({ action: { args: { celsius } }, target });

  it('blocks outside its bounds, such as 77 °F in a °C argument (row 11)', () => {
    expect(ask(range, to(18))).toBe('ok');
    expect(ask(range, to(26))).toBe('ok');
    expect(ask(range, to(77))).toBe('out_of_range: celsius is 77 degC, at most 26 degC allowed');
    expect(ask(range, to(17.5))).toBe('out_of_range: celsius is 17.5 degC, at least 18 degC allowed');
  });

  it.each([undefined, null, '21', Number.NaN, true])('blocks when the argument is %s (row 21)', (celsius) => {
    expect(ask(range, to(celsius))).toContain('value_missing: argument celsius is not a number');
  });

  it('blocks when what is written as given goes to a point of another unit (row 11)', () => {
    const fahrenheit = { ...to(21.5, 21.5), current: fact({ unit: 'K' }) };
    expect(ask(range, fahrenheit)).toBe('unit_mismatch: celsius is written in K, its range is in degC');
    expect(ask(range, { ...to(21.5, 294.65), current: fact({ unit: 'K' }) })).toBe('ok');
  });
});

describe('single_flight', () => {
  const acted = (args: Record<string, unknown>, entity_key = 'zone:412'): Facts =>
    facts({ action: { args, entity_key } });

  it('finds what it names in the arguments or as the entity itself (G-SF-2)', () => {
    expect(ask('single_flight: by_zone_id', acted({}))).toBe('ok');
    expect(ask('single_flight: by_zone', acted({}))).toBe('ok');
    expect(ask('single_flight: by_loop', acted({ loop: 7 }))).toBe('ok');
    expect(ask('single_flight: by_loop', acted({ loop: 'a' }))).toBe('ok');
  });

  it('blocks when nothing says which one (G-SF-2)', () => {
    for (const loop of [undefined, '', null, { id: 1 }]) {
      expect(ask('single_flight: by_loop', acted({ loop }))).toBe(
        "entity_unresolved: single_flight is by_loop, but neither an argument nor the entity 'zone:412' says which one",
      );
    }
  });
});

describe('evidence', () => {
  const gate = 'evidence: [ { point: "zone:{id}/temperature", max_age: 5m } ]';
  const seen = (part: Partial<PointFact>): Facts => facts({ points: { 'zone:412/temperature': fact(part) } });
  const stamped = (ms: number): string => new Date(WALL_MS + ms).toISOString();

  it('accepts a live, good, fresh value', () => {
    expect(ask(gate, seen({ age_ms: 300_000, source_ts: stamped(0) }))).toBe('ok');
    expect(ask(gate, seen({ value: false }))).toBe('ok');
  });

  it('takes {id} for the id of the entity that is acted on', () => {
    const given = facts({ points: { 'zone:7.$&/temperature': fact() }, action: { entity_key: 'zone:7.$&' } });
    expect(ask(gate, given)).toBe('ok');
  });

  it.each([
    ['is missing', null, 'evidence_missing: zone:412/temperature has no value'],
    ['has no value', { value: null }, 'evidence_missing: zone:412/temperature has no value'],
    [
      'is too old (row 73)',
      { age_ms: 312_000 },
      'stale_or_bad: zone:412/temperature is 312 s old, at most 300 s allowed',
    ],
    ['is of unknown age', { age_ms: Number.NaN }, 'stale_or_bad: zone:412/temperature is NaN s old'],
    ['is bad (row 73)', { quality: 'bad' }, 'stale_or_bad: zone:412/temperature is bad, good needed'],
    ['is uncertain', { quality: 'uncertain' }, 'stale_or_bad: zone:412/temperature is uncertain, good needed'],
    ['is not finite', { value: Number.NaN }, 'stale_or_bad: zone:412/temperature is not a finite number'],
    [
      'is simulated (row 74)',
      { provenance: 'simulated' },
      'not_live: zone:412/temperature is simulated, only live counts here',
    ],
    ['is replayed (row 74)', { provenance: 'replayed' }, 'not_live: zone:412/temperature is replayed'],
    ['was typed in (row 74)', { provenance: 'manual' }, 'not_live: zone:412/temperature is manual'],
    [
      'is stamped in the future (row 94)',
      { source_ts: stamped(5_001) },
      'clock_skew: zone:412/temperature is stamped 5 s in the future, at most 5 s allowed',
    ],
    [
      'has a stamp that is none',
      { source_ts: 'yesterday' },
      "rule_error: evidence could not be evaluated: 'yesterday' is not",
    ],
  ] as const)('blocks when the value %s', (_, part, answer) => {
    expect(ask(gate, part === null ? facts() : seen(part))).toContain(answer);
  });

  it('accepts a stamp up to 5 s ahead, and any stamp when our own clock is not trusted (row 91, G-CL-4)', () => {
    expect(ask(gate, seen({ source_ts: stamped(5_000) }))).toBe('ok');
    const untrusted = { ...seen({ source_ts: stamped(86_400_000) }), now: { ...facts().now, clock_trusted: false } };
    expect(ask(gate, untrusted)).toBe('ok');
  });

  it('accepts uncertain values where the rule says so, and never bad ones', () => {
    const lenient = 'evidence: [ { point: "zone:{id}/temperature", max_age: 5m, allow_uncertain: true } ]';
    expect(ask(lenient, seen({ quality: 'uncertain' }))).toBe('ok');
    expect(ask(lenient, seen({ quality: 'bad' }))).toContain('is bad, good or uncertain needed');
  });

  it('counts in a simulated site what is simulated, and nothing else', () => {
    expect(ask(gate, { ...seen({ provenance: 'simulated' }), real: 'simulated' })).toBe('ok');
    expect(ask(gate, { ...seen({ provenance: 'live' }), real: 'simulated' })).toContain('not_live');
  });

  it('blocks when the entity has no id to put in', () => {
    expect(ask(gate, facts({ action: { entity_key: 'site' } }))).toContain(
      "rule_error: evidence could not be evaluated: entity 'site'",
    );
  });
});

describe('interlocks', () => {
  const interlock = 'interlocks: [ { point: "site/fire_alarm", must_be: false, max_age: 30s } ]';
  const seen = (part: Partial<PointFact>): Facts =>
    facts({ points: { 'site/fire_alarm': fact({ value: false, ...part }) } });

  it('holds while the point is what it must be', () => {
    expect(ask(interlock, seen({}))).toBe('ok');
  });

  it.each([
    ['it is not (row 80)', { value: true }, 'interlock_tripped: interlock: site/fire_alarm is true, must be false'],
    ['it is of another type', { value: 0 }, 'interlock_tripped: interlock: site/fire_alarm is 0, must be false'],
    ['it is missing', null, 'interlock_tripped: interlock: site/fire_alarm has no value'],
    [
      'it is stale',
      { age_ms: 31_000 },
      'interlock_tripped: interlock: site/fire_alarm is 31 s old, at most 30 s allowed',
    ],
    ['it is bad', { quality: 'bad' }, 'interlock_tripped: interlock: site/fire_alarm is bad'],
    ['it is uncertain', { quality: 'uncertain' }, 'interlock_tripped: interlock: site/fire_alarm is uncertain'],
    ['it is not real (row 74)', { provenance: 'manual' }, 'not_live: interlock: site/fire_alarm is manual'],
  ] as const)('trips when %s', (_, part, answer) => {
    expect(ask(interlock, part === null ? facts() : seen(part))).toContain(answer);
  });

  it('compares words and numbers too', () => {
    const words = 'interlocks: [ { point: "ahu:1/mode", must_be: "auto", max_age: 30s } ]';
    expect(ask(words, facts({ points: { 'ahu:1/mode': fact({ value: 'auto' }) } }))).toBe('ok');
    expect(ask(words, facts({ points: { 'ahu:1/mode': fact({ value: 'hand' }) } }))).toContain(
      'is "hand", must be "auto"',
    );
  });
});

describe('step and deadband', () => {
  const change = (from: Partial<PointFact> | null, target: number | null): Facts =>
    facts({ current: from === null ? null : fact(from), target });

  it('step blocks a change larger than its max, against the fresh read', () => {
    expect(ask('step: { max: 2 }', change({ value: 20 }, 22))).toBe('ok');
    expect(ask('step: { max: 2 }', change({ value: 20 }, 17.5))).toBe(
      'step_exceeded: from 20 to 17.5 degC is a step of 2.5, at most 2 allowed',
    );
  });

  it('deadband makes a smaller change a noop, and lets one of exactly its size through', () => {
    expect(ask('deadband: { abs: 0.5 }', change({ value: 21 }, 21.25))).toBe('noop');
    expect(ask('deadband: { abs: 0.5 }', change({ value: 21 }, 21))).toBe('noop');
    expect(ask('deadband: { abs: 0.5 }', change({ value: 21 }, 21.5))).toBe('ok');
    expect(ask('deadband: { abs: 0.5 }', change({ value: 21 }, 20))).toBe('ok');
  });

  it('deadband lets a small change through when another output is to be moved with it', () => {
    const both = (there: boolean): Facts =>
      facts({
        current: fact({ value: 21 }),
        writes: [
          { point: 'setpoint', value: 21.25, arg: 'celsius' },
          { point: 'mode', value: 1, arg: null, there },
        ],
      });
    expect(ask('deadband: { abs: 0.5 }', both(true))).toBe('noop');
    expect(ask('deadband: { abs: 0.5 }', both(false))).toBe('ok');
  });

  it('compares decimals as a person does', () => {
    expect(ask('deadband: { abs: 0.2 }', change({ value: 21.3 }, 21.5))).toBe('ok');
    expect(ask('step: { max: 0.1 }', change({ value: 0.2 }, 0.3))).toBe('ok');
    expect(ask('step: { max: 0.1 }', change({ value: 0.7 }, 0.8))).toBe('ok');
  });

  it.each(['step: { max: 2 }', 'deadband: { abs: 0.5 }'])('%s blocks when the change cannot be told', (constraint) => {
    expect(ask(constraint, change(null, 21))).toContain('current_unknown');
    expect(ask(constraint, change({ value: null }, 21))).toContain('current_unknown');
    expect(ask(constraint, change({ value: Number.NaN }, 21))).toContain('current_unknown');
    expect(ask(constraint, change({ value: 'auto' }, 21))).toContain('current_unknown');
    expect(ask(constraint, change({ quality: 'bad' }, 21))).toContain('current_unknown');
    expect(ask(constraint, change({ provenance: 'replayed' }, 21))).toContain('not_live');
    expect(ask(constraint, change({}, null))).toContain('target_unknown');
    expect(ask(constraint, change({}, Number.NaN))).toContain('target_unknown');
  });
});

describe('min_interval', () => {
  it('waits from the last change of the points, by anyone', () => {
    const after = (ago_ms: number): Facts =>
      facts({
        changes: [
          { ago_ms, delta: 1 },
          { ago_ms: 900_000, delta: 1 },
        ],
      });
    expect(ask('min_interval: 10m', after(600_000))).toBe('ok');
    expect(ask('min_interval: 10m', after(599_900))).toBe(
      'min_interval: last changed 599.9 s ago, at least 600 s apart allowed',
    );
  });

  it('lets the first change that anybody knows of through', () => {
    expect(ask('min_interval: 10m', facts({ changes: [] }))).toBe('ok');
  });
});

describe('windows', () => {
  /** `weekday` is ISO's, 1 for Monday. */
  const at = (weekday: number, time: string): Facts => {
    const minute_of_day = Number(time.slice(0, 2)) * 60 + Number(time.slice(3));
    return facts({ now: { wall_ms: WALL_MS, clock_trusted: true, weekday, minute_of_day } });
  };

  it('is open from its first minute to before its last, on its days', () => {
    const office = 'windows: [ { days: mon-fri, from: "06:00", to: "20:00" } ]';
    expect(ask(office, at(1, '06:00'))).toBe('ok');
    expect(ask(office, at(5, '19:59'))).toBe('ok');
    expect(ask(office, at(5, '20:00'))).toBe(
      'outside_window: it is fri 20:00 at the site, allowed mon-fri 06:00–20:00',
    );
    expect(ask(office, at(6, '12:00'))).toContain('it is sat 12:00');
    expect(ask(office, at(7, '12:00'))).toContain('it is sun 12:00');
  });

  it('past midnight belongs to the day on which it began', () => {
    const night = 'windows: [ { days: fri, from: "22:00", to: "06:00" } ]';
    expect(ask(night, at(5, '22:00'))).toBe('ok');
    expect(ask(night, at(6, '05:59'))).toBe('ok');
    expect(ask(night, at(6, '06:00'))).toContain('outside_window');
    expect(ask(night, at(5, '05:00'))).toContain('outside_window');
    const sunday = 'windows: [ { days: sun, from: "22:00", to: "06:00" } ]';
    expect(ask(sunday, at(1, '03:00'))).toBe('ok');
  });

  it('takes single days, lists, and ranges over the weekend', () => {
    const some = 'windows: [ { days: "mon,wed,fri-sun", from: "00:00", to: "24:00" } ]';
    expect([1, 2, 3, 4, 5, 6, 7].map((day) => ask(some, at(day, '23:59')) === 'ok')).toEqual([
      true,
      false,
      true,
      false,
      true,
      true,
      true,
    ]);
    const turn = 'windows: [ { days: sat-mon, from: "00:00", to: "24:00" } ]';
    expect([1, 2, 5, 6, 7].map((day) => ask(turn, at(day, '00:00')) === 'ok')).toEqual([
      true,
      false,
      false,
      true,
      true,
    ]);
  });

  it('is open when any of several is, and every day when none is named', () => {
    const two = 'windows: [ { from: "06:00", to: "08:00" }, { from: "17:00", to: "19:00" } ]';
    expect(ask(two, at(7, '07:00'))).toBe('ok');
    expect(ask(two, at(7, '18:00'))).toBe('ok');
    expect(ask(two, at(7, '12:00'))).toContain('allowed mon-sun 06:00–08:00, mon-sun 17:00–19:00');
  });

  it('is closed while the clock is not trusted (row 91)', () => {
    const given = { ...facts(), now: { ...facts().now, clock_trusted: false } };
    expect(ask('windows: [ { from: "00:00", to: "24:00" } ]', given)).toContain('clock_untrusted');
  });
});
