/**
 * A yes to what fell because its basis had changed: on the basis as it was found then, and for a plan of its own, which every gate
 * judges by the rules of its operator. The plan that fell stays as it ended (G-AP-3).
 */
import { type Clock, FibricError, isoTime } from '@fibric/sdk';
import type { Fallen } from '../journal/fallen.ts';
import type { Journal } from '../journal/journal.ts';
import type { PlanView } from '../journal/types.ts';
import type { Disposition, Proposal } from '../kernel.ts';
import { modeNow } from './holds.ts';
import type { Announce } from './override.ts';

export interface AnewDeps {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly announce: Announce;
  readonly submit: (proposal: Proposal) => Promise<Disposition>;
}

/** Whose yes it is, to what, and as it was shown. */
interface Yes {
  readonly who: string;
  readonly basis_hash: string;
  readonly reason: string | null;
}

type Shown = PlanView['actions'][number];

/** The id of the new plan, which waits for persons and is durable. Throws `approval_expired`, `conflict`. */
export async function proposeAnew(deps: AnewDeps, plan: PlanView, chosen: readonly Shown[], yes: Yes): Promise<string> {
  const fallen = fallenOf(deps, plan, chosen, yes.basis_hash);
  const mode = modeNow(fallen.origin, deps.journal.projection);
  if (mode === 'disabled' || mode === 'shadow')
    throw new FibricError('conflict', `${fallen.origin.operator} is ${mode} now: nothing that it wished for is sent`);
  // Nothing may come between the look at what fell and the row that takes its place: a second yes finds that one.
  const { plan_id, rejected, receipts, awaiting } = await deps.submit(proposalOf(deps, plan, fallen, mode, yes));
  if (rejected !== null) throw new FibricError('conflict', `not taken: ${rejected.reason_code}: ${rejected.reason}`);
  const [refusal] = receipts;
  if (plan_id !== null && awaiting.length > 0) return plan_id;
  const why = refusal ? `${refusal.outcome}: ${refusal.reason} (${refusal.receipt_id})` : 'the gateway is stopping';
  throw new FibricError('conflict', `${plan.plan_id} cannot be approved as things are: ${why}`);
}

/** What the person means, if it may still be approved. */
function fallenOf({ journal, clock }: AnewDeps, plan: PlanView, chosen: readonly Shown[], basis_hash: string): Fallen {
  const { plan_id } = plan;
  const fell = chosen.filter(({ outcome }) => outcome === 'basis_changed');
  if (fell.length === 0) {
    const why = chosen.some(({ awaits }) => awaits)
      ? 'it waits on the basis that it was proposed on: approve it without naming one'
      : 'nothing of it ended because its basis had changed';
    throw new FibricError('conflict', `${plan_id}: ${why}; fibric plans show ${plan_id}`);
  }
  const known = fell.flatMap(({ action_id }) => journal.projection.fallen.rows.get(action_id) ?? []);
  const [first] = known;
  const inTime = known.filter(({ action }) => action.deadline_ms >= clock.wallMs());
  if (inTime.length === 0) {
    const since = first ? ` at ${isoTime(first.action.deadline_ms)}` : '';
    throw new FibricError('approval_expired', `the time to approve ${plan_id} was over${since}; propose it anew`);
  }
  const shown = inTime.filter((one) => one.basis_hash === basis_hash);
  const [one, other] = shown;
  if (!one) {
    const why = `what ${plan_id} was found to rest on is not what was seen`;
    throw new FibricError('conflict', `${why}; look at it again: fibric plans show ${plan_id}`);
  }
  if (other) throw new FibricError('conflict', `several actions of ${plan_id} rest on that: name one with --action`);
  if (one.plan_id === null) return one;
  throw new FibricError(
    'conflict',
    `${one.plan_id} has taken the place of ${plan_id}: fibric plans show ${one.plan_id}`,
  );
}

/** The same wish under the same key, for which nothing was done; an episode numbers it by itself. */
function proposalOf(
  { announce }: AnewDeps,
  { plan_id, reasoning }: PlanView,
  { origin, action, receipt_id, basis, breakers }: Fallen,
  mode: Proposal['mode'],
  { who, reason }: Yes,
): Proposal {
  const { action_id, capability, args, value, occurrence, revision, deadline_ms } = action;
  const { operator: name, operator_uid: uid, version } = origin;
  const key = occurrence.startsWith('ep=') ? {} : { occurrence, revision };
  const wish = { capability, args, ...(value === null ? {} : { value }), ...key };
  return {
    run_id: `run_${receipt_id}`,
    operator: { name, uid, version },
    requires: [capability],
    mode,
    event: announce('action.approved_anew', { who, reason, plan_id, action_id, receipt_id }, origin),
    proposed_by: `person:${who}`,
    reasoner: null,
    plan: { ...(reasoning === null ? {} : { reasoning }), actions: [wish] },
    // By the clock that the first was to wait by, which need not be trusted for that.
    seen: { basis, breakers, expires_ms: deadline_ms },
    state: null,
  };
}
