/** interlocks: points that must have one value; missing, stale or bad is tripped (fault row 80). */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import type { ActionFacts, Facts } from '../types.ts';
import { gate, pointRef, resolved } from './gate.ts';
import { type Answer, fails } from './kind.ts';

const interlock = z.strictObject({
  point: pointRef,
  must_be: z.union([z.boolean(), z.number(), z.string().min(1)]),
  max_age: duration,
});

export const schema = z.array(interlock).min(1);

export function check(interlocks: z.output<typeof schema>, facts: Facts): Answer {
  return interlocks.map((one) => checkOne(one, facts)).find((answer) => answer !== null) ?? null;
}

/** What they look at, as `entity/point`. */
export function pointsOf(interlocks: z.output<typeof schema>, action: ActionFacts): readonly string[] {
  return interlocks.map(({ point }) => resolved(point, { action }));
}

function checkOne(wanted: z.output<typeof interlock>, facts: Facts): Answer {
  const gated = gate({ ...wanted, allow_uncertain: false }, facts);
  if (gated.kind === 'refused') {
    // That a value is not real is the stronger news; everything else is an interlock that cannot be trusted.
    return fails(gated.reason_code === 'not_live' ? 'not_live' : 'interlock_tripped', `interlock: ${gated.reason}`);
  }
  if (gated.fact.value === wanted.must_be) return null;
  return fails(
    'interlock_tripped',
    `interlock: ${gated.ref} is ${JSON.stringify(gated.fact.value)}, must be ${JSON.stringify(wanted.must_be)}`,
  );
}
