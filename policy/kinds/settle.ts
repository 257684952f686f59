/** settle: time that a room needs to answer a change before it is given another (Guideline 36): so much a kelvin, at most `max`. */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails, seconds } from './kind.ts';

export const schema = z.strictObject({ per_kelvin: duration, max: duration });

export function check(settle: z.output<typeof schema>, facts: Facts): Answer {
  const last = facts.changes.find(({ by }) => by === 'us');
  if (last === undefined) return null;
  // A change of unknown size is taken for the largest.
  const needed = last.delta === null ? settle.max : Math.min(settle.per_kelvin * Math.abs(last.delta), settle.max);
  if (last.ago_ms >= needed) return null;
  return fails(
    'settling',
    `last changed ${seconds(last.ago_ms)} ago, ${seconds(needed)} needed to see what came of it`,
  );
}
