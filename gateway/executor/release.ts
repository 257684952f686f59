/**
 * Taking a leased write back: an action of its own, with plan, intent and receipt, proposed by the gateway and carried out under the
 * same lane. It needs no grant of policy and no approval, and meets no budget; interlocks only turn it towards the baseline.
 */
import { executionTerms, type Verdict } from '@fibric/policy';
import { formatDuration, isoTime, type PointState, type ProposedBy, type Receipt } from '@fibric/sdk';
import { digest } from '../journal/canonical.ts';
import { type Action, actionId, idAt, type Origin, type PlanEntry } from '../journal/entries.ts';
import { asFarAs, type Lease } from '../journal/leases.ts';
import { isThere } from './before.ts';
import { carryOut, type DisposeDeps, type Gate } from './dispose.ts';
import { actionFacts, interlocksOf, onOffOf } from './facts.ts';
import type { Job } from './job.ts';
import { ownLanes } from './lane-set.ts';
import { awayFromTrip, fallbackOf, remainingMs } from './lease.ts';
import { yieldTo } from './override.ts';
import { type Standing, standing } from './standing.ts';
import { stopped } from './stop.ts';

/** Why a lease ends. */
export type Cause =
  | { readonly kind: 'expired' }
  | { readonly kind: 'interlock'; readonly reason: string }
  | { readonly kind: 'stop' }
  | { readonly kind: 'asked'; readonly who: string };

export type Released =
  /** The lease is over. `receipt`: what was done; null when nothing had to be, or somebody else has the device. */
  | { readonly kind: 'ended'; readonly how: 'released' | 'yielded' | 'gone'; readonly receipt: Receipt | null }
  /** It was renewed while its end waited for its turn. */
  | { readonly kind: 'kept' }
  /** To be tried again. `failed`: it could have been taken back now, and was not. */
  | { readonly kind: 'later'; readonly reason: string; readonly failed: boolean };

const GONE: Released = { kind: 'ended', how: 'gone', receipt: null };

/** A job about the leased write: its device, its lane, its rules. Null when the site has lost the device or its tool. */
export function jobOfLease(deps: Pick<DisposeDeps, 'bindings' | 'policyOf'>, lease: Lease): Job | null {
  const { action, origin } = lease;
  const resolution = deps.bindings.tool(action.device, action.capability, lease.ours);
  const policy = deps.policyOf(origin.operator_uid);
  const terms = executionTerms(policy, actionFacts(origin.operator, action));
  return resolution && { origin, reasoning: null, action, resolution, policy, terms, waiting: null, admittedBefore: 0 };
}

/** Ends a lease now, or says why it has to wait. */
export async function release(deps: DisposeDeps, leaseId: string, cause: Cause): Promise<Released> {
  const { leases } = deps.journal.projection;
  const leased = leases.rows.get(leaseId);
  if (!leased) return GONE;
  const job = jobOfLease(deps, leased);
  if (!job) return failed(`${leased.action.device} no longer offers ${leased.action.capability} in this site`);
  const hold = await deps.lanes.acquire(ownLanes(job));
  if (hold.kind !== 'held') return later('others are at work on the device');
  try {
    const lease = leases.rows.get(leaseId);
    const now = lease && jobOfLease(deps, lease);
    if (!now) return GONE;
    if (cause.kind === 'expired' && remainingMs(lease, deps.elapsed) > 0) return { kind: 'kept' };
    if (stopped(deps.journal.projection, 'lease')) return later('the gateway is stopped');
    return await takeBack(deps, now, lease, cause);
  } finally {
    hold.release();
  }
}

const later = (reason: string): Released => ({ kind: 'later', reason, failed: false });
const failed = (reason: string): Released => ({ kind: 'later', reason, failed: true });

/** Under the lane: reads first, and writes only over what is still ours. */
async function takeBack(deps: DisposeDeps, job: Job, lease: Lease, cause: Cause): Promise<Released> {
  const back = goesTo(deps, job, lease);
  const found = await standing(deps, job, lease, null, back);
  if (found.fault) return failed(found.fault.reason);
  if (found.kind === 'theirs' || found.kind === 'hand') {
    const by = found.kind === 'hand' ? 'local_override' : 'release';
    await yieldTo(deps, by, { job, lease, hold: lease.hold }, found.readings);
    return { kind: 'ended', how: 'yielded', receipt: null };
  }
  if (found.kind === 'partly') {
    // What is back already, or was never reached, is left as it is.
    const rest = asFarAs(lease, ({ point }) => found.ours.some((one) => one.point === point));
    const narrower = jobOfLease(deps, rest);
    if (narrower) return takeBack(deps, narrower, rest, cause);
  }
  const rests = found.kind === 'back' ? null : onOffOf(deps.facts, job);
  if (rests !== null) return later(rests);
  const proposed = propose(deps, job, lease, cause, back);
  let seen: Standing | null = found;
  const receipt = await carryOut(deps, proposed, async () => {
    const now = seen ?? (await standing(deps, job, lease, null, back));
    seen = null;
    return gateOf(deps, proposed, lease, now);
  });
  if (receipt === null) return later('the gateway is stopping');
  if (deps.journal.projection.leases.rows.has(lease.lease_id))
    return failed(`the release ended as ${receipt.outcome}: ${receipt.reason}`);
  return { kind: 'ended', how: receipt.lease?.state === 'yielded' ? 'yielded' : 'released', receipt };
}

/** Where the lease goes back to, given what the interlocks say now. */
function goesTo(deps: DisposeDeps, job: Job, lease: Lease): readonly PointState[] {
  const back = fallbackOf(lease, lease.ours);
  return interlocksOf(deps.facts, job).tripped === null ? back : awayFromTrip(lease, back);
}

const WORDS: Readonly<Record<Exclude<Cause['kind'], 'asked' | 'interlock'>, string>> = {
  expired: 'its time is over',
  stop: 'the gateway was stopped and everything is taken back',
};

function because(lease: Lease, cause: Cause): string {
  const ttl = lease.ttl_ms === null ? '' : ` of ${formatDuration(lease.ttl_ms)}`;
  const head = `lease ${lease.lease_id}${ttl} ends: `;
  if (cause.kind === 'asked') return `${head}${cause.who} asked for it`;
  return head + (cause.kind === 'interlock' ? cause.reason : WORDS[cause.kind]);
}

/** The release as a plan of one action, in the journal. Its intent follows in the same commit. */
function propose(deps: DisposeDeps, job: Job, lease: Lease, cause: Cause, back: readonly PointState[]): Job {
  const { journal } = deps;
  const reasoning = because(lease, cause);
  const { lease_id } = lease;
  const { entity_key, capability, device } = lease.action;
  const trigger = deps.announce(
    'lease.ending',
    { lease_id, device, entity_key, capability, cause: cause.kind, reason: reasoning },
    lease.origin,
  );
  const plan_id = idAt('pl', journal.nextSeq);
  const proposed_by: ProposedBy = cause.kind === 'asked' ? `person:${cause.who}` : 'rules';
  const origin: Origin = { ...lease.origin, run_id: `run_${lease_id}`, event_id: trigger.event_id, proposed_by };
  const action = releaseAction(lease, plan_id, back);
  const plan: PlanEntry = {
    type: 'plan/1',
    plan_id,
    plan_hash: digest('plan/1\n', { reasoning, actions: [action] }),
    origin,
    reasoner: null,
    trigger,
    reasoning,
    actions: [{ status: 'queued', action }],
    state: null,
  };
  journal.append(plan);
  return { ...job, origin, reasoning, action };
}

function releaseAction(lease: Lease, plan_id: string, back: readonly PointState[]): Action {
  const { action, lease_id } = lease;
  const target = back.flatMap(({ point, value }) => (value === null ? [] : [{ point, value }]));
  const value = target.find(({ point }) => point === lease.leading)?.value;
  const intent_key = `${lease.origin.operator_uid}:${action.entity_key}:release`;
  // Each try is an occasion of its own: a lease is taken back until it is.
  const occurrence = `ev=${lease_id}/${plan_id}`;
  const args = Object.fromEntries(target.map(({ point, value }) => [point, value]));
  return {
    ...action,
    action_id: actionId(plan_id, 0),
    plan_id,
    ordinal: 0,
    args,
    value: typeof value === 'number' ? value : null,
    intent_key,
    occurrence,
    revision: 1,
    idempotency_key: `${intent_key}@${occurrence}#1`,
    fingerprint: digest('args/1\n', { connector: action.connector, tool: action.tool, args }),
    after: [],
    target,
    // It is never too late to take something back.
    deadline_ms: Number.MAX_SAFE_INTEGER,
    releases: lease_id,
  };
}

/** Before each attempt: what was found decides, no rule has to allow it. */
function gateOf(deps: DisposeDeps, job: Job, lease: Lease, now: Standing): Gate {
  const { before, fault, kind } = now;
  const noop = kind === 'back' || isThere(job, before);
  const verdict: Verdict = {
    decision: 'ALLOW',
    noop,
    rule: lease.rule,
    policy_hash: job.policy?.hash ?? null,
    stage: 'lease',
    reason_code: 'release',
    reason: 'a release takes back what was allowed',
    rules: [],
    evidence: [],
    effective: null,
    inputs: null,
  };
  const common = { stage: 'lease', verdict, baseline: before.baseline };
  if (fault) return { ending: { ...common, ...fault, stage: 'device' } };
  if (kind === 'theirs' || kind === 'hand') {
    const at = isoTime(deps.facts.clock.wallMs());
    const readback = now.readings.map(({ point, value, quality }) => ({ point, value, quality, at }));
    const reason = 'somebody else has moved it since; it is not written over';
    return { ending: { ...common, outcome: 'superseded_externally', reason_code: 'yielded', reason, readback } };
  }
  if (!noop) return { job, before, verdict };
  return { ending: { ...common, outcome: 'noop', reason_code: 'noop', reason: 'the device is back already' } };
}
