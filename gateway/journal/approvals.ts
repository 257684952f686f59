/** What actions wait for, and what persons say of them, as it stands in the rows. */
import type { PointValue, Quality, RuleVerdict } from '@fibric/sdk';
import { idAt, type Row } from './entries.ts';
import { stepped } from './lifecycle.ts';
import { type Mark, markOf } from './leases.ts';
import type { Projection } from './projection.ts';

/** Something that an approval rests on, as it was when the action was proposed (G-AP-3). */
export interface BasisItem {
  /** `zone:412/motion`, or what else is looked at: `fcu-412 local control`, `fcu-412 hvac.setpoint` for the tool's own definition. */
  readonly of: string;
  readonly value: PointValue;
  /** Null for what is not a point. */
  readonly quality: Quality | null;
  /** A number may differ by so much. */
  readonly tolerance: number;
}

/** What an action waits for: persons, up to a time, and on what basis. */
export interface Waiting {
  /** Distinct persons that have to say yes. */
  readonly approvers: number;
  /** Site wall time after which their yes comes too late (G-AP-2). */
  readonly expires_ms: number;
  /** Breakers that were open when it was proposed: with them a person lets this one through all the same. */
  readonly breakers: readonly string[];
  readonly policy_hash: string | null;
  /** What each rule said when it was proposed. */
  readonly rules: readonly RuleVerdict[];
  readonly basis: readonly BasisItem[];
  readonly basis_hash: string;
}

/** T2: what a person said of actions that wait. Durable before the person is told (G-AP-1). */
export interface ApprovalEntry {
  readonly type: 'approval/1';
  readonly decision: 'approve' | 'veto';
  /** `late`: something else had been decided first. The row shows that it was said, and changes nothing (G-AP-5). */
  readonly effect: 'counts' | 'late';
  readonly plan_id: string;
  readonly plan_hash: string;
  readonly actions: readonly { readonly action_id: string; readonly basis_hash: string | null }[];
  /** The policy in force when it was said. */
  readonly policy_hash: string | null;
  readonly who: string;
  /** Roles that the site file gave this person then; null where it lists no people. */
  readonly roles: readonly string[] | null;
  /** How it is known who spoke: they hold the token of the site and gave a name. */
  readonly method: 'site_token';
  readonly reason: string | null;
}

/** A person's yes to an action that has not ended. */
export interface Approved {
  readonly approval_id: string;
  readonly at_seq: number;
  readonly who: string;
  readonly since: Mark;
}

/** The last yes that an action needs puts it among those that go ahead; a no is followed by receipts, which end it. */
export function approvalRow(projection: Projection, row: Row<ApprovalEntry>): void {
  if (row.effect === 'late' || row.decision === 'veto') return;
  const said: Approved = { approval_id: idAt('ap', row.seq), at_seq: row.seq, who: row.who, since: markOf(row) };
  for (const { action_id } of row.actions) {
    const open = projection.open.rows.get(action_id);
    if (!open) throw new Error(`approval ${row.seq} names ${action_id}, which is not open`);
    const given = [...(projection.approvals.rows.get(action_id) ?? []), said];
    projection.approvals.set(action_id, given);
    const step = given.length >= (open.waiting?.approvers ?? 1) ? 'last_approval' : 'approval';
    projection.open.set(action_id, { ...open, status: stepped(open.status, step) });
  }
}
