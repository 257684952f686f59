/** Admission: every action of a plan becomes a job or a refusal, in plan order, before anything is done (execution §2.10 P1–P4). */
import { type ExecutionTerms, executionTerms, type Policy } from '@fibric/policy';
import type { ExecutionPlan, PlannedAction } from '@fibric/sdk';
import type { Bindings } from '../bindings.ts';
import { digest } from '../journal/canonical.ts';
import type { Action, Origin, PlanEntry, PlannedEntry, RefusedAction } from '../journal/entries.ts';
import type { Proposal } from '../kernel.ts';
import { admitAction } from './admit.ts';
import { cannotWait } from './approval.ts';
import { type Request, waitingOf } from './basis.ts';
import { actionFacts, type FactSources, gatherFacts, judge, keyTime } from './facts.ts';
import type { Ending, Job } from './job.ts';
import type { RunBudgets } from './run-budgets.ts';
import { checkKey, type KeyMemory } from './keys.ts';
import { stopEnding, stopped } from './stop.ts';

/** An action after admission. */
export type Prepared =
  | { readonly kind: 'job'; readonly job: Job }
  | {
      readonly kind: 'refused';
      readonly action: RefusedAction;
      readonly ending: Ending;
      /** For an action beyond a cap: what the rule says of its plan. */
      readonly overrun?: ExecutionTerms['on_overrun'];
    };

/** A plan whose shape is known to be right, and where it comes from. */
export interface ShapedProposal {
  readonly plan: ExecutionPlan;
  readonly plan_id: string;
  readonly proposal: Proposal;
  readonly origin: Origin;
  readonly reasoning: string | null;
  readonly policy: Policy | null;
}

export interface AdmissionSources {
  readonly bindings: Bindings;
  readonly keys: KeyMemory;
  readonly facts: FactSources;
  readonly budgets: RunBudgets;
}

export function prepare(sources: AdmissionSources, shaped: ShapedProposal): readonly Prepared[] {
  const twins = new Map<string, Action>();
  const admitted = sources.budgets.of(shaped.origin.operator_uid, shaped.origin.run_id);
  const prepared = shaped.plan.actions.map((planned, ordinal) =>
    prepareOne(sources, shaped, planned, ordinal, twins, admitted),
  );
  const overrun = prepared.some((p) => p.kind === 'refused' && p.overrun === 'reject_plan');
  return overrun ? prepared.map(rejectOverrun) : prepared;
}

function prepareOne(
  sources: AdmissionSources,
  { plan_id, proposal, origin, reasoning, policy }: ShapedProposal,
  planned: PlannedAction,
  ordinal: number,
  twins: Map<string, Action>,
  counts: Map<string, number>,
): Prepared {
  const context = { ...sources, policy, time: keyTime(sources.facts) };
  const found = admitAction(planned, { plan_id, ordinal }, proposal, context);
  if (found.kind === 'refused') {
    const { action, stage, reason_code, reason } = found;
    return { kind: 'refused', action, ending: { outcome: 'blocked', stage, reason_code, reason } };
  }
  const twin = twins.get(found.action.idempotency_key);
  if (twin && twin.fingerprint !== found.action.fingerprint) {
    const reason = `${twin.idempotency_key} stands for other arguments in ${twin.action_id} of the same plan`;
    const ending: Ending = { outcome: 'blocked', stage: 'key', reason_code: 'key_conflict', reason };
    return { kind: 'refused', action: refusedOf(found.action), ending };
  }
  const action = afterTwin(found.action, twin);
  twins.set(action.idempotency_key, action);
  const admittedBefore = counts.get(action.capability) ?? 0;
  const terms = executionTerms(policy, actionFacts(origin.operator, action));
  const job = { origin, reasoning, action, resolution: found.resolution, policy, terms, admittedBefore };
  const late = action.deadline_ms < sources.facts.clock.wallMs();
  if (late) return { kind: 'refused', action: refusedOf(action), ending: STALE };
  const stop = stopped(sources.facts.projection);
  if (stop) return { kind: 'refused', action: refusedOf(action), ending: stopEnding(stop) };
  const verdict = judge(sources.facts, policy, gatherFacts(sources.facts, job, null), 'admission');
  const { stage, reason_code, reason } = verdict;
  const refused = { kind: 'refused', action: refusedOf(action) } as const;
  if (verdict.decision !== 'BLOCK') {
    const done = checkKey(action, sources.keys).kind !== 'fresh';
    const { deadline_ms: deadlineMs = null, seen = null } = proposal;
    const dependsOn = planned.depends_on ?? [];
    const prepared = asked(sources, job, { rules: verdict.rules, deadlineMs, dependsOn, done, seen });
    const full = prepared.waiting && cannotWait(sources.facts.projection, action);
    if (full) return { ...refused, ending: { ...full, verdict } };
    // What is done already does not use up the cap (G-LIM-1).
    if (!done) counts.set(action.capability, admittedBefore + 1);
    return { kind: 'job', job: prepared };
  }
  if (reason_code !== 'max_per_run')
    return { ...refused, ending: { outcome: 'blocked', stage, reason_code, reason, verdict } };
  return {
    ...refused,
    ending: { outcome: 'truncated', stage, reason_code, reason, verdict },
    overrun: terms.on_overrun,
  };
}

/** Whoever asked has waited too long somewhere: what they saw then is not what is so now. */
const STALE: Ending = {
  outcome: 'expired',
  stage: 'deadline',
  reason_code: 'deadline',
  reason: 'its deadline had passed before it was proposed',
};

/** What waits for a person may wait: for so long it keeps its basis, and not the deadline of a picture that is sent on at once. */
function asked({ facts, bindings }: AdmissionSources, job: Omit<Job, 'waiting'>, request: Request): Job {
  const waiting = waitingOf({ ...facts, bindings }, job, request);
  if (waiting === null) return { ...job, waiting };
  return { ...job, waiting, action: { ...job.action, deadline_ms: waiting.expires_ms } };
}

/** The second of two equal keys in a plan follows the first's fate (G-K-9). */
function afterTwin(action: Action, twin: Action | undefined): Action {
  if (twin === undefined || action.after.includes(twin.ordinal)) return action;
  return { ...action, after: [...action.after, twin.ordinal] };
}

/** `on_overrun: reject_plan`: a plan beyond its cap is not cut, nothing of it is done (G-LIM-5). */
function rejectOverrun(prepared: Prepared): Prepared {
  if (prepared.kind === 'refused') return prepared;
  const reason = 'the plan goes beyond the cap of its run, and the rule rejects such a plan as a whole';
  const ending: Ending = { outcome: 'rejected', stage: 'quantity', reason_code: 'plan_over_cap', reason };
  return { kind: 'refused', action: refusedOf(prepared.job.action), ending };
}

function refusedOf({ action_id, plan_id, ordinal, capability, args, value, entity_key }: Action): RefusedAction {
  return { action_id, plan_id, ordinal, capability, args, value, entity_key };
}

function plannedEntry(prepared: Prepared): PlannedEntry {
  if (prepared.kind === 'refused') return { status: 'refused', action: prepared.action };
  const { action, waiting } = prepared.job;
  return waiting === null ? { status: 'queued', action } : { status: 'awaiting', action, waiting };
}

/** The row that makes a plan durable (T1). */
export function planEntry(shaped: ShapedProposal, prepared: readonly Prepared[]): PlanEntry {
  const { plan, plan_id, proposal, origin, reasoning } = shaped;
  return {
    type: 'plan/1',
    plan_id,
    plan_hash: digest('plan/1\n', plan),
    origin,
    reasoner: proposal.reasoner,
    trigger: proposal.event,
    reasoning,
    actions: prepared.map(plannedEntry),
    state: proposal.state,
  };
}
