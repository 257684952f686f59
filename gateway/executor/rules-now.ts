/** What waits is decided by the rules of the moment, and not by those it was admitted under (G-AP-4, fault row 26). */
import { executionTerms, type Policy } from '@fibric/policy';
import { actionFacts } from './facts.ts';
import type { Job } from './job.ts';

export interface RulesNow {
  /** Of an operator, by its uid; null: everything it proposes is blocked. */
  of(uid: string): Policy | null;
  all(): readonly { readonly policy: Policy | null }[];
}

/** The job under the policy that decides now. */
export function underRulesNow(policyOf: RulesNow['of'], job: Job): Job {
  const policy = policyOf(job.origin.operator_uid);
  if (policy === job.policy) return job;
  return { ...job, policy, terms: executionTerms(policy, actionFacts(job.origin.operator, job.action)) };
}
