/**
 * range: bounds of one argument, in a unit. What lies outside is blocked (fault row 11), or, with `on_exceed: clamp`, brought to the
 * bound before anything else is judged; see clamp.ts. A clamp that cannot be done leaves its argument outside, which blocks.
 */
import { UNITS } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { leadingTarget } from './change.ts';
import { type Answer, fails } from './kind.ts';

export const schema = z
  .strictObject({
    arg: z.string().min(1),
    min: z.number().optional(),
    max: z.number().optional(),
    unit: z.enum(UNITS),
    on_exceed: z.enum(['block', 'clamp']).default('block'),
  })
  .superRefine(({ min, max }, context) => {
    if (min === undefined && max === undefined) context.addIssue('needs min or max');
    if (min !== undefined && max !== undefined && min > max) context.addIssue(`min ${min} is above max ${max}`);
  });

export function check(range: z.output<typeof schema>, facts: Facts): Answer {
  const value = facts.action.args[range.arg];
  if (typeof value !== 'number' || !Number.isFinite(value)) {
    return fails('value_missing', `argument ${range.arg} is not a number, so its range cannot be checked`);
  }
  // Written as given: argument and point are then in one unit, which must be the unit of the bounds.
  const unit = leadingTarget(facts) === value ? (facts.current?.unit ?? range.unit) : range.unit;
  if (unit !== range.unit) {
    return fails('unit_mismatch', `${range.arg} is written in ${unit}, its range is in ${range.unit}`);
  }
  const unclamped = range.on_exceed === 'clamp' ? ', and it cannot be clamped' : '';
  if (range.max !== undefined && value > range.max) {
    const allowed = `at most ${range.max} ${range.unit} allowed`;
    return fails('out_of_range', `${range.arg} is ${value} ${range.unit}, ${allowed}${unclamped}`);
  }
  if (range.min !== undefined && value < range.min) {
    const allowed = `at least ${range.min} ${range.unit} allowed`;
    return fails('out_of_range', `${range.arg} is ${value} ${range.unit}, ${allowed}${unclamped}`);
  }
  return null;
}
