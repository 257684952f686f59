/** maxValue and minValue of a TrustPolicy: bounds of the action's own quantity (fault rows 22, 23). */
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails } from './kind.ts';

export const schema = z.strictObject({ max: z.number().nullable(), min: z.number().nullable() });

export function check(bounds: z.output<typeof schema>, facts: Facts): Answer {
  const { value, capability } = facts.action;
  if (value === null || !Number.isFinite(value)) {
    return fails('value_missing', `${capability} has no value to compare with the bounds of its rule`);
  }
  if (bounds.max !== null && value > bounds.max) {
    return fails('value_above_max', `value is ${value}, at most ${bounds.max} allowed`);
  }
  if (bounds.min !== null && value < bounds.min) {
    return fails('value_below_min', `value is ${value}, at least ${bounds.min} allowed`);
  }
  return null;
}
