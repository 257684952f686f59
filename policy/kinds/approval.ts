/**
 * approval: so many persons must have said yes, not too long ago, and what they said it to must still be so (G-AP). It is a
 * constraint, and overrides nothing. That an action waits for it is the executor's to arrange, which asks `executionTerms`.
 */
import { duration, LIMITS } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { pointRef } from './gate.ts';
import { type Answer, fails, seconds } from './kind.ts';

export const schema = z.strictObject({
  required: z.boolean().default(true),
  within: duration.default(LIMITS.approvalMs),
  approvers: z.int().min(1).max(5).default(1),
  /** By how much a point may differ from what it was when the action was proposed; said also where nothing has to be approved. */
  tolerance: z.record(pointRef, z.number().min(0)).optional(),
});
export type Approval = z.output<typeof schema>;

export function check({ required, within, approvers }: Approval, facts: Facts): Answer {
  if (!required) return null;
  const given = new Set(facts.approval?.approvers).size;
  if (facts.approval === null || given < approvers)
    return fails('approval_missing', `approved by ${given}, ${approvers} needed`);
  const { age_ms, basis_changed } = facts.approval;
  if (!(age_ms <= within))
    return fails('approval_expired', `approved ${seconds(age_ms)} ago, at most ${seconds(within)} allowed`);
  return basis_changed ? fails('basis_changed', 'what it was approved on is no longer so') : null;
}

/** Required when any rule requires it: of the most persons, in the shortest time. */
export function strictest(all: readonly Approval[]): Approval | null {
  const needed = all.filter(({ required }) => required);
  if (needed.length === 0) return null;
  return {
    required: true,
    within: Math.min(...needed.map(({ within }) => within)),
    approvers: Math.max(...needed.map(({ approvers }) => approvers)),
  };
}
