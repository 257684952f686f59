/**
 * override: a person's hand on the points is respected, always (fault rows 77, 78): while it is there, and for `hold` after it was
 * seen last, or until a person gives the points back. Where nobody has looked for a hand, nothing is written.
 */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails, seconds } from './kind.ts';

export const schema = z.strictObject({
  respect: z.literal(true, { error: "expected true: a person's override is always respected" }).default(true),
  hold: duration.prefault('4h'),
  release_by: z
    .array(z.enum(['timer', 'operator']))
    .min(1)
    .default(['timer', 'operator']),
});
export type Override = z.output<typeof schema>;

export function check(override: Override, facts: Facts): Answer {
  const seen = facts.override;
  if (seen === null) return fails('override_unknown', 'nobody has looked for a manual override of these points');
  if (seen.kind === 'none') return null;
  if (seen.kind === 'in_force') return fails('manual_override', `a person has it: ${seen.what}`);
  if (seen.released && override.release_by.includes('operator')) return null;
  const byTimer = override.release_by.includes('timer');
  if (byTimer && seen.ago_ms >= override.hold) return null;
  const until = byTimer ? `held for ${seconds(override.hold)}` : 'held until a person releases it';
  return fails('override_hold', `a person had it ${seconds(seen.ago_ms)} ago: ${seen.what}; ${until}`);
}

/** Held for the longest, released only by what every rule accepts. */
export function strictest(all: readonly Override[]): Override | null {
  if (all.length === 0) return null;
  const ways = (['timer', 'operator'] as const).filter((way) => all.every((one) => one.release_by.includes(way)));
  return { respect: true, hold: Math.max(...all.map(({ hold }) => hold)), release_by: ways };
}
