/**
 * authority: the slot of ours that is written (BACnet's priority array, ANSI/ASHRAE 135 clause 19.2: slots 1 to 8 belong to people and
 * safety), and whose leases on the points may be taken over. A lease of anybody else is waited for.
 */
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails, seconds } from './kind.ts';

export const schema = z.strictObject({
  bacnet_priority: z
    .int()
    .min(9, 'expected 9 to 16: slots 1 to 8 belong to people and safety')
    .max(16, 'expected 9 to 16: slots 1 to 8 belong to people and safety')
    .optional(),
  /** Operators or priority classes whose leases give way. */
  preempt: z.array(z.string().min(1)).default([]),
});
export type Authority = z.output<typeof schema>;

/** A holder that gives way has so long to do it (G-CS "priority"). */
const GRACE_MS = 60_000;

export function check({ preempt }: Authority, facts: Facts): Answer {
  if (facts.holders === null) return fails('authority_unknown', 'nobody knows who else holds a lease on these points');
  for (const holder of facts.holders) {
    const gives = preempt.includes(holder.operator) || preempt.includes(holder.class);
    if (!gives) return fails('held_by_other', `${holder.operator} (${holder.class}) holds a lease on it`);
    if (holder.held_ms < GRACE_MS) {
      const held = `${holder.operator} (${holder.class}) took a lease on it ${seconds(holder.held_ms)} ago`;
      return fails('held_by_other', `${held}, at least ${seconds(GRACE_MS)} are left to it`);
    }
  }
  return null;
}

/** The weakest slot, and only those to take over from whom every rule names. */
export function strictest(all: readonly Authority[]): Authority | null {
  const [first, ...others] = all;
  if (first === undefined) return null;
  const slots = all.flatMap(({ bacnet_priority }) => (bacnet_priority === undefined ? [] : [bacnet_priority]));
  const preempt = first.preempt.filter((name) => others.every((one) => one.preempt.includes(name)));
  return slots.length === 0 ? { preempt } : { bacnet_priority: Math.max(...slots), preempt };
}
