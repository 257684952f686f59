/**
 * Actions that fell because what they were approved on had changed: a person may still say yes to what was found instead (G-AP-3). As
 * it follows from the rows: a receipt puts an action here, a newer wish for the same takes its place, and its deadline ends it.
 */
import { type BasisChange, LIMITS } from '@fibric/sdk';
import type { BasisItem, Waiting } from './approvals.ts';
import { digest } from './canonical.ts';
import type { Action, Origin, PlanEntry, ReceiptEntry, Row } from './entries.ts';
import type { OpenAction, Projection } from './projection.ts';

export interface Fallen {
  readonly origin: Origin;
  /** Its deadline is the time up to which persons could say yes: another yes does not outlive it (G-AP-2). */
  readonly action: Action;
  readonly receipt_id: string;
  /** As it was found when its turn came. What had not changed is as it was approved. */
  readonly basis: readonly BasisItem[];
  readonly basis_hash: string;
  /** With which it was to be let through: another yes lets it through no others. */
  readonly breakers: Waiting['breakers'];
  /** The first plan that has taken its place; null while there is none. */
  readonly plan_id: string | null;
}

/** Of a basis, whoever looks: the executor that takes it down, and the journal that knows what changed. */
export const basisHash = (basis: readonly BasisItem[]): string => digest('basis/1\n', basis);

function found(basis: readonly BasisItem[], changes: readonly BasisChange[]): readonly BasisItem[] {
  return basis.map((item) => {
    const change = changes.find(({ of }) => of === item.of);
    return change ? { ...item, ...change.is } : item;
  });
}

/** The effect of a receipt. `open`: the action that it ends. */
export function fallenReceipt(
  { fallen }: Projection,
  { origin, action, waiting }: OpenAction,
  { outcome, approval }: Row<ReceiptEntry>,
  receipt_id: string,
): void {
  const changes = approval?.basis_changes ?? [];
  if (outcome !== 'basis_changed' || waiting === null || changes.length === 0) return;
  const basis = found(waiting.basis, changes);
  const as = { basis, basis_hash: basisHash(basis), breakers: waiting.breakers };
  fallen.set(action.action_id, { origin, action, receipt_id, ...as, plan_id: null });
  if (fallen.rows.size <= LIMITS.approvalsWaiting) return;
  const [oldest] = [...fallen.rows].toSorted(([, a], [, b]) => (a.receipt_id < b.receipt_id ? -1 : 1));
  if (oldest) fallen.delete(oldest[0]);
}

/** Of a state that is set the newest wish counts, whatever it is; anything else is the same wish under the same key. */
const isSameWish = (a: Action, b: Action): boolean =>
  a.effect_class === 'absolute_set' ? a.intent_key === b.intent_key : a.idempotency_key === b.idempotency_key;

/** The effect of a plan: what it admits takes the place of what fell, and what is too old by then is forgotten. */
export function fallenPlan({ fallen }: Projection, { at, plan_id, actions }: Row<PlanEntry>): void {
  const nowMs = Date.parse(at);
  for (const [id, one] of fallen.rows) {
    const isAnew = actions.some(({ status, action }) => status !== 'refused' && isSameWish(action, one.action));
    if (one.action.deadline_ms < nowMs) fallen.delete(id);
    else if (isAnew && one.plan_id === null) fallen.set(id, { ...one, plan_id });
  }
}
