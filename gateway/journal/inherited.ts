/**
 * What a journal that is lost left owing, as its mirror knew it, and what becomes of it in the journal that follows: doubts are looked
 * into, leases end at their time, a stop goes on (G-IO-4).
 */
import type { PointState, Receipt } from '@fibric/sdk';
import { type Action, idAt, type Row } from './entries.ts';
import { type Lease, markOf, overlapping, takeOver } from './leases.ts';
import type { OpenAction, Projection, Stop } from './projection.ts';

/** A lease as the mirror knows it. When it was renewed is left out: it ends no later for that, and the mirror is written less often. */
export type InheritedLease = Omit<Lease, 'renewed' | 'receipt_id'>;

/** A write that another journal of this house intended, without its outcome: all that is needed to look at the device. */
export type InheritedDoubt = Pick<
  Action,
  'action_id' | 'capability' | 'effect_class' | 'entity_key' | 'idempotency_key' | 'device' | 'target'
> & {
  readonly baseline: readonly PointState[];
  readonly at: string;
  /** What takes it back if it took effect; null: what was written stays. */
  readonly lease: InheritedLease | null;
};

/** All that is owed. */
export interface Owed {
  readonly doubts: readonly InheritedDoubt[];
  readonly leases: readonly InheritedLease[];
  readonly stop: Stop | null;
}

/** Another journal's debts are taken over; they follow one by one. Leases of this one are older than what that one knew. */
export interface InheritedEntry {
  readonly type: 'inherited/1';
  readonly gateway_uid: string;
  readonly epoch: number;
  readonly stop: Stop | null;
}

export interface InheritedDoubtEntry {
  readonly type: 'inherited_doubt/1';
  readonly doubt: InheritedDoubt;
}

export interface InheritedLeaseEntry {
  readonly type: 'inherited_lease/1';
  readonly lease: InheritedLease;
}

/** What a look at the device said about an inherited doubt. */
export interface InheritedSettledEntry {
  readonly type: 'inherited_settled/1';
  readonly action_id: string;
  readonly conclusion: 'applied' | 'not_applied' | 'partly' | 'superseded' | 'unknown';
  readonly reason: string;
  readonly readback: Receipt['readback'];
}

export function owedBy(projection: Projection): Owed {
  return {
    doubts: [...projection.open.rows.values()].flatMap((open) => doubtOf(open) ?? []),
    leases: [...projection.leases.rows.values()].map(mirrored),
    stop: projection.stops.rows.get('site') ?? null,
  };
}

function mirrored(lease: Lease): InheritedLease {
  const { renewed: _, receipt_id: __, ...kept } = lease;
  return kept;
}

function doubtOf({ action, intent, origin }: OpenAction): InheritedDoubt | null {
  if (!intent) return null;
  const { action_id, capability, effect_class, entity_key, idempotency_key, device, target } = action;
  const about = { action_id, capability, effect_class, entity_key, idempotency_key, device, target };
  const granted = markOf(intent);
  const lease = intent.lease && { ...intent.lease, origin, action, rule: intent.rule, ours: intent.target, granted };
  return { ...about, baseline: intent.baseline, at: intent.at, lease };
}

export function inheritedRow(projection: Projection, row: Row<InheritedEntry>): void {
  for (const id of projection.leases.rows.keys()) projection.leases.delete(id);
  if (row.stop) projection.stops.set('site', row.stop);
}

/** Under an id of this journal: the other one's may be given out again. */
export function inheritedLeaseRow(projection: Projection, { seq, lease }: Row & { lease: InheritedLease }): void {
  const lease_id = idAt('ls', seq);
  projection.leases.set(lease_id, { ...lease, lease_id, renewed: lease.granted, receipt_id: null });
}

/** What may have taken effect is taken back in its turn. */
export function inheritedSettledRow(projection: Projection, row: Row<InheritedSettledEntry>): void {
  const lease = projection.inherited.rows.get(row.action_id)?.lease ?? null;
  projection.inherited.delete(row.action_id);
  if (lease === null || row.conclusion === 'not_applied' || row.conclusion === 'superseded') return;
  for (const before of overlapping(projection, lease.action, lease)) takeOver(projection, before, lease.action, lease);
  inheritedLeaseRow(projection, { ...row, lease });
}
