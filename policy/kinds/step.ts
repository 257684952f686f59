/** step: the largest change at once, against the value freshly read from the device, not against our memory of it. */
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { change } from './change.ts';
import { type Answer, fails, short } from './kind.ts';

export const schema = z.strictObject({
  max: z.number().positive(),
  against: z.literal('effective').default('effective'),
});

export function check(step: z.output<typeof schema>, facts: Facts): Answer {
  const asked = change('step', facts);
  if (asked.kind === 'unknown') return asked.answer;
  if (asked.by <= step.max) return null;
  return fails(
    'step_exceeded',
    `from ${asked.from} to ${asked.to}${asked.unit} is a step of ${short(asked.by)}, at most ${step.max} allowed`,
  );
}
