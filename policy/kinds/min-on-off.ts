/**
 * min_on_off: equipment that was started or stopped stays so for a while, whoever did it (fault row 79). Since when it is as it is, is
 * known from when it was first seen so: after a restart the whole time is waited.
 */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { gate, pointRef } from './gate.ts';
import { type Answer, fails, seconds } from './kind.ts';

export const schema = z.strictObject({ on: duration, off: duration, point: pointRef });

export function check(minimum: z.output<typeof schema>, facts: Facts): Answer {
  // Its age is the observer's to judge: a point past its time is bad.
  const gated = gate({ point: minimum.point, max_age: Number.POSITIVE_INFINITY, allow_uncertain: false }, facts);
  if (gated.kind === 'refused') return fails(gated.reason_code, `min_on_off: ${gated.reason}`);
  const { ref, fact } = gated;
  if (typeof fact.value === 'string') throw new Error(`${ref} is a word, neither on nor off`);
  const state = fact.value ? 'on' : 'off';
  if (fact.unchanged_ms >= minimum[state]) return null;
  const known = `${ref} is known to be ${state} for ${seconds(fact.unchanged_ms)}`;
  return fails(`min_${state}`, `${known}, at least ${seconds(minimum[state])} needed`);
}
