/** What persons have said to an action that waited for them, as policy, the executor and the receipt see it. */
import type { ApprovalFact } from '@fibric/policy';
import { type BasisChange, LIMITS, type ReceiptApproval } from '@fibric/sdk';
import type { Approved } from '../journal/approvals.ts';
import type { Action } from '../journal/entries.ts';
import type { Projection } from '../journal/projection.ts';
import type { Elapsed } from './elapsed.ts';
import type { Ending } from './job.ts';

/** People of the site by name, with their roles; null when the site file lists none: then every named person may approve. */
export type People = ReadonlyMap<string, { readonly roles: readonly string[] }> | null;

export interface ApprovalSources {
  readonly projection: Pick<Projection, 'approvals'>;
  readonly elapsed: Elapsed;
  readonly people: People;
}

export const mayApprove = (people: People, who: string): boolean =>
  people === null || (people.get(who)?.roles.includes('approver') ?? false);

/** The yeses that still count: a person who has lost the role since has not said it. */
export function standingYeses({ projection, people }: ApprovalSources, actionId: string): readonly Approved[] {
  return (projection.approvals.rows.get(actionId) ?? []).filter(({ who }) => mayApprove(people, who));
}

/** Why one more action cannot wait for persons; null when it can. What waits already need not wait twice: a person answers it once. */
export function cannotWait({ open }: Pick<Projection, 'open'>, action: Action): Ending | null {
  const waiting = [...open.rows.values()].filter(({ status }) => status === 'awaiting');
  const { idempotency_key, fingerprint } = action;
  const twin = waiting.find(
    (one) => one.action.idempotency_key === idempotency_key && one.action.fingerprint === fingerprint,
  );
  if (twin) {
    const reason = `it waits for a person already: ${twin.action.action_id}`;
    return { outcome: 'refused_busy', stage: 'approval', reason_code: 'waits_already', reason };
  }
  if (waiting.length < LIMITS.approvalsWaiting) return null;
  const reason = `${LIMITS.approvalsWaiting} actions wait for persons already: fibric plans ls --waiting`;
  return { outcome: 'refused_busy', stage: 'approval', reason_code: 'approvals_full', reason };
}

/** Null when nobody has said yes. Whether the basis has changed is asked before policy is. */
export function approvalFact(sources: ApprovalSources, actionId: string): ApprovalFact | null {
  const given = standingYeses(sources, actionId);
  const last = given.at(-1);
  if (!last) return null;
  return { approvers: given.map(({ who }) => who), age_ms: sources.elapsed.atLeast(last.since), basis_changed: false };
}

/** For the receipt of an action that has not ended; null when nobody has said yes to it. */
export function receiptApproval(
  { approvals, open }: Pick<Projection, 'approvals' | 'open'>,
  actionId: string,
  basis_changes: readonly BasisChange[],
): ReceiptApproval | null {
  const given = approvals.rows.get(actionId) ?? [];
  const last = given.at(-1);
  const basis_hash = open.rows.get(actionId)?.waiting?.basis_hash;
  if (!last || basis_hash === undefined) return null;
  const approvers = given.map(({ who }) => who);
  return { id: last.approval_id, approvers, basis_hash, basis_changes, at_seq: last.at_seq };
}
