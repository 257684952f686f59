/**
 * lease: a control write is lent, not given (G-CS "lease"): for `ttl`, renewed up to `max_hold`, then let go to `fallback`. Asked here
 * is whether that can be kept: somebody lets go when this gateway is dead, and there is something to fall back to.
 */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails, seconds } from './kind.ts';

export const schema = z
  .strictObject({
    ttl: duration,
    renew: z.boolean().default(false),
    max_hold: duration.optional(),
    deadman: z.enum(['device', 'device_preferred', 'gateway', 'none']).default('device_preferred'),
    fallback: z.union([z.enum(['relinquish', 'baseline']), z.strictObject({ value: z.number() })]),
  })
  .superRefine(({ ttl, max_hold }, context) => {
    if (ttl === 0) context.addIssue('a lease of no time is none');
    if (max_hold !== undefined && max_hold < ttl) context.addIssue('max_hold is shorter than ttl');
  });
export type Lease = z.output<typeof schema>;

/** From the strictest. What a rule prefers, it does not demand. */
const DEADMANS = ['device', 'gateway', 'device_preferred', 'none'] as const;
/** In the order of preference of G-CS "lease": letting go leaves the device to its own devices, a value of ours least of all. */
const FALLBACKS = ['relinquish', 'baseline', 'value'] as const;

export function check(lease: Lease, facts: Facts): Answer {
  const has = facts.lease;
  if (has === null) return fails('lease_unknown', 'nobody would end a lease on these points');
  if (lease.deadman === 'device' && has.deadman !== 'device')
    return fails('deadman_missing', 'the device does not let go by itself when the gateway is dead');
  if (lease.deadman === 'gateway' && has.deadman === 'none')
    return fails('deadman_missing', 'nobody lets go when the gateway is dead');
  const fallback = fallbackKind(lease);
  if (!has.fallbacks.includes(fallback)) return fails('fallback_missing', `the device offers no way to ${fallback}`);
  if (lease.max_hold === undefined || has.held_ms === null || has.held_ms < lease.max_hold) return null;
  return fails('max_hold', `held for ${seconds(has.held_ms)} already, at most ${seconds(lease.max_hold)} allowed`);
}

function fallbackKind({ fallback }: Lease): (typeof FALLBACKS)[number] {
  return typeof fallback === 'string' ? fallback : 'value';
}

/** The shortest times, the strictest deadman, the most preferred fallback; renewed only where every rule renews. */
export function strictest(all: readonly Lease[]): Lease | null {
  const [first] = all;
  if (first === undefined) return null;
  const holds = all.flatMap(({ max_hold }) => (max_hold === undefined ? [] : [max_hold]));
  const kinds = all.map(fallbackKind);
  const kind = FALLBACKS.find((one) => kinds.includes(one)) ?? 'baseline';
  return {
    ttl: Math.min(...all.map(({ ttl }) => ttl)),
    renew: all.every(({ renew }) => renew),
    ...(holds.length === 0 ? {} : { max_hold: Math.min(...holds) }),
    deadman: DEADMANS.find((one) => all.some(({ deadman }) => deadman === one)) ?? 'none',
    fallback: all.find((one) => fallbackKind(one) === kind)?.fallback ?? first.fallback,
  };
}
