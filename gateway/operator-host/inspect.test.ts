import { executionPlanSchema, LIMITS } from '@fibric/sdk';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { inspectPlan } from './inspect.ts';

test('H2 what passes survives the way over the wire unchanged', () => {
  const value = fc.jsonValue({ maxDepth: 6 });
  fc.assert(
    fc.property(value, (held) => {
      if (inspectPlan(held) === null) expect(JSON.parse(JSON.stringify(held))).toEqual(held);
    }),
  );
});

test('H2 anything at all is answered, never thrown at', () => {
  fc.assert(
    fc.property(fc.anything({ withDate: true, withMap: true, withBigInt: true }), (held) => void inspectPlan(held)),
  );
});

test('H2 keys that reach for a prototype are refused at any depth', () => {
  for (const key of ['__proto__', 'constructor', 'prototype']) {
    const hostile: unknown = JSON.parse(`{"actions": [{"args": {"a": [{"${key}": 1}]}}]}`);
    expect(inspectPlan(hostile)).toEqual({
      code: 'plan_schema',
      message: `plan.actions.0.args.a.0.${key} is not a key a plan may have`,
    });
  }
});

test('size is counted before anything is written down, empty values included', () => {
  expect(inspectPlan(Array.from({ length: LIMITS.planBytes }, () => []))?.code).toBe('plan_too_large');
  expect(inspectPlan('x'.repeat(LIMITS.planBytes))?.code).toBe('plan_too_large');
});

test('a plan as operators write it passes', () => {
  const plan = {
    reasoning: 'because',
    actions: [{ capability: 'hvac.setpoint', args: { zone: '412', celsius: 21.5 } }],
    state: {},
  };
  expect(inspectPlan(plan)).toBeNull();
  expect(executionPlanSchema.safeParse(plan).success).toBe(true);
});
