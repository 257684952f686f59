import { describe, expect, it } from 'vitest';
import { decide } from './decide.ts';
import { constrained, fact, facts, policyOf } from './test/site.ts';
import type { Facts } from './types.ts';

const CLAMP = 'range: { arg: celsius, min: 18, max: 26, unit: degC, on_exceed: clamp }';

function asking(celsius: number, part: Parameters<typeof facts>[0] = {}): Facts {
  return facts({
    target: celsius,
    current: fact({ value: 25 }),
    ...part,
    action: { args: { zone: '412', celsius }, ...part.action },
  });
}

describe('range with on_exceed: clamp (G-CS)', () => {
  it('brings the argument to its bound, says both, and tells a person', () => {
    expect(decide(constrained(CLAMP), asking(30), 'head')).toMatchObject({
      decision: 'ALERT',
      reason_code: 'clamped',
      reason: "rule 'comfort-setpoint' permits it, celsius clamped from 30 to 26 degC, and a person is told",
      effective: { args: { zone: '412', celsius: 26 }, writes: [{ point: 'setpoint', value: 26, arg: 'celsius' }] },
    });
    expect(decide(constrained(CLAMP), asking(10), 'head').effective?.args).toEqual({ zone: '412', celsius: 18 });
  });

  it('changes nothing inside the bounds', () => {
    expect(decide(constrained(CLAMP), asking(26), 'head')).toMatchObject({ decision: 'ALLOW', effective: null });
  });

  it('is judged in all later stages by what would be written', () => {
    expect(decide(constrained(CLAMP, 'step: { max: 2 }'), asking(30), 'head').decision).toBe('ALERT');
    expect(decide(constrained(CLAMP, 'step: { max: 0.5 }'), asking(30), 'head')).toMatchObject({
      decision: 'BLOCK',
      reason: 'from 25 to 26 degC is a step of 1, at most 0.5 allowed',
    });
    expect(decide(constrained(CLAMP, 'deadband: { abs: 2 }'), asking(30), 'head')).toMatchObject({ noop: true });
  });

  it('lets no bound be passed that is none to clamp to', () => {
    const policy = policyOf(`
version: 1
rules:
  - { id: a, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { ${CLAMP} } }
  - { id: b, match: { tool: set_setpoint }, decision: ALLOW, constraints: { range: { arg: celsius, max: 28, unit: degC } } }
`);
    expect(decide(policy, asking(27), 'head')).toMatchObject({ decision: 'ALERT', reason_code: 'clamped' });
    expect(decide(policy, asking(29), 'head')).toMatchObject({
      decision: 'BLOCK',
      rule: 'b',
      reason_code: 'out_of_range',
    });
  });

  it('finds a place inside every bound it is to clamp to, or blocks', () => {
    const two = (max: number): ReturnType<typeof policyOf> =>
      policyOf(`
version: 1
rules:
  - { id: a, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { ${CLAMP} } }
  - { id: b, match: { tool: set_setpoint }, decision: ALLOW, constraints: { range: { arg: celsius, max: ${max}, unit: degC, on_exceed: clamp } } }
`);
    expect(decide(two(22), asking(30), 'head').effective?.args['celsius']).toBe(22);
    expect(decide(two(16), asking(30), 'head')).toMatchObject({ decision: 'BLOCK', reason_code: 'out_of_range' });
  });

  it.each([
    ['a pulse', asking(30, { action: { args: { celsius: 30 }, effect_class: 'relative_or_pulse' } })],
    ['a call that takes the argument along', asking(30, { writes: [] })],
    ['a word that the argument stands for', asking(30, { writes: [{ point: 'mode', value: 'hot', arg: 'celsius' }] })],
  ])('cannot be done to %s, which blocks', (_, given) => {
    expect(decide(constrained(CLAMP), given, 'head')).toMatchObject({
      decision: 'BLOCK',
      reason_code: 'out_of_range',
      reason: 'celsius is 30 degC, at most 26 degC allowed, and it cannot be clamped',
      effective: null,
    });
  });
});
