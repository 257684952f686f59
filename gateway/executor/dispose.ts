/**
 * What happens to one action: the one function that holds all the branches between "admitted" and "ended".
 *
 * X1 No driver write without a durable intent.            X4 Policy silent, or a rule that errs: blocked.
 * X3 Every action ends in exactly one receipt, refusals included.
 * X5 Same key, same arguments: done already. Same key, other arguments: a conflict, and no write.
 * X6 A lane is released only after the outcome is durable, all of a doubt included.
 */
import { isDeepStrictEqual } from 'node:util';
import { LIMITS, type Receipt, type WriteResult } from '@fibric/sdk';
import type { Verdict } from '@fibric/policy';
import type { Bindings } from '../bindings.ts';
import type { IntentEntry, Row } from '../journal/entries.ts';
import type { Journal } from '../journal/journal.ts';
import { act } from './act.ts';
import { broken } from './breaker.ts';
import { approvalEnding } from './basis.ts';
import { type Before, isThere, readBefore, wasMoved } from './before.ts';
import { conclude, type ConcludeDeps } from './conclude.ts';
import { type FactSources, gatherFacts, interlocksOf, judge, leaseMs } from './facts.ts';
import { aimedAt, type Ending, type Job } from './job.ts';
import { checkKey, type KeyMemory } from './keys.ts';
import type { Conflict, Lanes } from './lanes.ts';
import { heldForDoubt, lanesOfJob } from './lane-set.ts';
import { grantOf, leaseRefusal, ungrantable } from './lease.ts';
import { heldBack, overridden, type OverrideDeps } from './override.ts';
import { renewal, renewedInPlace } from './renew.ts';
import { type RulesNow, underRulesNow } from './rules-now.ts';
import { type TellDeps, tellWith, toldFirst, undeliverable } from './tell.ts';
import { stopEnding, stopped } from './stop.ts';
import { heldBack as heldOff, modeNow } from './holds.ts';
import { startStopwatch } from './stopwatch.ts';

export interface DisposeDeps extends ConcludeDeps, OverrideDeps, TellDeps {
  readonly journal: Journal;
  readonly lanes: Lanes;
  readonly bindings: Bindings;
  readonly keys: KeyMemory;
  readonly facts: FactSources;
  /** The rules of the moment of an operator, by its uid. */
  readonly policyOf: RulesNow['of'];
  /** Sees to it that time that the machine slept has passed on `ioClock`. */
  readonly noticeSleep: () => void;
  /** Appends the receipt and resolves when it is durable. */
  readonly end: (job: Job, ending: Ending) => Promise<Receipt>;
}

/** A job that stays open because the gateway is stopping has no receipt yet. */
export type Disposed = Receipt | null;

function intentOf(deps: DisposeDeps, job: Job, attempt: number, before: Before, verdict: Verdict): IntentEntry {
  const { action } = job;
  const { projection, nextSeq, epoch } = deps.journal;
  return {
    type: 'intent/1',
    action_id: action.action_id,
    idempotency_key: action.idempotency_key,
    fingerprint: action.fingerprint,
    attempt,
    epoch,
    device: action.device,
    baseline: before.baseline,
    target: action.target,
    decision: verdict.decision === 'ALERT' ? 'ALERT' : 'ALLOW',
    rule: verdict.rule,
    policy: verdict.policy_hash,
    rules: verdict.rules,
    evidence: verdict.evidence,
    alert: verdict.decision === 'ALERT' ? verdict.reason : null,
    lease: action.releases === undefined ? grantOf(projection, job, before, nextSeq, leaseMs(deps.facts, job)) : null,
  };
}

/** In the site's time: what was sensed is worth no more by then. */
const isLate = (deps: DisposeDeps, { action }: Job): boolean => deps.facts.clock.wallMs() > action.deadline_ms;

/**
 * Not sent when the gateway is stopping or stopped (K1), when an interlock has tripped, when its deadline has passed, or when the
 * process stood still since the device was asked or since the intent: what was decided may no longer hold (G-SF-7). While the machine sleeps its monotonic clock
 * stands still as well, and only the wall clock goes on; a wall clock that is set withdraws too much rather than too little.
 */
function sendGate(deps: DisposeDeps, job: Job, { asked }: Before): () => boolean {
  const { journal, ioClock, stopping, facts } = deps;
  const release = job.action.releases !== undefined;
  const committed = { mono: ioClock.monoMs(), wall: ioClock.wallMs() };
  const isLong = (from: Before['asked'], ms: number): boolean =>
    ioClock.monoMs() - from.mono > ms || Math.abs(ioClock.wallMs() - from.wall) > ms;
  // The device's answer may take its time; what comes after it may not.
  const answerMs = job.resolution.tool.timeout_ms;
  const paused = (): boolean => isLong(committed, LIMITS.sendPauseMs) || isLong(asked, answerMs + LIMITS.sendPauseMs);
  return () => {
    deps.noticeSleep();
    return (
      !stopping.aborted &&
      !journal.failure &&
      !stopped(journal.projection, release ? 'lease' : null) &&
      !paused() &&
      !isLate(deps, job) &&
      (release || interlocksOf(facts, job).tripped === null)
    );
  };
}

/** Sent under this, or not sent and ended like that. */
export type Gate =
  | { readonly ending: Ending }
  /** `told`: people know of it already. */
  | { readonly job: Job; readonly before: Before; readonly verdict: Verdict; readonly told?: boolean };

/** Permitted under the rules of the moment, with when it was first to be sent. */
interface Permitted {
  readonly job: Job;
  readonly before: Before;
  readonly verdict: Verdict;
  readonly sentMs: number;
  readonly told: boolean;
}

const lateEnding: Ending = {
  outcome: 'expired',
  stage: 'deadline',
  reason_code: 'deadline',
  reason: 'its deadline passed before its turn came',
};

type Refused = Pick<Ending, 'outcome' | 'stage' | 'reason_code' | 'reason'>;

/** What needs no device: time, key, stop, a hand on the device, the lease of somebody else. */
async function evaluateKnown(deps: DisposeDeps, job: Job): Promise<Ending | null> {
  const { action } = job;
  const { projection } = deps.journal;
  const nowMs = deps.facts.clock.wallMs();
  const refuse = (outcome: Ending['outcome'], stage: string, reason_code: string, reason: string): Refused => ({
    ...{ outcome, stage, reason_code, reason },
  });
  if (isLate(deps, job)) return lateEnding;
  const dedup = checkKey(action, deps.keys);
  if (dedup.kind === 'refused') return refuse('blocked', 'key', dedup.reason_code, dedup.reason);
  if (dedup.kind === 'deduped') {
    const { receipt_id } = dedup;
    const done = refuse('deduped', 'key', 'deduped', `it had its effect already: ${receipt_id}`);
    return (await renewal(deps, job)) ?? { ...done, refers_to: [receipt_id] };
  }
  const stop = stopped(projection);
  if (stop) return stopEnding(stop);
  const off = heldOff(job.origin, projection, job.waiting !== null);
  if (off) return refuse('blocked', 'box', off.reason_code, off.reason);
  const held = broken(projection, job) ?? approvalEnding(deps.facts, job) ?? heldBack(deps, job, nowMs);
  return held ?? leaseRefusal(projection, deps.elapsed, job);
}

/**
 * Everything up to the intent, in the order of contract §5. Returns the ending, or what is needed to act. `sentMs`: when an earlier
 * attempt was sent, which is no further action to a rule that counts. `told`: a channel has taken the alert of it.
 */
async function evaluate(
  deps: DisposeDeps,
  admitted: Job,
  sentMs: number | null,
  told: boolean,
): Promise<{ ending: Ending } | Permitted> {
  const job = underRulesNow(deps.policyOf, admitted);
  const known = await evaluateKnown(deps, job);
  if (known) return { ending: known };
  const before = await readBefore(deps, job);
  if (isLate(deps, job)) return { ending: lateEnding };
  const byHand = await overridden(deps, job, before);
  if (byHand) return { ending: byHand };
  const facts = gatherFacts(deps.facts, job, before, { sentMs, told });
  const verdict = judge(deps.facts, job.policy, facts, 'head');
  const { stage, reason_code, reason } = verdict;
  const { baseline } = before;
  // In shadow nobody is asked; that somebody would have been is all that is missing.
  const asks = job.origin.mode === 'shadow' && reason_code === 'approval_missing';
  if (verdict.decision === 'BLOCK' && !asks)
    return { ending: { outcome: 'blocked', stage, reason_code, reason, verdict, baseline } };
  if (before.fault) {
    const verdictThen = before.fault.outcome === 'blocked' ? null : verdict;
    return { ending: { ...before.fault, stage: 'device', verdict: verdictThen } };
  }
  const same =
    verdict.noop ||
    (job.action.effect_class === 'absolute_set' &&
      job.resolution.tool.verify !== null &&
      isThere(aimedAt(job, verdict.effective?.writes), before));
  if (same) {
    const there = {
      outcome: 'noop',
      stage: 'motion',
      reason_code: 'noop',
      reason: 'the device is there already',
    } as const;
    return { ending: (await renewedInPlace(deps, job, before, verdict)) ?? { ...there, verdict, baseline } };
  }
  if (job.origin.mode === 'shadow') {
    const would = {
      outcome: 'shadow',
      stage,
      reason_code: 'shadow',
      reason: asks ? `would have waited for a person: ${reason}` : `would have been sent: ${reason}`,
    } as const;
    return { ending: { ...would, verdict, baseline } };
  }
  const untold = undeliverable(deps, job, verdict);
  if (untold) return { ending: { ...untold, baseline } };
  const noWayBack = ungrantable(deps.journal.projection, job, before);
  if (noWayBack) return { ending: { ...noWayBack, verdict: null, baseline } };
  // Counted in the turn in which it was decided: the next one to be decided on may be of the same moment.
  const countedMs = sentMs ?? deps.facts.sent.add(job.origin.operator, job.action.capability);
  return { job, before, verdict, sentMs: countedMs, told };
}

/** It may be tried again only on the device that it was tried on: what somebody did since is not overwritten (§2.6, "neither"). */
function movedEnding({ before, verdict }: { before: Before; verdict: Verdict }, attempt: number): Ending {
  const reason = 'somebody else moved the device between two attempts';
  const code = 'superseded_externally';
  const seen = { baseline: before.baseline, effective: before.baseline };
  return { outcome: code, stage: 'act', reason_code: code, reason, attempt, verdict, ...seen };
}

/** A pulse or a call is never swallowed by another: only of a state that is set the last wish is enough. */
function conflictOf({ action, terms, origin }: Job): Conflict | undefined {
  if (terms.on_conflict === 'refuse') return { kind: 'refuse' };
  if (terms.on_conflict === 'wait' || action.effect_class !== 'absolute_set') return undefined;
  const wish = `${origin.operator_uid} ${action.intent_key}@${action.occurrence}`;
  return { kind: 'coalesce', wish, revision: action.revision, name: action.action_id };
}

/** Disposes of one action. Resolves with its receipt once that is durable, or with null when the gateway stops first. */
export async function dispose(deps: DisposeDeps, queued: Job): Promise<Disposed> {
  const asking = underRulesNow(deps.policyOf, queued);
  const hold = await deps.lanes.acquire(lanesOfJob(deps, asking), conflictOf(asking));
  const ruled = underRulesNow(deps.policyOf, asking);
  const job = { ...ruled, origin: { ...ruled.origin, mode: modeNow(ruled.origin, deps.journal.projection) } };
  if (hold.kind === 'full') {
    return deps.end(job, {
      outcome: 'refused_busy',
      stage: 'lane',
      reason_code: asking.terms.on_conflict === 'refuse' ? 'entity_locked' : 'lane_full',
      reason:
        asking.terms.on_conflict === 'refuse'
          ? 'its entity is busy, and its rule says not to wait'
          : 'too many actions wait for this entity',
    });
  }
  if (hold.kind === 'superseded') {
    const reason = `${hold.by} wants something newer of the same, and took its place before its turn came`;
    return deps.end(job, { outcome: 'superseded', stage: 'lane', reason_code: 'coalesced', reason });
  }
  if (hold.kind === 'withdrawn') {
    const stop = stopped(deps.journal.projection);
    if (stop) return deps.end(job, stopEnding(stop));
    return dispose(deps, queued);
  }
  if (hold.kind === 'timeout') {
    return deps.end(job, {
      outcome: 'expired',
      stage: 'lane',
      reason_code: 'lane_timeout',
      reason: `waited ${hold.waited_ms} ms for its entity`,
    });
  }
  // While it waited the rules may have come to ask for another lane.
  if (!isDeepStrictEqual(lanesOfJob(deps, job), lanesOfJob(deps, asking))) {
    hold.release();
    return dispose(deps, job);
  }
  try {
    let sentMs: number | null = null;
    let told = false;
    return await carryOut(deps, job, async () => {
      const gate = await toldFirst(deps, job, (now) => evaluate(deps, job, sentMs, told || now));
      if ('sentMs' in gate) ({ sentMs, told } = gate);
      return gate;
    });
  } finally {
    hold.release();
  }
}

/** Intent, send, conclusion, as often as may be. Only under the lane of the job; `gate` is asked before each attempt. */
export async function carryOut(deps: DisposeDeps, job: Job, ask: () => Promise<Gate>): Promise<Disposed> {
  let first: { readonly aimed: Job; readonly before: Before } | null = null;
  for (let attempt = 1; ; attempt++) {
    if (deps.stopping.aborted) return null;
    const gate = await ask();
    if ('ending' in gate) return deps.end(job, { ...gate.ending, attempt: attempt - 1 });
    if (first && wasMoved(first.aimed, first.before, gate.before)) return deps.end(job, movedEnding(gate, attempt - 1));
    const { verdict } = gate;
    // A part of it may be there since an earlier attempt: what was before the action is what that one found (K2).
    const before: Before = first ? { ...gate.before, baseline: first.before.baseline } : gate.before;
    // What is sent is what was judged; what was proposed stays on the plan and in the receipt's arguments.
    const aimed = aimedAt(gate.job, verdict.effective?.writes);
    deps.journal.append(intentOf(deps, aimed, attempt, before, verdict));
    if (verdict.decision === 'ALERT' && attempt === 1 && !gate.told) tellWith(deps, aimed, verdict);
    await deps.journal.durable();
    const { action, resolution } = aimed;
    const watch = startStopwatch(deps.facts.clock);
    const maySend = watch.sending(sendGate(deps, job, before));
    const result = await act(deps.driver(action.connector), action, resolution.tool.timeout_ms, maySend);
    watch.answered();
    const timeline = watch.timeline();
    const conclusion = await conclude(deps, aimed, attempt, before, verdict, result);
    if (conclusion === 'interrupted') return null;
    if (!('again' in conclusion)) return deps.end(job, { ...conclusion, timeline });
    if (attempt >= LIMITS.attempts) return deps.end(job, { ...conclusion.again, timeline });
    if (result.kind !== 'not_sent') first ??= { aimed, before };
  }
}

/** Takes up an intent found without an outcome at boot: settles it under its lane, then ends it (C5–C9). */
export async function resume(deps: DisposeDeps, open: Job, intent: Row<IntentEntry>): Promise<Disposed> {
  const job = aimedAt(open, intent.target);
  const hold = await heldForDoubt(deps.lanes, lanesOfJob(deps, job), job.action.action_id);
  try {
    const before: Before = {
      asked: { mono: 0, wall: 0 },
      baseline: intent.baseline,
      readings: [],
      current: undefined,
      fault: null,
    };
    const verdict: Verdict = {
      decision: intent.decision,
      noop: false,
      rule: intent.rule,
      policy_hash: intent.policy,
      stage: 'act',
      reason_code: 'resumed',
      reason: 'decided before the restart',
      rules: intent.rules,
      evidence: intent.evidence,
      effective: null,
      inputs: null,
    };
    const doubt: WriteResult = {
      kind: 'doubt',
      reason_code: 'restart',
      message: 'the gateway ended between intent and outcome',
      response: null,
    };
    const timeline = { intent_at: intent.at, sent_at: null, answered_at: null };
    const conclusion = await conclude(deps, job, intent.attempt, before, verdict, doubt);
    if (conclusion === 'interrupted') return null;
    if (!('again' in conclusion)) return await deps.end(job, { ...conclusion, timeline });
    const { again } = conclusion;
    if (again.reason_code === 'device_altered') return await deps.end(job, { ...again, timeline });
    const reason = 'the gateway ended before it was sent; the device is as it was before';
    return await deps.end(job, { ...again, reason_code: 'not_applied', reason, timeline });
  } finally {
    hold.release();
  }
}
