/** deadband: a change smaller than this is not worth a write; the action ends as `noop`, unless it has other outputs to move. */
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { change } from './change.ts';
import { type Answer, short } from './kind.ts';

export const schema = z.strictObject({ abs: z.number().positive() });

export function check(deadband: z.output<typeof schema>, facts: Facts): Answer {
  const asked = change('deadband', facts);
  if (asked.kind === 'unknown') return asked.answer;
  if (asked.by >= deadband.abs || facts.writes.some(({ there }) => there === false)) return null;
  return {
    kind: 'noop',
    reason_code: 'deadband',
    reason: `the device is at ${asked.from}${asked.unit}, ${asked.to} differs by ${short(asked.by)}, less than ${deadband.abs}: nothing to write`,
  };
}
