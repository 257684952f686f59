import { describe, expect, it } from 'vitest';
import { decide } from '../decide.ts';
import { constrained, fact, facts } from '../test/site.ts';
import type { Facts, PointFact } from '../types.ts';

/** What a policy with this one constraint answers at the head of the lane: `ok`, `noop`, or `code: reason`. */
function ask(constraint: string, given: Facts): string {
  const verdict = decide(constrained(constraint), given, 'head');
  if (verdict.decision === 'BLOCK') return `${verdict.reason_code}: ${verdict.reason}`;
  return verdict.noop ? 'noop' : 'ok';
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('quantity: per window and per day', () => {
  it('counts what was sent in the window, and blocks at the cap', () => {
    const rate = 'quantity: { per_window: { count: 60, window: 1h } }';
    const sent = (count: number): Facts => facts({ sent_within: (ms) => (ms === HOUR ? count : 1_000) });
    expect(ask(rate, sent(59))).toBe('ok');
    expect(ask(rate, sent(60))).toBe(
      'rate_limited: 60 of hvac.setpoint were sent in the last 3600 s, at most 60 allowed',
    );
    expect(ask(rate, { ...sent(15), mode: 'live_limited' })).toContain('a quarter of 60');
  });

  it('counts our changes of the last 24 hours, and not those of others', () => {
    const daily = 'quantity: { max_changes_per_day: 2 }';
    const ours = { ago_ms: HOUR, delta: 1 };
    expect(ask(daily, facts({ changes: [ours, { ago_ms: 25 * HOUR, delta: 1 }, { ...ours, by: 'others' }] }))).toBe(
      'ok',
    );
    expect(ask(daily, facts({ changes: [ours, { ...ours, delta: null }] }))).toBe(
      'max_changes_per_day: changed 2 times in the last 24 hours, at most 2 allowed',
    );
  });
});

describe('pair (row 76)', () => {
  const gap = 'pair: { heat: heat_sp, cool: cool_sp, min_gap: 2 }';
  const writes = (point: string, value: number): Facts['writes'] => [{ point, value, arg: 'celsius' }];
  const halves = (heat: Partial<PointFact>, cool: Partial<PointFact>): Record<string, PointFact> => ({
    'zone:412/heat_sp': fact(heat),
    'zone:412/cool_sp': fact(cool),
  });

  it('blocks the second of two actions that would cross heating and cooling', () => {
    const points = halves({ value: 20 }, { value: 24 });
    expect(ask(gap, facts({ points, writes: writes('heat_sp', 22) }))).toBe('ok');
    expect(ask(gap, facts({ points, writes: writes('heat_sp', 23) }))).toBe(
      'pair_crossed: heat_sp would be 23 and cool_sp 24: 1 apart, at least 2 needed',
    );
    expect(ask(gap, facts({ points, writes: writes('cool_sp', 21.9) }))).toContain('pair_crossed');
    expect(ask(gap, facts({ points, writes: [...writes('heat_sp', 25), ...writes('cool_sp', 27)] }))).toBe('ok');
  });

  it('blocks when the other half is not known, not fresh or no number', () => {
    const set = writes('heat_sp', 20);
    expect(ask(gap, facts({ writes: set }))).toBe('evidence_missing: pair: zone:412/cool_sp has no value');
    expect(ask(gap, facts({ writes: set, points: halves({}, { age_ms: 6 * MINUTE }) }))).toContain('stale_or_bad');
    expect(ask(gap, facts({ writes: set, points: halves({}, { value: 'auto' }) }))).toContain('pair_unknown');
  });

  it('keeps outputs apart that are declared exclusive', () => {
    const valves = 'pair: { exclusive: [heat_valve, "zone:{id}/cool_valve"] }';
    const points = { 'zone:412/cool_valve': fact({ value: 40 }), 'zone:412/heat_valve': fact({ value: 0 }) };
    expect(ask(valves, facts({ points, writes: writes('heat_valve', 0) }))).toBe('ok');
    expect(ask(valves, facts({ points, writes: writes('heat_valve', 10) }))).toBe(
      'pair_crossed: heat_valve and zone:{id}/cool_valve would be on together',
    );
    const word = { ...points, 'zone:412/cool_valve': fact({ value: 'open' }) };
    expect(ask(valves, facts({ points: word, writes: writes('heat_valve', 10) }))).toContain('rule_error');
  });
});

describe('ramp', () => {
  const ramp = 'ramp: { max: 3, per: 1h }';
  const past = (...deltas: (number | null)[]): Facts =>
    facts({ changes: deltas.map((delta, i) => ({ ago_ms: (i + 1) * MINUTE, delta })) });

  it('adds up our changes of the window, whatever their direction, and the one to come', () => {
    expect(ask(ramp, past(1, -0.5))).toBe('ok');
    expect(ask(ramp, past(1, -0.6))).toBe('ramp_exceeded: 3.1 degC within 3600 s, at most 3 allowed');
    expect(ask(ramp, facts({ changes: [{ ago_ms: HOUR, delta: 9 }] }))).toBe('ok');
    expect(ask(ramp, facts({ changes: [{ ago_ms: 1, delta: null, by: 'others' }] }))).toBe('ok');
  });

  it('blocks when the sum is not known: a change without a size, or a history that was cut off', () => {
    expect(ask(ramp, past(1, null))).toContain('ramp_unknown: not every change of the last 3600 s is known');
    expect(ask(ramp, { ...past(0.1), changes_reach_ms: HOUR - 1 })).toContain('ramp_unknown');
    expect(ask(ramp, { ...past(0.1), changes_reach_ms: HOUR })).toBe('ok');
  });
});

describe('min_on_off (row 79)', () => {
  const rule = 'min_on_off: { on: 10m, off: 5m, point: "zone:{id}/compressor" }';
  const is = (value: PointFact['value'], unchanged_ms: number): Facts =>
    facts({ points: { 'zone:412/compressor': fact({ value, unchanged_ms }) } });

  it('holds equipment on and off for its time, whoever switched it', () => {
    expect(ask(rule, is(true, 10 * MINUTE))).toBe('ok');
    expect(ask(rule, is(true, 9 * MINUTE))).toBe(
      'min_on: zone:412/compressor is known to be on for 540 s, at least 600 s needed',
    );
    expect(ask(rule, is(0, 5 * MINUTE))).toBe('ok');
    expect(ask(rule, is(0, 0))).toContain('min_off');
  });

  it('blocks when the equipment cannot be seen, or says a word', () => {
    expect(ask(rule, facts())).toContain('evidence_missing: min_on_off: zone:412/compressor has no value');
    expect(ask(rule, is('running', HOUR))).toContain('rule_error');
  });
});

describe('settle', () => {
  const rule = 'settle: { per_kelvin: 9m, max: 30m }';
  const after = (ago_ms: number, delta: number | null): Facts => facts({ changes: [{ ago_ms, delta }] });

  it('waits so long a kelvin, and no longer than the longest', () => {
    expect(ask(rule, after(18 * MINUTE, -2))).toBe('ok');
    expect(ask(rule, after(17 * MINUTE, -2))).toBe(
      'settling: last changed 1020 s ago, 1080 s needed to see what came of it',
    );
    expect(ask(rule, after(29 * MINUTE, 8))).toContain('settling');
    expect(ask(rule, after(30 * MINUTE, 8))).toBe('ok');
  });

  it('takes a change of unknown size for the largest', () => {
    expect(ask(rule, after(29 * MINUTE, null))).toContain('settling');
    expect(ask(rule, after(30 * MINUTE, null))).toBe('ok');
  });
});

describe('evidence: agree', () => {
  const rule =
    'evidence: [ { point: "zone:{id}/temp", max_age: 5m, agree: { with: "zone:{id}/temp_b", within: 1.5 } } ]';
  const seen = (a: Partial<PointFact>, b: Partial<PointFact>): Facts =>
    facts({ points: { 'zone:412/temp': fact(a), 'zone:412/temp_b': fact(b) } });

  it('lets two sensors differ by so much', () => {
    expect(ask(rule, seen({ value: 21.3 }, { value: 22.8 }))).toBe('ok');
    expect(ask(rule, seen({ value: 21.3 }, { value: 22.9 }))).toBe(
      'evidence_disagrees: zone:412/temp and zone:412/temp_b differ by 1.6, at most 1.5 allowed',
    );
  });

  it('fails when either is bad, and cannot compare a number with a word', () => {
    expect(ask(rule, seen({}, { quality: 'bad' }))).toContain('stale_or_bad: zone:412/temp_b is bad');
    expect(ask(rule, seen({ age_ms: HOUR }, {}))).toContain('stale_or_bad: zone:412/temp is 3600 s old');
    expect(ask(rule, seen({}, { value: 'warm' }))).toContain('rule_error');
  });

  it('wants switches to be the same', () => {
    expect(ask(rule, seen({ value: true }, { value: true }))).toBe('ok');
    expect(ask(rule, seen({ value: true }, { value: false }))).toContain('evidence_disagrees');
  });
});

describe('override (rows 77, 78)', () => {
  const rule = 'override: { hold: 4h }';
  const past = (ago_ms: number, released = false): Facts =>
    facts({ override: { kind: 'past', what: 'slot 8', ago_ms, released } });

  it('never writes over a person', () => {
    expect(ask(rule, facts({ override: { kind: 'in_force', what: 'slot 8 is 23' } }))).toBe(
      'manual_override: a person has it: slot 8 is 23',
    );
  });

  it('holds after it was seen last, until its time is over or a person gives it back', () => {
    expect(ask(rule, past(4 * HOUR - 1))).toContain('override_hold: a person had it');
    expect(ask(rule, past(4 * HOUR))).toBe('ok');
    expect(ask(rule, past(0, true))).toBe('ok');
    expect(ask('override: { hold: 4h, release_by: [operator] }', past(9 * HOUR))).toContain(
      'until a person releases it',
    );
    expect(ask('override: { hold: 4h, release_by: [timer] }', past(HOUR, true))).toContain('override_hold');
  });

  it('writes nothing where nobody has looked', () => {
    expect(ask(rule, facts({ override: null }))).toContain('override_unknown');
  });
});

describe('authority', () => {
  const rule = 'authority: { bacnet_priority: 13, preempt: [schedule] }';
  const holder = (operator: string, cls: string, held_ms: number): Facts =>
    facts({ holders: [{ operator, class: cls, held_ms }] });

  it('waits for the lease of another, and takes over from those it may after their grace', () => {
    expect(ask(rule, facts())).toBe('ok');
    expect(ask(rule, holder('night', 'control', HOUR))).toBe('held_by_other: night (control) holds a lease on it');
    expect(ask(rule, holder('night', 'schedule', MINUTE))).toBe('ok');
    expect(ask(rule, holder('schedule', 'control', MINUTE))).toBe('ok');
    expect(ask(rule, holder('night', 'schedule', MINUTE - 1))).toContain('at least 60 s are left to it');
  });

  it('writes nothing where nobody knows who holds it', () => {
    expect(ask(rule, facts({ holders: null }))).toContain('authority_unknown');
  });
});

describe('lease', () => {
  const has = (lease: Partial<NonNullable<Facts['lease']>>): Facts =>
    facts({ lease: { deadman: 'gateway', fallbacks: ['baseline', 'value'], held_ms: null, ...lease } });

  it('needs somebody who lets go when the gateway is dead', () => {
    const lease = (deadman: string): string => `lease: { ttl: 45m, deadman: ${deadman}, fallback: baseline }`;
    expect(ask(lease('device'), has({}))).toContain('deadman_missing: the device does not let go by itself');
    expect(ask(lease('device'), has({ deadman: 'device' }))).toBe('ok');
    expect(ask(lease('gateway'), has({ deadman: 'none' }))).toContain('deadman_missing');
    expect(ask(lease('device_preferred'), has({ deadman: 'none' }))).toBe('ok');
    expect(ask(lease('none'), has({ deadman: 'none' }))).toBe('ok');
  });

  it('needs something to fall back to', () => {
    expect(ask('lease: { ttl: 45m, fallback: relinquish }', has({}))).toContain('fallback_missing');
    expect(ask('lease: { ttl: 45m, fallback: { value: 18 } }', has({}))).toBe('ok');
  });

  it('is held no longer than it may be, renewals included', () => {
    const rule = 'lease: { ttl: 45m, renew: true, max_hold: 4h, fallback: baseline }';
    expect(ask(rule, has({ held_ms: 4 * HOUR - 1 }))).toBe('ok');
    expect(ask(rule, has({ held_ms: 4 * HOUR }))).toBe('max_hold: held for 14400 s already, at most 14400 s allowed');
  });

  it('is not given where nobody would end it', () => {
    expect(ask('lease: { ttl: 45m, fallback: baseline }', facts({ lease: null }))).toContain('lease_unknown');
  });
});

describe('approval', () => {
  const rule = 'approval: { within: 4h, approvers: 2 }';
  const by = (approvers: readonly string[], age_ms = 0, basis_changed = false): Facts =>
    facts({ approval: { approvers, age_ms, basis_changed } });

  it('needs so many distinct persons, not too long ago, on what is still so (rows 85, 86)', () => {
    expect(ask(rule, by(['ann', 'bo']))).toBe('ok');
    expect(ask(rule, by(['ann', 'ann']))).toBe('approval_missing: approved by 1, 2 needed');
    expect(ask(rule, by(['ann', 'bo'], 4 * HOUR + 1))).toContain('approval_expired');
    expect(ask(rule, by(['ann', 'bo'], 0, true))).toContain('basis_changed');
    expect(ask(rule, facts())).toContain('approval_missing: approved by 0');
  });

  it('is not asked for at admission, where the action begins to wait for it', () => {
    expect(decide(constrained(rule), facts(), 'admission').decision).toBe('ALLOW');
  });

  it('is not needed where it is not required', () => {
    expect(ask('approval: { required: false }', facts())).toBe('ok');
  });
});

describe('alert', () => {
  const can = (alerts: Facts['alerts']): Facts => facts({ alerts });

  it('goes on where it is queued, whoever can be reached', () => {
    expect(ask('alert: { delivery: queued }', can(null))).toBe('ok');
  });

  it('waits for a channel to accept it, or for any channel at all (row 89)', () => {
    const before = 'alert: { delivery: required_before }';
    expect(ask(before, can({ accepted: true, unreachable_ms: 0 }))).toBe('ok');
    expect(ask(before, can({ accepted: false, unreachable_ms: 0 }))).toContain('alert_undelivered');
    const within = 'alert: { delivery: { within: 15m } }';
    expect(ask(within, can({ accepted: false, unreachable_ms: 15 * MINUTE }))).toBe('ok');
    expect(ask(within, can({ accepted: false, unreachable_ms: 15 * MINUTE + 1 }))).toContain('alert_undeliverable');
    expect(ask(within, can(null))).toContain('alert_undeliverable: nobody knows');
  });
});

describe('comfort (row 84)', () => {
  const damp = (value: PointFact['value']): Facts =>
    facts({ target: 22, points: { 'zone:412/humidity': fact({ value }) } });

  it('keeps the vote of the room that would be made near neutral', () => {
    expect(ask('comfort: { pmv_abs_max: 0.7, clo: 0.5 }', damp(60))).toBe(
      'discomfort: the predicted mean vote would be -0.753, between −0.7 and 0.7 needed',
    );
    expect(ask('comfort: { pmv_abs_max: 0.8, clo: 0.5 }', damp(60))).toBe('ok');
  });

  it('takes the radiant temperature where it is measured', () => {
    const given = facts({
      target: 23.5,
      points: { 'zone:412/humidity': fact({ value: 60 }), 'zone:412/radiant': fact({ value: 25.5 }) },
    });
    expect(ask('comfort: { pmv_abs_max: 0.05, clo: 0.5, radiant: "zone:{id}/radiant" }', given)).toBe('ok');
  });

  it.each([
    ['a value outside the model', damp(101), 'outside what ISO 7730 was made for'],
    ['a missing input', facts({ target: 22 }), 'zone:412/humidity has no value'],
    ['no temperature to set', facts({ target: true }), 'no temperature is about to be set'],
    ['a word for a number', damp('dry'), 'no number'],
    ['another unit', { ...damp(50), current: fact({ unit: 'K' }) }, 'set in K'],
  ])('blocks on %s where comfort is required, and says so where it is not', (_, given, why) => {
    expect(ask('comfort: { pmv_abs_max: 1, required: true }', given)).toContain(
      'comfort_unknown: comfort cannot be judged',
    );
    const verdict = decide(constrained('comfort: { pmv_abs_max: 1 }'), given, 'head');
    expect(verdict.decision).toBe('ALLOW');
    expect(verdict.rules.find(({ stage }) => stage === 'motion')?.reason).toContain(why);
  });
});
